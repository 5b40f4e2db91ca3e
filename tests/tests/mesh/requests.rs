//! What clients ask for, and what the plain gateway of the stack answers: a gateway of a mesh
//! answers the same.

use keyhole_tests::client::{Client, Response};
use keyhole_tests::stack::Stack;

const PODS: &str = "/api/v1/namespaces/default/pods";

/// A request, and what becomes of it.
type Row = (&'static str, &'static str, &'static str, bool, u16);

#[rustfmt::skip]
const ROWS: [Row; 14] = [
    // Method, path, header, with a key, status
    ("GET",    PODS,                                           "",                       true,  200),
    ("GET",    PODS,                                           "",                       false, 401),
    ("GET",    PODS,                                           "authorization: Bearer x", true, 200),
    ("DELETE", "/api/v1/namespaces/default/pods/web-0",        "",                       true,  403),
    ("GET",    "/api/v1/namespaces/kube-system/pods",          "",                       true,  403),
    ("GET",    "/api/v1/namespaces/default/pods/none",         "",                       true,  404),
    ("GET",    "/version",                                     "",                       true,  200),
    ("GET",    "/keyhole/readyz",                              "",                       false, 200),
    ("GET",    "/api/v1/namespaces/default%2Fpods",            "",                       true,  400),
    ("GET",    "/api/v1/namespaces/default/../default/pods",   "",                       true,  400),
    ("GET",    "/api/v1//namespaces/default/pods",             "",                       true,  400),
    ("GET",    PODS,                                           "x_api_key: x",           true,  400),
    ("GET",    "/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=1", "",        true,  403),
    ("GET",    PODS,                                           "upgrade: websocket",     true,  403),
];

/// Larger than the apiserver's own limit.
const TOO_LARGE: usize = 3 * 1024 * 1024 + 1;

pub fn must_be_answered_as_by_the_plain_gateway(stack: &Stack, client: &Client) {
    for (method, path, header, key, status) in ROWS {
        let send = |client: &Client| {
            let mut client = client.clone();
            if key {
                client = client.with_key(stack.var("KEYHOLE_KEY"));
            }
            if let Some((name, value)) = header.split_once(": ") {
                client = client.with(name, value);
            }
            client.send(method, path, "").unwrap()
        };
        let row = format!("{method} {path} {header}");
        must_be_same(&row, &send(client), &send(&stack.anonymous()), status);
    }
    let body = "x".repeat(TOO_LARGE);
    let send =
        |client: &Client| client.with_key(stack.var("KEYHOLE_KEY")).post(PODS, &body).unwrap();
    must_be_same("too large", &send(client), &send(&stack.anonymous()), 413);
}

/// The same status and the same Status object, or list.
fn must_be_same(row: &str, meshed: &Response, plain: &Response, status: u16) {
    assert_eq!(plain.status, status, "the plain gateway, {row}: {plain:?}");
    for field in ["/kind", "/reason", "/message", "/code"] {
        assert_eq!(meshed.field(field), plain.field(field), "{row}: {meshed:?}");
    }
    assert_eq!(meshed.status, plain.status, "{row}: {meshed:?}");
}
