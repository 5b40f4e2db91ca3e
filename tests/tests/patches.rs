//! Patches as SQL Server can send them: JSON, with a header at most.

use keyhole_tests::client::{Client, Response};
use keyhole_tests::stack::Stack;

const CONFIG_MAP: &str = "/api/v1/namespaces/default/configmaps/settings";
const APPLIED: &str = "/api/v1/namespaces/default/configmaps/applied";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// A PATCH with SQL Server's own headers, and this choice.
fn patch(client: &Client, path: &str, choice: &str, body: &str) -> Response {
    let client = match choice {
        "" => client.clone(),
        choice => client.with("x-keyhole-patch", choice),
    };
    client.send("PATCH", path, body).unwrap()
}

#[test]
#[rustfmt::skip]
fn json_is_patched_as_it_is_meant() {
    let stack = Stack::own("patches", &["--workers", "2"]).unwrap();
    let key = stack
        .allow(&[
            r#"{namespaces: [default], apiGroups: ["", apps], resources: [configmaps, deployments], verbs: [create, patch]}"#,
        ])
        .unwrap();
    let client = stack.anonymous().with_key(&key);
    let stored = |path: &str, field: &str| {
        let name = path.rsplit('/').next().unwrap();
        let path = format!("jsonpath={{{field}}}");
        stack.kubectl(&["get", "configmap", name, "-n", "default", "-o", &path]).unwrap()
    };
    stack.kubectl(&["create", "configmap", "settings", "-n", "default", "--from-literal=a=1"]).unwrap();
    let big = format!(r#"{{"data":{{"big":"{}"}}}}"#, "x".repeat(500_000));
    for (choice, path, body, code, field, expected) in [
        ("",      CONFIG_MAP, r#"{"data":{"b":"2"}}"#,                                 200, ".data.b", "2"),
        ("",      CONFIG_MAP, r#" [{"op":"add","path":"\/data\/c","value":"3"}]"#,     200, ".data.c", "3"),
        ("json",  CONFIG_MAP, r#"[{"op":"remove","path":"/data/c"}]"#,                 200, ".data.c", ""),
        ("merge", CONFIG_MAP, r#"{"data":{"b":null}}"#,                                200, ".data.b", ""),
        ("strategic", CONFIG_MAP, r#"{"metadata":{"labels":{"a":"b"}}}"#,              200, ".metadata.labels.a", "b"),
        ("",      CONFIG_MAP, &big,                                                    200, ".metadata.labels.a", "b"),
        ("other", CONFIG_MAP, "{}",                                                    415, ".data.a", "1"),
        // slashes as SQL Server writes them, and a character beyond the first plane
        ("apply", APPLIED,    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"url":"https:\/\/x\/y","smile":"\uD83D\uDE00"}}"#,
                                                                                       201, ".data.url", "https://x/y"),
        ("apply", APPLIED,    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"url":"https:\/\/x\/z"}}"#,
                                                                                       200, ".data.url", "https://x/z"),
        ("apply", APPLIED,    r#"{"apiVersion":"v1","apiVersion":"v1"}"#,              400, ".data.url", "https://x/z"),
    ] {
        let response = patch(&client, path, choice, body);
        assert_eq!(response.status, code, "{choice} {body:.100}: {}", response.field("/message"));
        assert_eq!(stored(path, field), expected, "{choice} {body:.100}");
    }
    // Who has applied it.
    assert_eq!(stored(APPLIED, ".metadata.managedFields[0].manager"), "keyhole:sql");
    // What needs a patch, and cannot be had otherwise: a restart.
    let deployment = r#"{"metadata":{"name":"web"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}"#;
    assert_eq!(client.post(DEPLOYMENTS, deployment).unwrap().status, 201);
    let restart = r#"{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io\/restartedAt":"2026-11-21T00:00:00Z"}}}}}"#;
    let response = patch(&client, &format!("{DEPLOYMENTS}/web"), "", restart);
    assert_eq!(response.status, 200);
    assert_eq!(response.field("/spec/template/spec/containers/0/name"), "c");
}
