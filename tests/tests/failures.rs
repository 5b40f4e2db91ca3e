//! The table "When something fails" of docs/operations.md: each row that this file is
//! named in is made to happen, and is told as the page says: the code and the reason,
//! part of the message, a metric, a line of the log.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use keyhole_tests::client::{Client, Response};
use keyhole_tests::clock::Clock;
use keyhole_tests::page::page;
use keyhole_tests::process::Restarted;
use keyhole_tests::stack::{OwnStack, Stack, new_key, root};

const NAMED: &str = "[`what_fails_is_told_as_the_page_says`]";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// A row: what a reader is told of a failure.
struct Row {
    what: String,
    /// As in `503 ServiceUnavailable`.
    client: String,
    message: String,
    metric: String,
    log: String,
}

fn rows() -> Vec<Row> {
    let page = page("docs/operations.md");
    let (_, section) = page.split_once("## When something fails").unwrap();
    let rows = section.lines().filter(|line| line.contains(NAMED));
    rows.map(|line| {
        let cells = line.trim_matches('|').split('|');
        let mut cells = cells.map(|cell| cell.trim().trim_matches('`').to_owned());
        let mut next = || cells.next().unwrap();
        Row { what: next(), client: next(), message: next(), metric: next(), log: next() }
    })
    .collect()
}

/// A stack, and what is done to it.
struct World {
    stack: OwnStack,
    clock: Clock,
    /// Clients whose accounts have no token yet: one that exists, and one that does not.
    cold: [Client; 2],
    _envoy: Restarted,
}

impl World {
    fn new() -> Self {
        let stack = Stack::own("failures", &["--live"]).unwrap();
        let clock = Clock::new(stack.state()).unwrap();
        stack.terminate("envoy").unwrap();
        let _envoy = stack.start_again("envoy", &clock.variables()).unwrap();
        let mut policy = stack.policy();
        let cold = ["there", "missing"].map(|name| {
            let (key, digest) = new_key(name);
            policy = policy.replace("roles:\n- name", &format!(
                "- name: {name}\n  keys: [{{sha256: {digest}}}]\n  serviceAccount: {{namespace: default, name: {name}}}\n  roles: [pod-operator]\nroles:\n- name"
            ));
            stack.anonymous().with_key(&key)
        });
        for command in [
            "create serviceaccount there -n default",
            "create rolebinding there -n default --role api-reader --serviceaccount default:there",
        ] {
            stack.kubectl(&command.split(' ').collect::<Vec<_>>()).unwrap();
        }
        fs::write(stack.state().join("policy.yaml"), policy).unwrap();
        let world = Self { stack, clock, cold, _envoy };
        world.apply(&world.stack.policy());
        until(&world.stack.client(), 200);
        world
    }

    /// As `policy-apply` does, which reads the log of the first Envoy only.
    fn apply(&self, policy: &str) {
        let file = self.stack.state().join("applied.yaml");
        fs::write(&file, policy).unwrap();
        let mut command = Command::new(root().join("scripts/policy-apply"));
        command.arg("--state").arg(self.stack.state()).arg("--no-wait").arg(file);
        assert!(command.status().unwrap().success());
        // The gateway looks every 2 s.
        sleep(Duration::from_secs(3));
    }

    /// Makes one row happen, and asks as its client.
    fn fail(&self, what: &str) -> Response {
        let (stack, client) = (&self.stack, self.stack.client());
        let [there, missing] = &self.cold;
        match what {
            "the key is unknown, has ended or is not valid yet" => {
                stack.anonymous().with_key("keyhole_nobody_x").get(PODS).unwrap()
            }
            "no rule allows it" => client.delete(&format!("{PODS}/web-0")).unwrap(),
            "the policy in the ConfigMap has a mistake" => {
                self.apply(&stack.policy().replace("[get, list, create]", "[gett]"));
                let response = client.get(PODS).unwrap();
                self.apply(&stack.policy());
                response
            }
            "RBAC does not let the gateway make this token" => {
                let binding = ["delete", "rolebinding", "keyhole-tokens", "-n", "default"];
                stack.kubectl(&binding).unwrap();
                let response = there.get(PODS).unwrap();
                self.apply(&stack.policy());
                response
            }
            "the ServiceAccount is not there" => missing.get(PODS).unwrap(),
            "the gateway's clock is wrong" => {
                self.clock.set(-7200).unwrap();
                // The answer to its first TokenRequest tells the apiserver's time.
                let response = until(there, 200);
                self.clock.set(0).unwrap();
                response
            }
            "the apiserver is down, or cannot be reached" => {
                stack.kill("kube-apiserver").unwrap();
                // The first one may still find a connection, and lose it.
                client.get(PODS).unwrap();
                sleep(Duration::from_secs(1));
                client.get(PODS).unwrap()
            }
            other => panic!("`{other}` is made to happen nowhere"),
        }
    }

    /// Everything that the gateway has logged.
    fn logged(&self) -> String {
        let log = self.stack.state().join("logs/envoy-restarted.log");
        String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned()
    }

    /// Whether a metric with these labels, or one of them, is not 0.
    fn counts(&self, metric: &str) -> bool {
        let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
        let stats = self.stack.admin("GET", "/stats/prometheus").unwrap();
        stats.lines().any(|line| {
            line.starts_with(name)
                && line.contains(labels.trim_end_matches('}'))
                && !line.ends_with(" 0")
        })
    }
}

#[test]
fn what_fails_is_told_as_the_page_says() {
    let world = World::new();
    let rows = rows();
    assert!(rows.len() >= 7, "{} rows name this test", rows.len());
    for Row { what, client, message, metric, log } in rows {
        let before = world.logged().len();
        let response = world.fail(&what);
        let reason = response.field("/reason");
        let told = match response.status {
            200 => "200".to_owned(),
            status => format!("{status} {reason}"),
        };
        assert_eq!(told, client, "{what}: {response:?}");
        if message != "-" {
            let said = response.field("/message");
            assert!(said.contains(&message), "{what}: {said}");
        }
        // The filter hands over its metrics once a second, and reads its policy every two.
        let deadline = Instant::now() + Duration::from_secs(15);
        let comes_about = |done: &dyn Fn() -> bool| {
            while !done() && Instant::now() < deadline {
                sleep(Duration::from_millis(200));
            }
            done()
        };
        if metric != "-" {
            assert!(comes_about(&|| world.counts(&metric)), "{what}: {metric}");
        }
        if log != "-" {
            let new = || world.logged()[before..].to_owned();
            assert!(comes_about(&|| new().contains(&log)), "{what}: {log}: {}", new());
        }
    }
}

fn until(client: &Client, status: u16) -> Response {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let response = client.get(PODS).unwrap();
        if response.status == status {
            return response;
        }
        assert!(Instant::now() < deadline, "{response:?}");
        sleep(Duration::from_millis(200));
    }
}
