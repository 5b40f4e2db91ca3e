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
    ("GET",    PODS,                                           "authorization: Bearer x", true, 400),
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

/// Requests of every kind. The gateway has asked for the account's token itself.
pub fn must_be_answered_as_by_the_plain_gateway(stack: &Stack, client: &Client) {
    let tokens = || stack.audit().token_requests().unwrap().len();
    let of_the_plain_one = tokens();
    let listed = client.with_key(stack.var("KEYHOLE_KEY")).get(PODS).unwrap();
    assert_eq!(listed.status, 200, "{listed:?}");
    assert!(tokens() > of_the_plain_one);
    must_be_answered_alike(stack, client, &ROWS);
}

/// All but upgrades, and those that two readers could read differently: a proxy in front may
/// make them plain, or refuse them in its own words.
pub fn plain_ones_must_pass(stack: &Stack, client: &Client) {
    let rows: Vec<Row> =
        ROWS.into_iter().filter(|row| row.4 != 400 && !row.2.starts_with("upgrade")).collect();
    must_be_answered_alike(stack, client, &rows);
}

fn must_be_answered_alike(stack: &Stack, client: &Client, rows: &[Row]) {
    let mut wrong = Vec::new();
    for &(method, path, header, key, status) in rows {
        let send = |client: &Client| {
            let mut client = client.clone();
            if key {
                client = client.with_key(stack.var("KEYHOLE_KEY"));
            }
            if let Some((name, value)) = header.split_once(": ") {
                client = client.with(name, value);
                if name == "upgrade" {
                    client = client.with("connection", "upgrade");
                }
            }
            client.send(method, path, "").unwrap()
        };
        let row = format!("{method} {path} {header}");
        wrong.extend(difference(&row, &send(client), &send(&stack.anonymous()), status));
    }
    let body = "x".repeat(TOO_LARGE);
    let send =
        |client: &Client| client.with_key(stack.var("KEYHOLE_KEY")).post(PODS, &body).unwrap();
    wrong.extend(difference("too large", &send(client), &send(&stack.anonymous()), 413));
    assert_eq!(wrong, [""; 0]);

    // As the client's account.
    let listed = client.with_key(stack.var("KEYHOLE_KEY")).get(PODS).unwrap();
    let id = listed.header("x-request-id").unwrap();
    let event = stack.audit().find(id).unwrap().expect("it arrived");
    assert_eq!(event.user(), "system:serviceaccount:default:api-reader");
    for (path, text) in stack.logs().unwrap() {
        let key = stack.var("KEYHOLE_KEY").as_bytes();
        let tells = text.windows(key.len()).any(|window| window == key);
        assert!(!tells, "{} has the key", path.display());
    }
}

/// What is not as meant, unless both say the same: the status, and the Status object or list.
fn difference(row: &str, meshed: &Response, plain: &Response, status: u16) -> Option<String> {
    let told = |response: &Response| {
        let fields = ["/kind", "/reason", "/message"].map(|field| response.field(field));
        (response.status, fields)
    };
    let same = plain.status == status && told(meshed) == told(plain);
    (!same).then(|| format!("{row}: {meshed:?}, the plain gateway: {plain:?}"))
}
