//! Requests are looked up in the access log by their ids.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use keyhole_core::KeyDigest;
use keyhole_tests::client::Response;
use keyhole_tests::page::page;
use keyhole_tests::stack::{Stack, root};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";

/// What `keyhole log` prints of a log.
fn entries(log: &str) -> Vec<Value> {
    let keyhole = root().join("target/debug/keyhole");
    let output = Command::new(keyhole).args(["log", log]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The entry of a request, as soon as Envoy has written it.
fn entry_of(stack: &Stack, answer: &Response) -> Value {
    let id = answer.header("x-request-id").unwrap();
    let start = Instant::now();
    loop {
        let entries = entries(stack.var("KEYHOLE_ACCESS_LOG"));
        if let Some(entry) = entries.into_iter().find(|entry| entry["request_id"] == id) {
            return entry;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{answer:?} is not logged");
        thread::sleep(Duration::from_millis(200));
    }
}

/// It says at least this, and nothing where this is null.
fn assert_says(entry: &Value, expected: &Value) {
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&entry[field], value, "{field} of {entry}");
    }
}

pub(crate) fn the_filter_has_nothing_to_warn_of(stack: &Stack) {
    let log = fs::read_to_string(stack.var("KEYHOLE_ENVOY_LOG")).unwrap();
    let (told, warned): (Vec<&str>, Vec<&str>) = log
        .lines()
        .filter(|line| line.contains("[wasm]"))
        .partition(|line| line.contains("[info]"));
    assert!(told.iter().any(|line| line.contains("active: clients 1")), "{log}");
    assert!(warned.is_empty(), "{warned:#?}");
}

#[rustfmt::skip]
pub(crate) fn a_request_is_looked_up_by_its_id(stack: &Stack) {
    let client = stack.client();
    let key = KeyDigest::of(stack.var("KEYHOLE_KEY").as_bytes()).id();
    let ready = client.get("/keyhole/readyz").unwrap();
    let policy = ready.field("/policy/revision");
    for (method, path, expected) in [
        ("GET",    PODS,                   json!({"code": 200, "decision": "allowed", "verb": "list", "group": "", "resource": "pods", "namespace": "default", "name": ""})),
        ("GET",    "/version",             json!({"code": 200, "decision": "allowed", "verb": "get", "path": "/version", "resource": null})),
        ("GET",    "/api/v1/namespaces/default/pods/none", json!({"code": 404, "decision": "allowed", "verb": "get", "name": "none"})),
        ("DELETE", "/apis/apps/v1/namespaces/default/deployments/web", json!({"code": 403, "decision": "forbidden", "verb": "delete", "group": "apps", "resource": "deployments", "name": "web"})),
        ("GET",    "/api//v1",             json!({"code": 400, "decision": "invalid", "verb": null, "path": null})),
    ] {
        let entry = entry_of(stack, &client.send(method, path, "").unwrap());
        assert_says(&entry, &expected);
        assert_says(&entry, &json!({"client": "sql-prod-01", "key": key, "policy": policy}));
        assert_eq!(entry["reason"].is_string(), entry["decision"] != "allowed", "{entry}");
    }
    let unknown = entry_of(stack, &stack.anonymous().get(PODS).unwrap());
    assert_says(&unknown, &json!({"code": 401, "decision": "unauthorized", "reason": "no key was sent", "client": null, "path": null}));
}

/// What was asked for is told, though nobody has answered.
pub(crate) fn so_is_one_that_was_lost(stack: &Stack) {
    stack.terminate("kube-apiserver").unwrap();
    let lost = entry_of(stack, &stack.client().get(PODS).unwrap());
    let expected = json!({"code": 503, "client": "sql-prod-01", "verb": "list", "resource": "pods", "namespace": "default"});
    assert_says(&lost, &expected);
    assert!(lost["flags"].as_str().unwrap().contains("UF"), "{lost}");
}

#[test]
fn the_page_names_every_field() {
    let page = page("docs/decision-log.md");
    let (_, table) = page.split_once("| field | what |\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let first_column = table.lines().filter_map(|row| row.split(" | ").next());
    let documented: BTreeSet<&str> =
        first_column.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let entries = entries(root().join("tests/cases/docs/gateway.log").to_str().unwrap());
    let printed: BTreeSet<&str> = entries
        .iter()
        .flat_map(|entry| entry.as_object().unwrap().keys())
        .map(String::as_str)
        .collect();
    assert_eq!(documented, printed);

    let bootstrap = root().join("envoy/bootstrap.yaml");
    let bootstrap: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(bootstrap).unwrap()).unwrap();
    let logger = &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
        [0]["typed_config"]["access_log"][0]["typed_config"];
    for field in logger["log_format"]["json_format"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{field}`")), "{field} is not in docs/decision-log.md");
    }
}
