use alloc::vec;

use super::*;
use crate::answer::tests::answer;
use crate::config::{PluginConfig, load_plugin_config};
use crate::pod::shared::Unshared;
use crate::token::tests::at;
use crate::worker::effect::Purpose;

const GOOD: &str = "{apiVersion: keyhole/v1, kind: Policy, clients: []}";
const OTHER: &str = "{apiVersion: keyhole/v1, kind: Policy, clients: [], roles: [{name: r, rules: [{nonResourceURLs: [/version], verbs: [get]}]}]}";
const BAD: &str = "{apiVersion: keyhole/v1, kind: Pod, clients: []}";

fn live() -> LivePolicy {
    let config = load_plugin_config("policySource: {configMap: {namespace: n, name: p}}");
    let Ok(PluginConfig::Live(source)) = config else { panic!("{config:?}") };
    LivePolicy::new(source)
}

fn config_map(version: u32, policy: &str) -> Answer {
    let body = serde_json::json!({
        "metadata": {"uid": "u", "resourceVersion": version.to_string()},
        "data": {"policy.yaml": policy},
    });
    answer("200", body.to_string().as_bytes())
}

/// What one worker does at a moment: `read`, `event`, `active`, `refused`, or what it
/// tells.
fn tick(live: &mut LivePolicy, memory: &Unshared, second: u64, found: &Answer) -> Vec<String> {
    let mut told = Vec::new();
    let mut effects = live.tick(memory, at(second));
    while !effects.is_empty() {
        let effect = effects.remove(0);
        match effect {
            Effect::Call(call) => match call.purpose {
                Purpose::Event => told.push("event".to_string()),
                Purpose::Policy(flight) => {
                    told.push("read".to_string());
                    effects.extend(live.answered(flight, found, memory, at(second)));
                }
                purpose => panic!("{purpose:?}"),
            },
            Effect::Notice(notice) => told.push(notice.to_string()),
            Effect::Policy(_) => told.push("active".to_string()),
            Effect::PolicyRefused => told.push("refused".to_string()),
            Effect::Resume { .. } => panic!("nobody waits"),
        }
    }
    told
}

#[test]
fn a_change_is_taken_up_by_all_and_read_by_one() {
    let memory = Unshared::default();
    let (mut one, mut two) = (live(), live());
    assert_eq!(tick(&mut one, &memory, 0, &config_map(1, GOOD)), ["read", "active"]);
    assert_eq!(tick(&mut two, &memory, 0, &Answer::None), ["active"]);
    assert_eq!(tick(&mut one, &memory, 1, &Answer::None), [""; 0]);
    // The same once more: nothing happens.
    assert_eq!(tick(&mut two, &memory, 2, &config_map(1, GOOD)), ["read"]);
    assert_eq!(tick(&mut one, &memory, 3, &Answer::None), [""; 0]);
    assert_eq!(tick(&mut one, &memory, 4, &config_map(2, OTHER)), ["read", "active"]);
    assert_eq!(tick(&mut two, &memory, 4, &Answer::None), ["active"]);
}

#[test]
fn a_bad_policy_is_told_once_and_never_replaces_a_good_one() {
    let memory = Unshared::default();
    let mut worker = live();
    tick(&mut worker, &memory, 0, &config_map(1, GOOD));
    let refusal = "policy refused: line 1: kind: is `Pod`: write `Policy`";
    let told = tick(&mut worker, &memory, 2, &config_map(2, BAD));
    assert_eq!(told, ["read", refusal, "refused", "event"]);
    assert_eq!(tick(&mut worker, &memory, 4, &config_map(2, BAD)), ["read"]);
    // A worker that starts now begins with the last good one.
    assert_eq!(tick(&mut live(), &memory, 5, &Answer::None), ["active"]);
    assert_eq!(tick(&mut worker, &memory, 6, &config_map(3, OTHER)), ["read", "active"]);
    // Back to what was active before the last change: that is a change, too.
    assert_eq!(tick(&mut worker, &memory, 8, &config_map(4, GOOD)), ["read", "active"]);
}

#[test]
#[rustfmt::skip]
fn what_is_missing_is_named_and_the_last_good_one_stays() {
    let body = br#"{"metadata":{"uid":"u","resourceVersion":"1"},"data":{"policy":"x"}}"#;
    for (found, expected) in [
        (answer("404", br#"{"message":"gone"}"#), "the ConfigMap n/p does not exist: create it, with the policy under the key `policy.yaml`"),
        (answer("403", br#"{"message":"no"}"#),   "the ConfigMap n/p cannot be read: no: allow it to the gateway's account, as `keyhole rbac gateway --config-map n/p` prints it"),
        (answer("200", body),                     "the ConfigMap n/p cannot be read: the apiserver's answer is malformed: it has no key `policy.yaml`; its keys are: policy"),
        (answer("200", b"{}"),                    "the ConfigMap n/p cannot be read: the apiserver's answer is malformed: it is no ConfigMap"),
        (Answer::None,                            "the ConfigMap n/p cannot be read: nothing answered in time: look whether the apiserver runs, and whether the gateway's own token and CA files are there"),
    ] {
        let memory = Unshared::default();
        let mut worker = live();
        tick(&mut worker, &memory, 0, &config_map(1, GOOD));
        assert_eq!(tick(&mut worker, &memory, 2, &found), ["read", expected]);
        // Not asked for again at once.
        assert_eq!(tick(&mut worker, &memory, 2, &config_map(2, OTHER)), [""; 0]);
        assert_eq!(tick(&mut worker, &memory, 10, &config_map(2, OTHER)), ["read", "active"]);
    }
}

#[test]
#[rustfmt::skip]
fn a_source_is_written_as_told() {
    let source = |fields: &str| format!("policySource: {{configMap: {{{fields}}}}}");
    for (text, expected) in [
        (source("namespace: n, name: p"),                        vec![]),
        (source("namespace: n, name: p, key: k, refreshSeconds: 10"), vec![]),
        (source("namespace: n"),                                 vec!["line 1: policySource.configMap: `name` is missing: add it"]),
        (source("namespace: N, name: p"),                        vec!["line 1: policySource.configMap.namespace: `N` is not a Kubernetes name: correct it"]),
        (source("namespace: n, name: p, key: a/b"),              vec!["line 1: policySource.configMap.key: `a/b` is not a Kubernetes name: correct it"]),
        (source("namespace: n, name: p, refreshSeconds: 0"),     vec!["line 1: policySource.configMap.refreshSeconds: is 0: write 1 to 300"]),
        ("{}".to_string(),                                       vec!["line 1: has neither `policy` nor `policySource`: add one of them"]),
        ("policySource: {}".to_string(),                         vec!["line 1: policySource: `configMap` is missing: add it"]),
        (format!("{}\npolicy: {GOOD}", source("namespace: n, name: p")), vec!["line 1: policySource: does not go with `policy`: keep one of them"]),
    ] {
        let problems = load_plugin_config(&text).err().unwrap_or_default();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, expected, "{text}");
    }
}
