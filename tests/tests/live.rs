//! A policy that lies in a ConfigMap of the cluster: changed with kubectl, without a
//! restart and without a mount.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use keyhole_tests::stack::Stack;
use serde_json::Value;

const PODS: &str = "/api/v1/namespaces/default/pods";
const TRIALS: usize = 20;

/// Until a request is answered so, or it is too late.
fn until(stack: &Stack, path: &str, status: u16) -> Duration {
    let (client, begun) = (stack.client(), Instant::now());
    while client.get(path).unwrap().status != status {
        assert!(begun.elapsed() < Duration::from_secs(20), "{path} does not become {status}");
        thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

/// Changes the ConfigMap as a platform engineer does.
fn kubectl_apply(stack: &Stack, policy: &str) {
    let indented: String = policy.lines().map(|line| format!("    {line}\n")).collect();
    let manifest = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: keyhole-policy, namespace: keyhole}}\ndata:\n  policy.yaml: |\n{indented}"
    );
    stack.apply_manifest(&manifest).unwrap();
}

#[test]
fn kubectl_apply_takes_effect_in_seconds() {
    let stack = Stack::own("live", &["--live", "--workers", "2"]).unwrap();
    let good = stack.policy();
    let fewer = good.replace("verbs: [get, list, create]", "verbs: [get]");
    assert_ne!(good, fewer);
    let mut delays = Vec::new();
    for trial in 0..TRIALS {
        let (policy, status) = if trial % 2 == 0 { (&fewer, 403) } else { (&good, 200) };
        kubectl_apply(&stack, policy);
        delays.push(until(&stack, PODS, status));
        // By all workers: each connection may be another's.
        thread::sleep(Duration::from_millis(1200));
        let settled = (0..8).all(|_| stack.client().get(PODS).unwrap().status == status);
        assert!(settled, "trial {trial}");
    }
    delays.sort_unstable();
    println!(
        "kubectl apply to effect, {TRIALS} trials: median {:?}, maximum {:?}",
        delays[TRIALS / 2],
        delays[TRIALS - 1]
    );
    // One reader for two workers and the main thread, each 2 s or a little less.
    let reads = stack.audit().events().unwrap();
    let reads: Vec<_> = reads
        .iter()
        .filter(|event| event.attributes() == "get /configmaps/ keyhole/keyhole-policy")
        .collect();
    assert!(!reads.is_empty());
    let ready: Value = stack.anonymous().get("/keyhole/readyz").unwrap().json().unwrap();
    assert_eq!(ready["policy"]["revision"].as_str().map(str::len), Some(12), "{ready}");
}

#[test]
fn a_bad_policy_is_refused_where_everybody_can_see_it() {
    let stack = Stack::own("live-bad", &["--live"]).unwrap();
    assert_eq!(stack.client().get(PODS).unwrap().status, 200);
    let said =
        stack.apply(&stack.policy().replace("[get, list, create]", "[gett]")).unwrap_err();
    assert!(said.contains("`gett` is not a verb here"), "{said}");
    assert_eq!(stack.client().get(PODS).unwrap().status, 200);
    let events = || stack.kubectl(&["get", "events", "-n", "keyhole", "-o", "json"]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !events().contains("PolicyRefused") {
        assert!(Instant::now() < deadline, "{}", events());
        thread::sleep(Duration::from_millis(200));
    }
    let events: Value = serde_json::from_str(&events()).unwrap();
    let event = &events["items"][0];
    assert_eq!(event["involvedObject"]["name"], "keyhole-policy");
    assert!(
        event["message"].as_str().unwrap().contains("`gett` is not a verb here"),
        "{event}"
    );
    thread::sleep(Duration::from_secs(5));
    let stats = stack.admin("GET", "/stats?filter=keyhole_policies_refused").unwrap();
    assert!(stats.trim().ends_with("keyhole_policies_refused_total: 1"), "{stats}");

    // Far more than any other answer that the gateway reads.
    let large: String = (0..2000)
        .map(|n| format!("  - {{namespaces: [n{n}], apiGroups: [\"\"], resources: [configmaps], resourceNames: [a{n}, b{n}], verbs: [get]}}\n"))
        .collect();
    let good = stack.policy();
    stack.apply(&format!("{}\n{large}", good.trim_end())).unwrap();
    stack.apply(&good).unwrap();

    // Without it, the last good policy stays; a gateway that starts anew has none.
    stack.kubectl(&["delete", "configmap", "keyhole-policy", "-n", "keyhole"]).unwrap();
    thread::sleep(Duration::from_secs(3));
    assert_eq!(stack.client().get(PODS).unwrap().status, 200);
    let _envoy = stack.restart_envoy().unwrap();
    thread::sleep(Duration::from_secs(1));
    let refused = stack.client().get(PODS).unwrap();
    assert_eq!((refused.status, refused.field("/kind").as_str()), (503, "Status"));
    assert_eq!(stack.anonymous().get("/keyhole/readyz").unwrap().status, 503);
    let log = fs::read_to_string(stack.state().join("logs/envoy-restarted.log")).unwrap();
    assert!(
        log.contains("the ConfigMap keyhole/keyhole-policy does not exist: create it"),
        "{log}"
    );
    kubectl_apply(&stack, &stack.policy());
    until(&stack, PODS, 200);
}
