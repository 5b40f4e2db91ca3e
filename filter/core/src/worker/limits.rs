//! Clients that are bounded, and rules that are only reported, as a worker sees them.

use super::tests::{Gateway, PODS, list, policy_with, told};
use super::*;
use crate::body::Step;
use crate::request::head::Body;
use crate::token::tests::{at, minted};
use alloc::string::{String, ToString};

/// A gateway whose one client has this, too.
fn gateway(client: &str) -> Gateway {
    let policy = policy_with("tokenVerification: claimsOnly", client);
    let mut gateway = Gateway::new(policy, at(1000));
    gateway.token = minted("system:serviceaccount:d:reader", 1000, 1600);
    gateway
}

fn judged(gateway: &mut Gateway) -> String {
    told(&gateway.judge(&list(), Body::Empty))
}

#[test]
fn a_client_may_send_so_many_requests_a_second() {
    let mut gateway = gateway("limits: {requestsPerSecond: 1, burst: 2}");
    assert_eq!([judged(&mut gateway), judged(&mut gateway)], ["allowed", "allowed"]);
    let Verdict::Refuse(refused) = gateway.judge(&list(), Body::Empty) else { panic!() };
    let reply = refused.refusal.reply();
    assert_eq!(
        (reply.code, reply.headers.last()),
        (429, Some(&("retry-after", "1".to_string())))
    );
    let body = String::from_utf8(reply.body).unwrap();
    let said = "too many requests: keyhole: this client's limit, requestsPerSecond: 1 (burst: 2), is reached: send fewer, or wait";
    assert!(body.contains(said), "{body}");
    gateway.now = at(1001);
    assert_eq!(judged(&mut gateway), "allowed");
}

#[test]
fn a_client_may_have_so_many_requests_in_flight() {
    let mut gateway = gateway("limits: {requestsInFlight: 1}");
    assert_eq!(judged(&mut gateway), "allowed");
    let said = "429 this client's limit, requestsInFlight: 1, is reached: wait for the answers to earlier requests";
    assert_eq!(judged(&mut gateway), said);
    gateway.end();
    assert_eq!(judged(&mut gateway), "allowed");
}

#[test]
fn a_client_may_send_bodies_of_so_many_bytes() {
    let mut gateway = gateway("limits: {bodyBytes: 10}");
    let post = [(":method", "POST"), (":path", PODS), ("x-api-key", "k")];
    let headers = HeaderList::of(&post);
    assert_eq!(told(&gateway.judge(&headers, Body::Follows)), "allowed");
    assert!(matches!(gateway.worker.body(1, 10, false), Step::Pass));
    let Step::Refuse(refused) = gateway.worker.body(1, 1, true) else { panic!() };
    assert_eq!(refused.refusal.reply().code, 413);
    let samples = gateway.worker.samples(at(1000));
    let name = "keyhole_decisions_total.client.sql.verb.create.outcome.limited";
    assert!(samples.iter().any(|sample| sample.name == name), "{samples:?}");
    let headers = post.into_iter().chain([("content-length", "11")]).collect();
    let said = "413 the body is larger than 10 bytes, the limit for this request (`bodyBytes`, or that of bodies that are judged): send less";
    assert_eq!(told(&gateway.judge(&headers, Body::Follows)), said);
}

#[test]
fn a_client_may_call_only_from_its_sources() {
    let mut gateway = gateway("sourceRanges: [10.0.0.0/8]");
    for (source, expected) in [
        (Some("10.1.2.3:50000"), "allowed"),
        (
            Some("192.0.2.1:50000"),
            "403 this client may not call from 192.0.2.1, which is in none of its `sourceRanges`",
        ),
        (
            None,
            "403 this client may call only from its `sourceRanges`, and Envoy does not say where this request comes from",
        ),
    ] {
        gateway.source = source.map(str::as_bytes);
        assert_eq!(judged(&mut gateway), expected);
    }
}

#[test]
fn what_is_only_reported_is_forwarded_and_told() {
    let mut gateway = gateway("enforcement: report");
    let headers = HeaderList::of(&[(":method", "DELETE"), (":path", PODS), ("x-api-key", "k")]);
    let Verdict::Forward(forward) = gateway.judge(&headers, Body::Empty) else { panic!() };
    assert_eq!(
        forward.reported().unwrap().report().unwrap(),
        r#"{"decision":"reported","method":"DELETE","path":"/api/v1/namespaces/d/pods","reason":"pods is forbidden: User \"keyhole:sql\" cannot deletecollection resource \"pods\" in API group \"\" in the namespace \"d\": keyhole: no rule of this client allows it"}"#
    );
    let samples = gateway.worker.samples(at(1002));
    let name = "keyhole_decisions_total.client.sql.verb.deletecollection.outcome.reported";
    assert!(samples.iter().any(|sample| sample.name == name), "{samples:?}");
}
