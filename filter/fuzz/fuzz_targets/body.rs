//! Any body: it is judged without a panic, and a refusal says little of it.
#![no_main]

use std::sync::LazyLock;

use keyhole_core::{Attempt, Policy, judge, load_policy};
use libfuzzer_sys::fuzz_target;

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = r#"{apiVersion: keyhole/v1, kind: Policy,
clients: [{name: c, keys: [{sha256: 8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a}],
  serviceAccount: {namespace: d, name: a}, roles: [r]}],
roles: [{name: r, rules: [
  {namespaces: [d], apiGroups: ["", apps], resources: [pods, deployments], verbs: [create, update, patch], constraints: {
    images: ["busybox:", team/], forbid: [privileged, hostPath, hostNetwork, hostPID, hostIPC, hostPorts, addedCapabilities],
    serviceAccounts: [worker, default], namePrefix: sql-, labels: [team=db, app]}},
  {namespaces: [d], apiGroups: [apps], resources: [deployments, deployments/scale], verbs: [create, update, patch], constraints: {maxReplicas: 5}}]}]}"#;
    load_policy(text).expect("it is valid").policy
});

const PATHS: [&str; 4] = [
    "/api/v1/namespaces/d/pods",
    "/api/v1/namespaces/d/pods/sql-0",
    "/apis/apps/v1/namespaces/d/deployments/sql-0",
    "/apis/apps/v1/namespaces/d/deployments/sql-0/scale",
];
const TYPES: [(&str, &str); 6] = [
    ("POST", "application/json"),
    ("PUT", "application/yaml"),
    ("PATCH", "application/apply-patch+yaml"),
    ("PATCH", "application/json-patch+json"),
    ("PATCH", "application/merge-patch+json"),
    ("PATCH", "application/strategic-merge-patch+json"),
];
/// A sentence names a place in the body, and quotes at most 100 characters.
const LONGEST: usize = 1000;

fuzz_target!(|data: &[u8]| {
    let [choice, body @ ..] = data else { return };
    let (method, content_type) = TYPES[usize::from(*choice) % TYPES.len()];
    let target = PATHS[usize::from(*choice) / TYPES.len() % PATHS.len()];
    let attempt =
        Attempt { method, target, content_type: Some(content_type), body: Some(body) };
    if let Err(refusal) = judge(&POLICY, &POLICY.clients()[0], &attempt) {
        let sentence = refusal.to_string();
        assert!(sentence.len() <= LONGEST, "{sentence}");
        assert!(!sentence.contains("keyhole_"), "{sentence}");
        assert!(sentence.chars().all(|c| !c.is_control()), "{sentence}");
        assert_eq!(refusal.reply().body.last(), Some(&b'\n'));
    }
});
