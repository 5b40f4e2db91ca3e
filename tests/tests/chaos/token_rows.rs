//! The token endpoint breaks, in every way; so does the file with the gateway's own
//! token. Who has a token notices nothing; who has none is refused, and served soon
//! after.

use std::thread::sleep;
use std::time::Duration;

use keyhole_tests::faults::{Fault, Kind};

use crate::world::{Warm, World};

/// How long the endpoint stays broken.
const BROKEN: Duration = Duration::from_secs(3);

struct Row {
    name: &'static str,
    fault: Fault,
    /// Whether a first request is refused, or waits and is served.
    refused: bool,
}

fn table() -> Vec<Row> {
    let refused = |name, fault| Row { name, fault, refused: true };
    let status = |code, retry_after| Fault::Status { code, retry_after };
    vec![
        Row {
            name: "tokens: 2 s late",
            fault: Fault::Slow(Duration::from_secs(2)),
            refused: false,
        },
        refused("tokens: 500", status(500, None)),
        refused("tokens: 503, Retry-After 2", status(503, Some(2))),
        refused("tokens: 429, Retry-After 2", status(429, Some(2))),
        refused("tokens: 403", status(403, None)),
        refused("tokens: garbage", Fault::Garbage),
        refused("tokens: of another account", Fault::AnotherAccount("default/warm-0".into())),
        refused("tokens: expired", Fault::Expired),
        refused("tokens: badly signed", Fault::BadSignature),
        refused("tokens: an answer of 8 MiB", Fault::Huge),
        refused("tokens: reset in mid-answer", Fault::Reset),
        refused("tokens: connection lost in mid-answer", Fault::HangUp),
        refused("tokens: no answer", Fault::Silence),
    ]
}

pub(crate) fn run(world: &mut World) {
    for Row { name, fault, refused } in table() {
        // At once, and after back-offs of 1, 2 and 4 s.
        let bound = if refused { 4 } else { 1 };
        world.row(name, Warm::Nothing, bound, |world| {
            let cold = world.cold();
            world.faults.set(Kind::TokenRequests, fault);
            let served = world.is_served(&cold);
            world.expect(served != refused, "a first request was treated otherwise");
            let met = world.faults.counts().tokens_of(&cold.account);
            world.expect(met > 0, "nobody asked for a token");
            if refused {
                sleep(BROKEN);
                let served = world.is_served(&cold);
                world.expect(!served, "a token came from nowhere");
            }
            world.faults.lift();
            world.is_served_again(&cold);
        });
    }
    gateway_token(world);
}

fn gateway_token(world: &mut World) {
    let old = world.stack.gateway_token().unwrap();
    let new = world.stack.new_gateway_token().unwrap();
    let new = new.trim_end();
    world.row("gateway's token: rotated", Warm::Nothing, 1, |world| {
        let before = credentials(world);
        mount(world, Some(new));
        let cold = world.cold();
        world.is_served_again(&cold);
        let after = credentials(world);
        world.expect(after.len() == before.len() + 1, "one request for one token");
        world.expect(before.last() != after.last(), "the old token is still in use");
    });
    world.row("gateway's token: empty file", Warm::Nothing, 4, |world| {
        mount(world, Some(""));
        let cold = world.cold();
        let served = world.is_served(&cold);
        world.expect(!served, "a token came from nowhere");
        mount(world, Some(new));
        world.is_served_again(&cold);
    });
    // Envoy may keep what it has.
    world.row("gateway's token: file removed", Warm::Nothing, 4, |world| {
        mount(world, None);
        let cold = world.cold();
        world.is_served(&cold);
        mount(world, Some(&old));
        world.is_served_again(&cold);
    });
}

fn mount(world: &World, token: Option<&str>) {
    world.stack.mount_gateway_token(token).unwrap();
    sleep(Duration::from_secs(1));
}

/// The id of the credential of each TokenRequest.
fn credentials(world: &World) -> Vec<String> {
    let events = world.stack.audit().token_requests().unwrap();
    let id = "/user/extra/authentication.kubernetes.io~1credential-id";
    events.iter().map(|event| event.text(id)).collect()
}
