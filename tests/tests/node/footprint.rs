//! What a pod of the gateway costs: time to be ready, and memory.

use std::collections::BTreeMap;
use std::time::Duration;

use keyhole_tests::client::Client;
use keyhole_tests::crowd::each;
use keyhole_tests::stack::quick_key;
use serde_json::{Value, json};

use crate::gateway::{Gateway, IN_A_ROW, Pod, eventually, gateway};

#[test]
#[ignore = "needs scripts/cluster"]
fn a_pod_is_ready_soon_and_keeps_within_its_memory() {
    let gateway = gateway();
    let (started, ready) = one_more(&gateway);
    println!(
        "one more pod: its container ran after {started:.1?}, and was ready {ready:.1?} later"
    );
    println!("with the suite's policy: {}", memory(&gateway));

    let (clients, policy) = a_thousand(&gateway);
    gateway.apply(&policy);
    let took = eventually("all pods serve the last one", || {
        (0..IN_A_ROW).all(|_| ask(clients.last().unwrap()) == "200 ")
    });
    println!("1,000 more clients were served {took:.1?} after kubectl apply");
    // Twice, so that every pod has the tokens of most accounts.
    for _ in 0..2 {
        let mut outcomes = BTreeMap::new();
        for outcome in each(8, &clients, ask) {
            *outcomes.entry(outcome).or_insert(0) += 1;
        }
        println!("answers to 1,000 clients: {outcomes:?}");
    }
    println!("with 1,000 clients: {}", memory(&gateway));
    assert!(gateway.pods().iter().all(|pod| pod.restarts() == 0), "a pod ran out of memory");
    gateway.apply(&gateway.policy);
    gateway.everybody_is_served();
}

/// As many clients more, each with an account of its own, and the policy with them.
/// The accounts are made through the gateway: kubectl takes minutes for that.
fn a_thousand(gateway: &Gateway) -> (Vec<Client>, String) {
    let operator = gateway.operator();
    let made = each(8, 0..1000, |n| {
        let name = format!("many-{n}");
        let (key, digest) = quick_key(&name);
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name},
        });
        let path = "/api/v1/namespaces/shop/serviceaccounts";
        let answer = operator.post(path, &account.to_string()).unwrap();
        // Another run may have made it.
        assert!(matches!(answer.status, 201 | 409), "{answer:?}");
        let entry = format!(
            "- name: {name}\n  keys: [{{sha256: {digest}}}]\n  \
             serviceAccount: {{namespace: shop, name: {name}}}\n  roles: [caller]\n"
        );
        (gateway.anonymous().with_key(&key), entry)
    });
    let (clients, entries): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    let policy =
        gateway.policy.replace("clients:\n", &format!("clients:\n{}", entries.concat()));
    (clients, policy)
}

/// The answer's status and, of a refusal, why.
fn ask(client: &Client) -> String {
    let answer = client.get("/version").unwrap();
    format!("{} {}", answer.status, answer.field("/reason"))
}

/// From the kubelet's own figures, once they are new.
fn memory(gateway: &Gateway) -> String {
    let mebibytes = |value: &Value| value.as_f64().unwrap_or_default() / f64::from(1 << 20);
    let pods: Vec<String> = usage(gateway)
        .iter()
        .map(|memory| {
            let (rss, set) =
                (mebibytes(&memory["rssBytes"]), mebibytes(&memory["workingSetBytes"]));
            format!("{rss:.0} MiB resident ({set:.0} MiB working set)")
        })
        .collect();
    pods.join(", ")
}

fn usage(gateway: &Gateway) -> Vec<Value> {
    let pods: Vec<String> = gateway.staying_pods().iter().map(Pod::name).collect();
    let mut seen = Vec::new();
    eventually("the kubelet measures anew", || {
        let path = "/api/v1/nodes/node/proxy/stats/summary?only_cpu_and_memory=true";
        let summary: Value =
            serde_json::from_str(&gateway.kubectl(&["get", "--raw", path]).unwrap()).unwrap();
        let of_gateway = |pod: &&Value| pods.iter().any(|name| pod["podRef"]["name"] == **name);
        let now: Vec<Value> = summary["pods"]
            .as_array()
            .unwrap()
            .iter()
            .filter(of_gateway)
            .map(|pod| pod["containers"][0]["memory"].clone())
            .collect();
        let is_new = now.len() == pods.len()
            && now.iter().all(|memory| memory["time"].is_string())
            && (seen.is_empty() || times(&now) != times(&seen));
        let is_second = is_new && !seen.is_empty();
        if is_new {
            seen = now;
        }
        is_second
    });
    seen
}

fn times(memory: &[Value]) -> Vec<Value> {
    memory.iter().map(|memory| memory["time"].clone()).collect()
}

/// Scales up and down again: when the new pod's container ran, and how much later the
/// Service had it.
fn one_more(gateway: &Gateway) -> (Duration, Duration) {
    let scale = |replicas: &str| {
        let arguments = ["scale", "deployment/keyhole", "-n", "keyhole", replicas];
        gateway.kubectl(&arguments).unwrap();
    };
    let before: Vec<String> = gateway.pods().iter().map(Pod::name).collect();
    let is_new = |pod: &Pod| !before.contains(&pod.name());
    let running = "/status/containerStatuses/0/state/running/startedAt";
    scale("--replicas=3");
    let started = eventually("a new pod runs", || {
        gateway.pods().iter().any(|pod| is_new(pod) && !pod.text(running).is_empty())
    });
    let ready = eventually("it is ready", || {
        let is_ready =
            |pod: &Pod| pod.condition("Ready").is_some_and(|c| c["status"] == "True");
        gateway.pods().iter().any(|pod| is_new(pod) && is_ready(pod))
    });
    scale("--replicas=2");
    gateway.is_rolled_out();
    gateway.nobody_is_leaving();
    (started, ready)
}
