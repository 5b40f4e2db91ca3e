//! What breaks beside the token endpoint.

use std::thread::{self, sleep};
use std::time::Duration;

use keyhole_tests::clock::Clock;
use keyhole_tests::faults::{Fault, Kind};

use crate::world::{Warm, World};

pub(crate) fn run(world: &mut World) {
    let everybody = world.warm.len();
    unauthorized(world);
    account_made_again(world);
    certificate_and_policy(world);
    apiserver_restarted(world);
    envoy_drained(world, everybody);
    clock_jumps(world, everybody);
}

fn unauthorized(world: &mut World) {
    let everybody = world.warm.len();
    world.row("apiserver: 401 for all tokens so far", Warm::Nothing, everybody, |world| {
        world.faults.set(Kind::Clients, Fault::Revoked);
        sleep(Duration::from_secs(4));
    });
    // A token is not replaced before it is 10 s old.
    sleep(Duration::from_secs(7));
    // The second try may meet the next 401.
    world.row("apiserver: 401 for 3 requests", Warm::Refusals, 3, |world| {
        world.faults.set(Kind::Clients, Fault::Unauthorized(3));
        sleep(Duration::from_secs(3));
    });
}

/// The apiserver remembers a token for 10 s, so the old one works for a while.
fn account_made_again(world: &mut World) {
    world.row("an account deleted and made again", Warm::Refusals, 2, |world| {
        let stack = &world.stack;
        stack.kubectl(&["delete", "serviceaccount", "warm-0", "-n", "default"]).unwrap();
        stack.kubectl(&["create", "serviceaccount", "warm-0", "-n", "default"]).unwrap();
        sleep(Duration::from_secs(12));
    });
}

fn certificate_and_policy(world: &mut World) {
    world.row("certificate and policy swapped at once", Warm::Nothing, 0, |world| {
        let stack = &*world.stack;
        let policy = std::fs::read_to_string(stack.state().join("applied.yaml")).unwrap();
        let other = policy.replace("verbs: [get, list]", "verbs: [get, list, watch]");
        let mut taken = Vec::new();
        for policy in [&other, &policy, &other] {
            let serial = thread::scope(|scope| {
                let applied = scope.spawn(|| stack.apply(policy));
                let serial = stack.renew_server_certificate().unwrap();
                applied.join().unwrap().unwrap();
                serial
            });
            sleep(Duration::from_millis(300));
            let certificates = stack.admin("GET", "/certs").unwrap();
            taken.push(certificates.contains(serial.trim_start_matches('0')));
        }
        world.expect(taken == [true; 3], format!("certificates taken up: {taken:?}"));
    });
}

fn apiserver_restarted(world: &mut World) {
    world.row("apiserver ended and started again", Warm::Refusals, 0, |world| {
        sleep(Duration::from_secs(1));
        let restarted = world.stack.restart("kube-apiserver").unwrap();
        world.apiserver = Some(restarted);
        sleep(Duration::from_secs(1));
    });
}

/// What a pod's end looks like: drain, wait, SIGTERM.
fn envoy_drained(world: &mut World, everybody: usize) {
    world.row("Envoy drained, ended, started again", Warm::Nothing, everybody, |world| {
        world.faults.set(Kind::Clients, Fault::Slow(Duration::from_millis(700)));
        sleep(Duration::from_secs(1));
        let active = world.stack.admin("GET", "/stats?filter=downstream_rq_active").unwrap();
        let active = active.lines().find_map(|line| {
            line.strip_prefix("http.clients.downstream_rq_active: ")?.parse().ok()
        });
        world.expect(active > Some(0), format!("in flight: {active:?}"));
        world.stack.admin("POST", "/drain_listeners?graceful").unwrap();
        sleep(Duration::from_secs(1));
        world.stop_load();
        world.faults.lift();
        world.restart_envoy(&[]);
    });
}

/// Tokens are too old, or not valid yet, while the gateway's clock is wrong; soon
/// after it is right again, all is well.
fn clock_jumps(world: &mut World, everybody: usize) {
    const TWO_HOURS: i64 = 7200;
    let clock = Clock::new(world.stack.state()).unwrap();
    world.restart_envoy(&clock.variables());
    for (name, seconds) in [
        ("Envoy's clock: 2 h ahead, and back", TWO_HOURS),
        ("Envoy's clock: 2 h behind, and back", -TWO_HOURS),
    ] {
        // Each account's tokens are thrown away and asked for anew, with back-offs.
        world.row(name, Warm::Refusals, 5 * everybody, |_| {
            sleep(Duration::from_secs(1));
            clock.set(seconds).unwrap();
            sleep(Duration::from_secs(4));
            clock.set(0).unwrap();
        });
    }
    world.restart_envoy(&[]);
}
