//! The gateway behind Envoy Gateway. `scripts/test --meshes` runs this; by hand:
//!
//! ```text
//! scripts/setup-mesh
//! scripts/cluster exec cargo test -p keyhole-tests --test node ingress:: -- --ignored --nocapture --test-threads 1
//! ```

use std::net::TcpStream;

use serde_json::{Value, json};

use crate::envoy_gateway::{ENVOYS, HOST, ingress, told};
use crate::gateway::{Pod, eventually, script};
use crate::{pods, story};

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn envoy_gateway_accepts_all_that_it_is_told() {
    let gateway = ingress();
    let programmed = ["wait", "--for=condition=Programmed", "gateway/keyhole", "-n", "keyhole"];
    gateway.kubectl(&programmed).unwrap();
    for (object, expected) in [
        ("gatewayclass/eg", &["Accepted"][..]),
        (
            "gateway/keyhole",
            // Its own, and its listener's.
            &["Accepted", "Accepted", "Programmed", "Programmed", "ResolvedRefs"],
        ),
        ("httproute/keyhole", &["Accepted", "ResolvedRefs"]),
        ("backendtlspolicy/keyhole", &["Accepted", "ResolvedRefs"]),
    ] {
        let found = gateway.kubectl(&["get", object, "-n", "keyhole", "-o", "json"]).unwrap();
        let found: Value = serde_json::from_str(&found).unwrap();
        let mut conditions = Vec::new();
        collect(&found["status"], &mut conditions);
        let mut types: Vec<_> =
            conditions.iter().map(|c| c["type"].as_str().unwrap()).collect();
        types.sort_unstable();
        assert_eq!(types, expected, "{found}");
        for condition in conditions {
            assert_eq!(condition["status"], "True", "{object}: {condition}");
            let of = &condition["observedGeneration"];
            assert_eq!(of, &found["metadata"]["generation"], "{object}: {condition}");
        }
    }
}

/// All conditions, wherever they stand.
fn collect<'v>(status: &'v Value, into: &mut Vec<&'v Value>) {
    match status {
        Value::Object(fields) => {
            into.extend(
                fields.get("conditions").and_then(Value::as_array).into_iter().flatten(),
            );
            fields.values().for_each(|field| collect(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn the_articles_story_goes_as_told_behind_envoy_gateway() {
    story::must_go_as_told(&ingress());
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn a_job_from_sql_runs_behind_envoy_gateway() {
    pods::must_run_and_scale(&ingress());
}

/// They are reached at their own addresses, by the port that `k8s/base/network-policy.yaml`
/// lets anybody come to.
#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn envoy_gateway_comes_to_the_port_that_the_network_policy_opens() {
    let gateway = ingress();
    let policy = ["get", "networkpolicy/keyhole", "-n", "keyhole", "-o"];
    let opened = gateway.kubectl(&[&policy[..], &["jsonpath={.spec.ingress}"]].concat());
    assert_eq!(opened.unwrap(), r#"[{"ports":[{"port":"clients","protocol":"TCP"}]}]"#);
    let mut pods: Vec<_> = gateway.staying_pods().iter().map(at_port_of_clients).collect();
    pods.sort();
    assert!(gateway.answers("GET", "/version", 200));
    eventually("it has asked all pods, and nobody else", || {
        let mut hosts = told(&gateway, "upstream_host");
        hosts.sort();
        hosts.dedup();
        hosts == pods
    });
}

fn at_port_of_clients(pod: &Pod) -> String {
    assert_eq!(pod.text("/spec/containers/0/ports/0/name"), "clients");
    format!("{}:8443", pod.text("/status/podIP"))
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn source_ranges_are_of_clients_and_not_of_envoy_gateway() {
    let gateway = ingress();
    let ip = ["get", "pods", "-o", "jsonpath={.items[0].status.podIP}"];
    let envoy = gateway.kubectl(&[&ip[..], &ENVOYS].concat()).unwrap();
    let connection = TcpStream::connect((HOST, 443)).unwrap();
    let client = connection.local_addr().unwrap().ip().to_string();
    for (address, status) in [(envoy, 403), (client, 200)] {
        let from = format!("- name: sql-prod-01\n  sourceRanges: [{address}/32]\n");
        let policy = gateway.policy.replace("- name: sql-prod-01\n", &from);
        assert_ne!(policy, gateway.policy);
        gateway.apply(&policy);
        eventually(&format!("{status} for {address}"), || {
            gateway.answers("GET", "/version", status)
        });
    }
    gateway.apply(&gateway.policy);
    gateway.everybody_is_served();
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn envoy_gateway_trusts_the_gateway_by_its_certificate_only() {
    let gateway = ingress();
    let foreign = gateway.state().join("foreign");
    script("certs", &["--name", "keyhole.keyhole.svc", "--out", foreign.to_str().unwrap()]);
    let ca = format!("--from-file={}", foreign.join("ca.crt").display());
    let foreign = ["configmap", "foreign-ca", "-n", "keyhole"];
    let delete = ["delete", "--ignore-not-found"];
    gateway.kubectl(&[&delete[..], &foreign].concat()).unwrap();
    gateway.kubectl(&[&["create"][..], &foreign, &[&ca]].concat()).unwrap();
    let validate = |hostname: &str, ca: &str| {
        let refs = json!([{"group": "", "kind": "ConfigMap", "name": ca}]);
        let validation = json!({"hostname": hostname, "caCertificateRefs": refs});
        let patch = json!({"spec": {"validation": validation}}).to_string();
        let policy = ["patch", "backendtlspolicy/keyhole", "-n", "keyhole", "--type", "merge"];
        gateway.kubectl(&[&policy[..], &["-p", &patch]].concat()).unwrap();
    };
    for (hostname, ca, reason) in [
        ("other.keyhole.svc", "keyhole-ca", "SAN_matcher"),
        ("keyhole.keyhole.svc", "foreign-ca", "unable_to_get_local_issuer_certificate"),
    ] {
        validate(hostname, ca);
        eventually(&format!("{hostname} by {ca} is refused: {reason}"), || {
            let refused = gateway.answers("GET", "/version", 503);
            let reasons = told(&gateway, "upstream_transport_failure_reason");
            refused && reasons.first().is_some_and(|told| told.contains(reason))
        });
    }
    validate("keyhole.keyhole.svc", "keyhole-ca");
    eventually("it is trusted again", || gateway.answers("GET", "/version", 200));
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn a_rolling_restart_is_not_noticed_behind_envoy_gateway() {
    let gateway = ingress();
    let line = gateway.under_load("behind-envoy-gateway", || gateway.restart());
    line.is_clean();
}
