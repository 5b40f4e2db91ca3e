//! What happens to a deployment in its life, under load: nobody notices.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use keyhole_tests::audit::Event;
use keyhole_tests::stack::root;
use serde_json::json;

use crate::gateway::{Gateway, Pod, eventually, gateway};

const GATEWAY: &str = "system:serviceaccount:keyhole:keyhole";

#[test]
#[ignore = "needs scripts/cluster"]
fn a_rolling_restart_is_not_noticed() {
    let gateway = gateway();
    let before = names(&gateway.staying_pods());
    let line = gateway.under_load("rolling-restart", || gateway.restart());
    assert!(names(&gateway.pods()).iter().all(|name| !before.contains(name)));
    line.is_clean();
}

#[test]
#[ignore = "needs scripts/cluster"]
fn the_deletion_of_a_pod_is_not_noticed() {
    let gateway = gateway();
    let pod = gateway.staying_pods()[0].name();
    let line = gateway.under_load("pod-deleted", || {
        gateway.kubectl(&["delete", "pod", &pod, "-n", "keyhole", "--wait=true"]).unwrap();
        gateway.is_rolled_out();
    });
    assert!(!names(&gateway.pods()).contains(&pod));
    line.is_clean();
}

#[test]
#[ignore = "needs scripts/cluster"]
fn the_drain_of_a_node_takes_one_pod_after_the_other_and_is_not_noticed() {
    let gateway = gateway();
    let before = names(&gateway.staying_pods());
    // There is but one node, so the new pods have to come back to it; what kubectl
    // drains by is evictions.
    let line = gateway.under_load("drain", || {
        evict(&gateway, &before[0]).unwrap();
        let refused = evict(&gateway, &before[1]).unwrap_err().to_string();
        assert!(refused.contains("disruption budget"), "{refused}");
        eventually("the other one may go", || evict(&gateway, &before[1]).is_ok());
        gateway.is_rolled_out();
        gateway.nobody_is_leaving();
    });
    assert!(names(&gateway.pods()).iter().all(|name| !before.contains(name)));
    line.is_clean();
}

#[test]
#[ignore = "needs scripts/cluster"]
fn a_new_certificate_is_shown_to_new_connections_and_is_not_noticed() {
    let gateway = gateway();
    let started = started(&gateway);
    let line = gateway.under_load("certificate", || {
        let serial = gateway.new_certificate();
        let took = eventually("all pods show it", || {
            (0..12).all(|_| shown_serial(&gateway) == serial)
        });
        println!("the new certificate was shown by all pods after {took:.1?}");
    });
    assert_eq!(self::started(&gateway), started, "a pod was started again");
    line.is_clean();
}

#[test]
#[ignore = "needs scripts/cluster"]
fn a_new_token_of_the_gateway_is_taken_up_and_is_not_noticed() {
    let gateway = gateway();
    let started = started(&gateway);
    let line = gateway.under_load("gateway-token", || {
        let old = tokens(&gateway);
        // The kubelet renews a token of 600 s after 8 minutes. One that has started
        // anew knows none, and renews all: by the same way, into the same pods.
        let output = Command::new(root().join("scripts/cluster"))
            .arg("restart-kubelet")
            .env_remove("KUBECONFIG")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(old.len(), gateway.pods().len(), "{old:?}");
        let took = eventually("all pods use a new token", || {
            tokens(&gateway).iter().all(|(pod, token)| old[pod] != *token)
        });
        println!("the gateway's new tokens were in use by all pods after {took:.1?}");
    });
    assert_eq!(self::started(&gateway), started, "a pod was started again");
    line.is_clean();
}

#[test]
#[ignore = "needs scripts/cluster"]
fn a_pod_that_is_killed_takes_along_what_it_was_answering_and_nothing_is_done_twice() {
    let gateway = gateway();
    let pod = gateway.staying_pods()[0].name();
    let line = gateway.under_load("pod-killed", || {
        let delete = ["delete", "pod", &pod, "-n", "keyhole", "--grace-period=0", "--force"];
        gateway.kubectl(&delete).unwrap();
        gateway.is_rolled_out();
        gateway.everybody_is_served();
    });
    line.has_nothing_wrong();
}

fn names(pods: &[Pod]) -> Vec<String> {
    pods.iter().map(Pod::name).collect()
}

/// The pods, and how often each has been started again.
fn started(gateway: &Gateway) -> Vec<(String, u64)> {
    let mut pods: Vec<_> =
        gateway.pods().iter().map(|pod| (pod.name(), pod.restarts())).collect();
    pods.sort();
    pods
}

fn evict(gateway: &Gateway, pod: &str) -> anyhow::Result<String> {
    let file = gateway.state().join("eviction.json");
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": pod, "namespace": "keyhole"},
    });
    fs::write(&file, eviction.to_string())?;
    let path = format!("/api/v1/namespaces/keyhole/pods/{pod}/eviction");
    gateway.kubectl(&["create", "--raw", &path, "-f", file.to_str().unwrap()])
}

/// The serial number of the certificate that one pod shows.
fn shown_serial(gateway: &Gateway) -> String {
    let address = gateway.base().trim_start_matches("https://");
    let script =
        "openssl s_client -connect \"$0\" </dev/null 2>/dev/null | openssl x509 -noout -serial";
    let output = Command::new("bash").args(["-c", script, address]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().trim_start_matches("serial=").to_owned()
}

/// By pod, the last token of its own that the gateway has used, as the apiserver
/// calls it.
fn tokens(gateway: &Gateway) -> BTreeMap<String, String> {
    let extra = |event: &Event, name: &str| {
        event.text(&format!("/user/extra/authentication.kubernetes.io~1{name}/0"))
    };
    let events = gateway.audit().events().unwrap();
    let mut tokens: BTreeMap<_, _> = events
        .iter()
        .filter(|event| event.user() == GATEWAY)
        .map(|event| (extra(event, "pod-name"), extra(event, "credential-id")))
        .collect();
    let pods = names(&gateway.pods());
    tokens.retain(|pod, _| pods.contains(pod));
    tokens
}
