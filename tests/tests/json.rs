//! Whatever answers, the client gets one JSON document, and no code on which SQL Server
//! sends a change again that may have been carried out.

use keyhole_tests::client::{Client, Response};
use keyhole_tests::faults::{Fault, Faults, Kind};
use keyhole_tests::stack::{OwnStack, Stack};
use serde_json::Value;

const PODS: &str = "/api/v1/namespaces/default/pods";
const LOG: &str = "/api/v1/namespaces/default/pods/p/log";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A stack whose one client may read and write some things.
fn start(name: &str) -> (OwnStack, Client) {
    let stack = Stack::own(name, &[]).unwrap();
    let key = stack
        .allow(&[
            r#"{namespaces: [default], apiGroups: [""], resources: [pods, pods/log, configmaps], verbs: ["*"]}"#,
            r#"{nonResourceURLs: ["/*"], verbs: [get]}"#,
        ])
        .unwrap();
    let client = stack.anonymous().with_key(&key);
    assert_eq!(client.get("/version").unwrap().status, 200);
    (stack, client)
}

/// The one document; checks what SQL Server checks.
fn document(response: &Response) -> Value {
    assert_eq!(response.header("content-type"), Some("application/json"), "{response:?}");
    let size: usize = response.headers.iter().map(|(n, v)| n.len() + v.len() + 4).sum();
    assert!(size < 8192, "{size}");
    assert!(response.headers.iter().all(|(_, value)| !value.contains('~')));
    assert!(response.header("x-request-id").is_some());
    serde_json::from_slice(&response.body)
        .unwrap_or_else(|error| panic!("{error}: {response:?}"))
}

fn reply(code: u16, content_type: &str, parts: &[&[u8]]) -> Fault {
    let mut headers = vec![("retry-after", "1".to_owned())];
    if !content_type.is_empty() {
        headers.push(("content-type", content_type.to_owned()));
    }
    Fault::Reply { code, headers, parts: parts.iter().map(|part| part.to_vec()).collect() }
}

