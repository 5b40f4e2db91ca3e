//! What the body of a write may say, with real bodies on their way to a real apiserver.

use std::fmt::Write as _;

use keyhole_tests::client::{Client, Response};
use keyhole_tests::stack::{Stack, new_key};

const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const YAML: &str = "application/yaml";

const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

const RULES: &str = r#"  - namespaces: [default]
    apiGroups: [""]
    resources: [pods]
    verbs: [get, create, patch]
    constraints: {images: [registry.example.com/team/], forbid: [privileged, hostNetwork], namePrefix: sql-}
  - {namespaces: [default], apiGroups: [apps], resources: [deployments, deployments/scale], verbs: [create, update, patch], constraints: {maxReplicas: 5}}
  - {namespaces: [default], apiGroups: [""], resources: [configmaps], verbs: [create]}
"#;

fn pod(name: &str, image: &str, more: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}"}},"spec":{{"containers":[{{"name":"c","image":"{image}"{more}}}]}}}}"#
    )
}

fn deployment(replicas: u32) -> String {
    format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web"}},"spec":{{"replicas":{replicas},"selector":{{"matchLabels":{{"a":"b"}}}},"template":{{"metadata":{{"labels":{{"a":"b"}}}},"spec":{{"containers":[{{"name":"c","image":"i"}}]}}}}}}}}"#
    )
}

fn scale(replicas: u32) -> String {
    format!(
        r#"{{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{{"name":"web","namespace":"default"}},"spec":{{"replicas":{replicas}}}}}"#
    )
}

