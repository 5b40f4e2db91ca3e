//! The rows of `tests/cases/*.toml`: on the core natively, on the built filter in
//! Envoy over HTTP/1.1 with the bytes as they are written, and over HTTP/2.

use std::process::Command;

use keyhole_core::{
    Arrival, Body, Now, Request, Steady, UnixTime, Unshared, Verdict, Worker, load_policy,
};
use keyhole_tests::audit::Event;
use keyhole_tests::cases::{self, Case, Outcome};
use keyhole_tests::client::Response;
use keyhole_tests::crowd;
use keyhole_tests::stack::Stack;

/// What a request came to, natively.
fn natively(policy: &keyhole_core::Policy, case: &Case) -> Outcome {
    let headers = case.head();
    let body = if case.body.is_empty() { Body::Empty } else { Body::Follows };
    let wall = UnixTime::from_secs(1_800_000_000);
    let now = Now { wall, steady: Steady::default(), jitter: 0 };
    match Worker::default().request(
        policy,
        0,
        &Arrival { headers: &headers, body, source: None },
        &Unshared::default(),
        now,
    ) {
        Some(Verdict::Refuse(refused)) => Outcome::Refused(refused.refusal.reply().code),
        Some(Verdict::Answer(reply)) => panic!("{reply:?}"),
        Some(Verdict::Forward(_)) => panic!("there is no token"),
        None => {
            let (method, target) = case.request_line();
            Outcome::Forwarded(cases::read_as(&Request::parse(&method, &target).unwrap()))
        }
    }
}

/// What a response and the audit log say.
fn through_envoy(events: &[Event], case: &Case, response: &Response) -> Outcome {
    let id = response.header("x-request-id").unwrap_or_default();
    if let Some(event) = events.iter().find(|event| event.text("/auditID") == id) {
        assert_eq!(event.user(), "system:serviceaccount:default:api-reader", "{case:?}");
        assert_eq!(event.text("/impersonatedUser"), "", "{case:?}");
        let attributes = event.attributes();
        // The audit log does not write the name that a selector pins.
        return Outcome::Forwarded(match &case.expect {
            Outcome::Forwarded(expected) if case.request.contains("fieldSelector") => {
                let name = expected.rsplit('/').next().unwrap_or_default();
                attributes
                    .strip_suffix(name)
                    .map_or(format!("{attributes}{name}"), |a| format!("{a}{name}"))
            }
            _ => attributes,
        });
    }
    if !case.request.starts_with("HEAD ") {
        assert_eq!(response.field("/kind"), "Status", "{case:?}: {response:?}");
    }
    Outcome::Refused(response.status)
}

fn difference(how: &str, file: &str, case: &Case, came: &Outcome) -> String {
    let Case { request, headers, why, .. } = case;
    format!("{how} {file}: {request} {headers:?} came to {came:?}: {why}")
}

#[test]
fn natively_each_row_comes_out_as_written() {
    let policy = load_policy(&cases::policy().unwrap()).unwrap().policy;
    let mut differences = Vec::new();
    for (file, case) in cases::all().unwrap() {
        let expected = case.core.as_ref().unwrap_or(&case.expect);
        let came = natively(&policy, &case);
        if came != *expected {
            differences.push(difference("natively", &file, &case, &came));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn in_envoy_each_row_comes_out_as_written() {
    let stack = Stack::own("cases", &[]).unwrap();
    stack.apply(&cases::policy().unwrap()).unwrap();
    stack.make_account_admin().unwrap();

    let over_http1 = answers(|case| over_http1(&stack, case));
    let over_http2 = answers(|case| over_http2(&stack, case));
    assert!(over_http1.len() > 200, "{}", over_http1.len());
    assert!(over_http2.len() > 150, "{}", over_http2.len());
    let events = stack.audit().events().unwrap();
    let mut differences = Vec::new();
    for (protocol, answered) in [("HTTP/1.1", over_http1), ("HTTP/2", over_http2)] {
        for (file, case, response) in answered {
            let came = through_envoy(&events, &case, &response);
            if came != case.expect {
                differences.push(difference(protocol, &file, &case, &came));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The answers to all rows that `send` can send.
fn answers(send: impl Fn(&Case) -> Option<Response> + Sync) -> Vec<(String, Case, Response)> {
    let answers = crowd::each(4, cases::all().unwrap(), |(file, case)| {
        send(&case).map(|response| (file, case, response))
    });
    answers.into_iter().flatten().collect()
}

/// Sends the bytes of the row, and nothing that is not in it but a host.
fn over_http1(stack: &Stack, case: &Case) -> Option<Response> {
    let (method, target) = case.request_line();
    let mut bytes = [&method[..], b" ", &target, b" HTTP/1.1\r\nhost: keyhole\r\n"].concat();
    let headers = case.headers();
    for (name, value) in &headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    if !headers.iter().any(|(name, _)| name == "connection") {
        bytes.extend_from_slice(b"connection: close\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(case.body.as_bytes());
    Some(stack.anonymous().raw(&bytes).unwrap_or_else(|error| panic!("{case:?}: {error:#}")))
}

/// Sends the row by curl, unless only HTTP/1.1 can say it, or curl would be
/// refused in the middle of a body, which it takes for an error of the protocol.
fn over_http2(stack: &Stack, case: &Case) -> Option<Response> {
    let refused_body = !case.body.is_empty() && matches!(case.expect, Outcome::Refused(_));
    if case.http1 || refused_body {
        return None;
    }
    let (method, target) = case.request_line();
    let (method, target) =
        (String::from_utf8(method).unwrap(), String::from_utf8(target).unwrap());
    let mut curl = Command::new("curl");
    curl.args([
        "-sS",
        "-i",
        "--http2",
        "--max-time",
        "20",
        "--cacert",
        stack.var("KEYHOLE_CA"),
    ]);
    curl.args(["--request-target", &target, "-X", &method, "-H", "accept: application/json"]);
    if method == "HEAD" {
        curl.arg("--head");
    }
    for (name, value) in case.headers() {
        let value = String::from_utf8(value).unwrap();
        let header =
            if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        curl.args(["-H", &header]);
    }
    if !case.body.is_empty() {
        curl.args(["--data-binary", &case.body]);
        if !case.headers.iter().any(|header| header.starts_with("content-type")) {
            curl.args(["-H", "content-type:"]);
        }
    }
    let output = curl.arg(stack.var("KEYHOLE_URL")).output().unwrap();
    assert!(output.status.success(), "{case:?}: {output:?}");
    assert!(output.stdout.starts_with(b"HTTP/2 "), "{case:?}: {output:?}");
    // Written as HTTP/1.1, which has a version that the parser knows.
    let text = [b"HTTP/1.1", output.stdout.strip_prefix(b"HTTP/2").unwrap()].concat();
    Some(Response::parse(&text).unwrap())
}