#[test]
#[rustfmt::skip]
fn promise_8_whatever_the_apiserver_says_the_client_gets_one_document() {
    const JSON: &str = "application/json";
    let (stack, client) = start("json");
    // What the real one says in text.
    let health = document(&client.get("/healthz").unwrap());
    assert_eq!((&health["kind"], &health["text"]), (&"Text".into(), &"ok".into()));
    let metrics = document(&client.get("/metrics").unwrap());
    assert!(metrics["text"].as_str().unwrap().len() > 100_000);
    assert_eq!(document(&client.get("/no/such/path").unwrap())["kind"], "Status");

    let faults = Faults::before(&stack).unwrap();
    let long = "a line of a log, with \u{e4}\n".repeat(20_000);
    let (half, rest) = long.as_bytes().split_at(333_333);
    let folded: Vec<(&'static str, String)> = [("content-type", JSON), ("warning", "299 - \"a~b\""), ("warning", "299 - \"c\"")]
        .map(|(name, value)| (name, value.to_owned())).to_vec();
    let huge: Vec<(&'static str, String)> = vec![("content-type", JSON.to_owned()), ("x-large", "x".repeat(9000))];
    for (path, fault, code, pointer, expected) in [
        (PODS, reply(200, "text/plain", &[b"ok"]),                              200, "/text",    "ok".into()),
        (PODS, reply(200, "text/plain; charset=latin-1", &[b"caf\xe9"]),        200, "/text",    "caf\u{fffd}".into()),
        (PODS, reply(200, "", &[b"<html>"]),                                    200, "/text",    "<html>".into()),
        (PODS, reply(200, "text/html", &[b"<html>"]),                           200, "/kind",    "Text".into()),
        (PODS, reply(200, "application/yaml", &[b"a: b\n"]),                    200, "/text",    "a: b\n".into()),
        (PODS, reply(200, "application/vnd.kubernetes.protobuf", &[b"k8s\0\x0a"]), 200, "/text", "azhzAAo=".into()),
        (PODS, reply(200, "application/cbor", &[b"\xd9\xd9\xf7"]),              200, "/encoding", "base64".into()),
        (PODS, reply(200, "", &[]),                                             200, "/status",  "Success".into()),
        (PODS, reply(404, "text/plain", &[b"404 page", b" not found\n"]),       404, "/message", "404 page not found".into()),
        (PODS, reply(404, "text/plain", &[b"404 page not found\n"]),            404, "/reason",  "NotFound".into()),
        (PODS, reply(429, "text/plain", &[b"Too many requests\n"]),             429, "/reason",  "TooManyRequests".into()),
        (PODS, reply(500, "text/plain", &[b"panic"]),                           500, "/message", "panic".into()),
        (PODS, reply(500, "", &[]),                                             500, "/reason",  "InternalError".into()),
        (PODS, reply(503, JSON, &[b"{\"kind\":\"Status\",", b"\"code\":503}"]), 503, "/code",    503.into()),
        (PODS, reply(406, "text/plain", &[b""]),                                406, "/kind",    "Status".into()),
        (PODS, Fault::Reply { code: 200, headers: vec![("content-type", JSON.to_owned()), ("content-encoding", "gzip".to_owned())], parts: vec![b"\x1f\x8b\x08".to_vec()] },
                                                                                200, "/text",    "H4sI".into()),
        (PODS, Fault::Reply { code: 200, headers: folded, parts: vec![b"{\"kind\":\"A\"}".to_vec()] }, 200, "/kind", "A".into()),
        (PODS, Fault::Reply { code: 200, headers: huge, parts: vec![b"{\"kind\":\"B\"}".to_vec()] },   200, "/kind", "B".into()),
        (LOG,  reply(200, "text/plain", &[b"one\ntw", b"o\n\xc3", b"\xa4\n"]),  200, "/lines/1", "two".into()),
        (LOG,  reply(200, "text/plain", &[b"one\ntw", b"o\n\xc3", b"\xa4\n"]),  200, "/lines/2", "\u{e4}".into()),
        (LOG,  reply(200, "text/plain", &[b""]),                                200, "/kind",    "PodLog".into()),
        (LOG,  reply(200, "text/plain", &[half, rest]),                         200, "/lines/19999", "a line of a log, with \u{e4}".into()),
        (LOG,  reply(400, JSON, &[b"{\"kind\":\"Status\"}"]),                   400, "/kind",    "Status".into()),
    ] {
        let _: &Value = &expected;
        faults.set(Kind::Clients, fault.clone());
        let response = client.get(path).unwrap();
        let document = document(&response);
        assert_eq!(response.status, code, "{fault:?}");
        assert_eq!(document.pointer(pointer), Some(&expected), "{fault:?}");
    }
}

#[test]
#[rustfmt::skip]
fn a_change_that_may_have_been_carried_out_is_not_sent_again() {
    let (stack, client) = start("unknown");
    let object = |name: &str| format!("{{\"metadata\":{{\"name\":\"{name}\"}}}}");
    // Nobody listens: surely not sent.
    stack.terminate("kube-apiserver").unwrap();
    let response = client.post(CONFIG_MAPS, &object("refused")).unwrap();
    let said = document(&response);
    assert_eq!((response.status, said["reason"].as_str()), (503, Some("ServiceUnavailable")), "{said}");
    let _apiserver = stack.start_again("kube-apiserver", &[]).unwrap();

    let faults = Faults::before(&stack).unwrap();
    let exists = |name: &str| stack.kubectl(&["get", "configmap", name, "-n", "default"]).is_ok();
    for (name, fault, code, reason, done) in [
        ("lost",        Fault::Lost,                                      409, "OutcomeUnknown",     true),
        ("error-500",   Fault::Status { code: 500, retry_after: None },   409, "OutcomeUnknown",     false),
        ("error-502",   Fault::Status { code: 502, retry_after: None },   409, "OutcomeUnknown",     false),
        ("error-503",   Fault::Status { code: 503, retry_after: Some(1) }, 409, "OutcomeUnknown",    false),
        ("error-504",   Fault::Status { code: 504, retry_after: None },   409, "OutcomeUnknown",     false),
        // it says that it has done nothing
        ("error-429",   Fault::Status { code: 429, retry_after: Some(1) }, 429, "TooManyRequests",   false),
    ] {
        faults.set(Kind::Clients, fault);
        let response = client.post(CONFIG_MAPS, &object(name)).unwrap();
        let said = document(&response);
        assert_eq!((response.status, said["reason"].as_str()), (code, Some(reason)), "{name}: {said}");
        faults.lift();
        assert_eq!(exists(name), done, "{name}");
        // Reads may be sent again: they keep their codes.
        if code == 409 {
            assert!(said["message"].as_str().unwrap().contains("is not known: look at the object"));
        }
    }
    faults.set(Kind::Clients, Fault::Status { code: 503, retry_after: Some(1) });
    assert_eq!(client.get(PODS).unwrap().status, 503);
    assert!(!exists("refused"));
}
