//! The alerts: `tests/cases/alerts.yaml` says what fires when.

use std::fs;

use keyhole_tests::page::page;
use keyhole_tests::prometheus::{Prometheus, alerts, promtool};
use keyhole_tests::stack::{Stack, root};
use serde::Deserialize;
use serde_json::Value;

use crate::exists;

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    alert: String,
    expr: String,
}

fn written_alerts() -> Vec<Alert> {
    let rules: Rules = serde_saphyr::from_str(&alerts()).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

fn firing(prometheus: &Prometheus) -> Vec<String> {
    let samples = prometheus.query(r#"ALERTS{alertstate="firing"}"#).unwrap();
    let name = |sample: Value| sample["metric"]["alertname"].as_str().unwrap().to_owned();
    samples.into_iter().map(name).collect()
}

/// Each can be evaluated, and asks for what is there.
pub(crate) fn every_alert_can_fire(prometheus: &Prometheus) {
    for Alert { alert, expr } in written_alerts() {
        prometheus.query(&expr).unwrap_or_else(|error| panic!("{alert}: {error}"));
        exists(prometheus, &expr);
    }
    let rules = prometheus.get("rules", &[]).unwrap();
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}

pub(crate) fn a_refused_policy_fires_its_alert(stack: &Stack, prometheus: &Prometheus) {
    assert_eq!(firing(prometheus), [""; 0]);
    let wrong = stack.policy().replace("kind: Policy", "kind: Pod");
    stack.apply(&wrong).unwrap_err();
    prometheus.until("the alert", || !firing(prometheus).is_empty()).unwrap();
    assert_eq!(firing(prometheus), ["KeyholePolicyRefused"]);
}

/// Long before the alert fires.
pub(crate) fn a_token_that_is_stale_is_seen(stack: &Stack, prometheus: &Prometheus) {
    stack.mount_gateway_token(Some("stale")).unwrap();
    let pending = r#"ALERTS{alertname="KeyholeGatewayTokenRefused"}"#;
    let seen = || prometheus.query(pending).is_ok_and(|samples| !samples.is_empty());
    prometheus.until("the alert is pending", seen).unwrap();
}

#[test]
fn each_alert_fires_when_it_should_and_no_other_does() {
    let folder = root().join("target/e2e/alerts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("rules.yaml"), alerts()).unwrap();
    let cases = fs::read_to_string(root().join("tests/cases/alerts.yaml")).unwrap();
    fs::write(folder.join("cases.yaml"), &cases).unwrap();
    for arguments in [
        &["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"][..],
        &["test", "rules", "cases.yaml"],
    ] {
        let output = promtool(&folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let page = page("docs/metrics.md");
    let documented = page.lines().filter_map(|line| line.strip_prefix("| `Keyhole"));
    let documented: Vec<String> = documented
        .map(|row| format!("Keyhole{}", row.split('`').next().unwrap_or_default()))
        .collect();
    let written: Vec<String> = written_alerts().into_iter().map(|rule| rule.alert).collect();
    assert_eq!(documented, written);
    for alert in written {
        assert!(cases.contains(&format!("alertname=\"{alert}\"")), "{alert} never fires");
    }
}