/// Sends a body in chunks of so many bytes.
fn in_chunks(client: &Client, key: &str, path: &str, body: &str, size: usize) -> Response {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\ncontent-type: {JSON}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    for chunk in body.as_bytes().chunks(size) {
        let chunk = std::str::from_utf8(chunk).unwrap();
        write!(request, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
    }
    request.push_str("0\r\n\r\n");
    client.raw(request.as_bytes()).unwrap()
}

#[test]
#[rustfmt::skip]
fn only_bodies_that_keep_the_constraints_reach_the_apiserver() {
    let stack = Stack::own("constraints", &["--workers", "2"]).unwrap();
    stack.make_account_admin().unwrap();
    let (key, digest) = new_key("writer");
    stack.apply(&format!(
        "apiVersion: keyhole/v1\nkind: Policy\nclients:\n- name: writer\n  keys: [{{sha256: {digest}}}]\n  \
         serviceAccount: {{namespace: default, name: api-reader}}\n  roles: [r]\nroles:\n- name: r\n  rules:\n{RULES}"
    )).unwrap();
    let client = stack.anonymous().with_key(&key);
    let team = "registry.example.com/team/app:1";
    let apply = format!("{PODS}/sql-1?fieldManager=t&force=true");
    let one = format!("{PODS}/sql-1");
    let (web, web_scale) = (format!("{DEPLOYMENTS}/web"), format!("{DEPLOYMENTS}/web/scale"));
    let padding = format!(r#","env":[{{"name":"A","value":"{}"}}]"#, "x".repeat(2_000_000));
    let long = format!(r#","env":[{{"name":"A","value":"{}"}}]"#, "x".repeat(200_000));
    for (method, path, content_type, body, code, said) in [
        // the first request waits for a token, and is judged all the same
        ("POST",  PODS,        JSON, pod("sql-0", "evil/app", ""),                     403, "spec.containers[0].image is `evil/app`: this client may use `registry.example.com/team/`"),
        ("POST",  PODS,        JSON, pod("sql-1", team, ""),                           201, ""),
        // SQL Server escapes slashes
        ("POST",  PODS,        JSON, pod("sql-2", r"registry.example.com\/team\/app:1", ""), 201, ""),
        ("POST",  PODS,        JSON, pod("sql-3", team, r#","securityContext":{"privileged":true}"#), 403, "spec.containers[0].securityContext.privileged is true"),
        ("POST",  PODS,        JSON, pod("other", team, ""),                           403, "metadata.name is `other`: names of this client's objects start with `sql-`"),
        ("POST",  PODS,        JSON, pod("sql-4", team, r#","image":"evil/app""#),     400, "`image` is given twice"),
        ("POST",  PODS,        JSON, pod("sql-4", team, "").replace(r#""name":"sql-4""#, r#""name":"sql-4","namespace":"kube-system""#), 403, "metadata.namespace is `kube-system`"),
        ("POST",  PODS,        JSON, String::new(),                                    400, "there is none: send the object"),
        ("POST",  PODS,        JSON, pod("sql-5", team, &long),                        201, ""),
        ("POST",  PODS,        JSON, pod("sql-6", team, &padding),                     413, "larger than 1572864 bytes"),
        ("POST",  PODS,        YAML, format!("kind: Pod\nmetadata: {{name: sql-7}}\nspec:\n  containers:\n  - {{name: c, image: '{team}'}}\n"), 201, ""),
        ("POST",  PODS,        YAML, format!("kind: Pod\nmetadata: {{name: sql-8}}\nspec:\n  hostNetwork: yes\n  containers:\n  - {{name: c, image: '{team}'}}\n"), 403, "spec.hostNetwork is yes"),
        ("PATCH", &apply,      APPLY, format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: sql-1}}\nspec:\n  containers:\n  - {{name: c, image: '{team}2'}}\n"), 200, ""),
        ("PATCH", &apply,      APPLY, "apiVersion: v1\nkind: Pod\nmetadata: {name: sql-1}\nspec:\n  containers:\n  - {name: c, image: evil}\n".to_owned(), 403, "spec.containers[0].image is `evil`"),
        ("PATCH", &one,        MERGE, r#"{"metadata":{"labels":{"a":"b"}}}"#.to_owned(), 200, ""),
        ("PATCH", &one,        MERGE, r#"{"spec":{"containers":[{"name":"c","image":"evil"}]}}"#.to_owned(), 403, "spec.containers[0].image is `evil`"),
        ("PATCH", &one,        JSON_PATCH, r#"[{"op":"replace","path":"/spec/containers/0/image","value":"evil"}]"#.to_owned(), 403, "send a merge patch"),
        ("POST",  DEPLOYMENTS, JSON, deployment(9),                                    403, "spec.replicas is 9: this client may have at most 5"),
        ("POST",  DEPLOYMENTS, JSON, deployment(2),                                    201, ""),
        ("PUT",   &web_scale,  JSON, scale(6),                                         403, "spec.replicas is 6"),
        ("PUT",   &web_scale,  JSON, scale(5),                                         200, ""),
        ("PATCH", &web_scale,  MERGE, r#"{"spec":{"replicas":3}}"#.to_owned(),         200, ""),
        ("PATCH", &web,        MERGE, r#"{"spec":{"replicas":6}}"#.to_owned(),         403, "spec.replicas is 6"),
        // where nothing is asked of bodies, the apiserver has the word
        ("POST",  "/api/v1/namespaces/default/configmaps", JSON, r#"{"metadata":{"name":"c","namespace":"kube-system"}}"#.to_owned(), 400, "the namespace of the provided object does not match"),
    ] {
        let response = client.with("content-type", content_type).send(method, path, &body).unwrap();
        let message = response.field("/message");
        let body: String = body.chars().take(200).collect();
        assert_eq!(response.status, code, "{method} {path} {body}: {message}");
        assert!(code < 300 || message.contains(said), "{method} {path} {body}: {message}");
    }
    for (name, image, size, code) in [
        ("sql-20", team,   7,    201),
        ("sql-21", "evil", 7,    403),
        ("sql-22", "evil", 4000, 403),
    ] {
        assert_eq!(in_chunks(&client, &key, PODS, &pod(name, image, ""), size).status, code, "{name}");
    }
    let pods = stack.kubectl(&["get", "pods", "-n", "default", "-o", "jsonpath={.items[*].metadata.name}"]).unwrap();
    assert_eq!(pods, "sql-1 sql-2 sql-20 sql-5 sql-7");
    let images = stack.kubectl(&["get", "pods", "-n", "default", "-o", "jsonpath={.items[*].spec.containers[*].image}"]).unwrap();
    assert!(!images.contains("evil"), "{images}");
}
