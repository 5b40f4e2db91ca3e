use super::*;
use crate::headers::HeaderList;
use crate::request::head::Body;
use crate::token::tests::{at, minted};
use crate::worker::effect::Call;
use crate::worker::tests::{Gateway, arrival, json, policy_with};

const POD: &str = "/api/v1/namespaces/d/pods/p";

fn gateway() -> Gateway {
    let policy = policy_with("tokenVerification: claimsOnly", "enforcement: enforce");
    let mut gateway = Gateway::new(policy, at(1000));
    gateway.token = minted("system:serviceaccount:d:reader", 1000, 1600);
    gateway
}

fn headers(target: &str, seconds: &str) -> HeaderList {
    let pairs = [
        (":method", "GET"),
        (":path", target),
        ("x-api-key", "k"),
        ("x-keyhole-wait", seconds),
    ];
    pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// The one call that is under way, with its path.
fn call(gateway: &mut Gateway) -> (Call, String) {
    let call = gateway.resent.pop().expect("a call");
    assert!(gateway.resent.is_empty());
    let path = call.headers.0.iter().find(|(name, _)| *name == ":path").unwrap().1.clone();
    (call, path)
}

/// `outcome` and the object's name, or the code.
fn ended(gateway: &mut Gateway) -> Option<String> {
    let (stream, verdict) = gateway.verdicts.pop()?;
    assert_eq!(stream, 1);
    Some(match verdict {
        Verdict::Answer(reply) if reply.code == 200 => {
            let document: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(document["kind"], "WaitResult");
            let name = &document["object"]["metadata"]["name"];
            format!(
                "{} {}",
                document["outcome"].as_str().unwrap(),
                name.as_str().unwrap_or("-")
            )
        }
        Verdict::Answer(reply) => reply.code.to_string(),
        Verdict::Refuse(refused) => refused.refusal.reply().code.to_string(),
        Verdict::Forward(_) => panic!("it is never forwarded"),
    })
}

fn pod(version: u32, phase: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"p","resourceVersion":"{version}"}},"status":{{"phase":"{phase}"}}}}"#
    )
}

fn event(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

/// A client that waits, and its first call.
fn begun(condition: &str) -> (Gateway, Call) {
    let mut gateway = gateway();
    let headers = headers(&format!("{POD}?for={condition}"), "60");
    assert!(gateway.request(&headers, Body::Empty).is_none());
    gateway.tick();
    gateway.tick();
    let (first, path) = call(&mut gateway);
    assert_eq!(path, POD);
    (gateway, first)
}

#[test]
fn an_object_is_watched_piece_by_piece_until_it_is_as_wanted() {
    let (mut gateway, get) = begun("complete");
    gateway.answer(get.purpose, &json("200", pod(5, "Running").as_bytes()));
    let (watch, path) = call(&mut gateway);
    let list = "/api/v1/namespaces/d/pods?watch=true&fieldSelector=metadata.name%3Dp";
    assert_eq!(path, format!("{list}&resourceVersion=5&timeoutSeconds=3"));
    // Nothing new, then something that is not it, then it.
    gateway.now = at(1003);
    gateway.answer(watch.purpose, &json("200", b""));
    let (watch, path) = call(&mut gateway);
    assert!(path.contains("resourceVersion=5&"), "{path}");
    gateway.now = at(1006);
    gateway
        .answer(watch.purpose, &json("200", event("MODIFIED", &pod(7, "Running")).as_bytes()));
    let (watch, path) = call(&mut gateway);
    assert!(path.contains("resourceVersion=7&"), "{path}");
    // Who ends it at once is not asked again at once.
    gateway.answer(watch.purpose, &json("200", b""));
    assert!(gateway.resent.is_empty());
    gateway.now = at(1007);
    gateway.tick();
    let (watch, _) = call(&mut gateway);
    let both =
        event("MODIFIED", &pod(8, "Succeeded")) + &event("DELETED", &pod(9, "Succeeded"));
    gateway.answer(watch.purpose, &json("200", both.as_bytes()));
    assert_eq!(ended(&mut gateway).as_deref(), Some("met p"));
}

#[test]
#[rustfmt::skip]
fn a_wait_ends_in_one_way() {
    for (condition, first, second, expected) in [
        ("complete", ("200", pod(5, "Succeeded")), None,                                              Some("met p")),
        ("complete", ("200", pod(5, "Failed")),    None,                                              Some("failed p")),
        ("complete", ("404", "{}".to_string()),    None,                                              Some("404")),
        ("complete", ("403", "{}".to_string()),    None,                                              Some("403")),
        ("ready",    ("200", pod(5, "Pending")),   Some(("200", event("DELETED", &pod(6, "Pending")))), Some("failed p")),
        ("ready",    ("200", pod(5, "Pending")),   Some(("403", "{}".to_string())),                   Some("403")),
        ("deleted",  ("404", r#"{"kind":"Status"}"#.to_string()), None,                               Some("met -")),
        // no such path is not the end of an object
        ("deleted",  ("404", "404 page not found".to_string()), None,                                 Some("404")),
        ("complete", ("200", format!("[{}0]", "0,".repeat(150_000))), None,                           Some("413")),
        ("deleted",  ("200", pod(5, "Running")),   Some(("200", event("DELETED", &pod(6, "Running")))), Some("met p")),
        // what is wrong for a while is asked again
        ("complete", ("503", "{}".to_string()),    None,                                              None),
        ("complete", ("401", "{}".to_string()),    None,                                              None),
        ("complete", ("200", pod(5, "Running")),   Some(("410", "{}".to_string())),                   None),
        ("complete", ("200", pod(5, "Running")),   Some(("200", event("ERROR", r#"{"code":410}"#))),  None),
    ] {
        let (mut gateway, get) = begun(condition);
        let (status, body) = first;
        gateway.answer(get.purpose, &json(status, body.as_bytes()));
        if let Some((status, body)) = &second {
            let (watch, _) = call(&mut gateway);
            gateway.answer(watch.purpose, &json(status, body.as_bytes()));
        }
        assert_eq!(ended(&mut gateway).as_deref(), expected, "{condition} {second:?}");
        if expected.is_none() {
            // The time is up in any case.
            gateway.now = at(1061);
            gateway.tick();
            assert!(ended(&mut gateway).unwrap().starts_with("timeout"));
        }
    }
}

#[test]
fn an_answer_that_never_comes_is_not_waited_for() {
    let (mut gateway, lost) = begun("complete");
    gateway.now = at(1008);
    gateway.tick();
    assert!(gateway.resent.is_empty());
    gateway.now = at(1010);
    gateway.tick();
    assert_eq!(call(&mut gateway).1, POD);
    drop(lost);
}

#[test]
#[rustfmt::skip]
fn only_an_object_can_be_waited_for_and_for_so_long() {
    for (target, seconds, said) in [
        (POD,                                             "60",  "add `for=complete`"),
        ("/api/v1/namespaces/d/pods/p?for=done",          "60",  "add `for=complete`"),
        ("/api/v1/namespaces/d/pods/p?for=ready",         "0",   "from 1 to 220"),
        ("/api/v1/namespaces/d/pods/p?for=ready",         "221", "from 1 to 220"),
        ("/api/v1/namespaces/d/pods/p?for=ready",         "1.5", "from 1 to 220"),
        ("/api/v1/namespaces/d/pods/p?for=ready",         "",    "add the header `x-keyhole-wait`"),
        ("/api/v1/namespaces/d/pods?for=ready",           "60",  "only for an object"),
    ] {
        let headers = headers(target, seconds);
        let Some(Verdict::Refuse(refused)) = gateway().request(&headers, Body::Empty) else { panic!() };
        assert_eq!(refused.refusal.reply().code, 400);
        assert!(refused.refusal.to_string().contains(said), "{}", refused.refusal);
    }
    let headers = headers("/api/v1/namespaces/d/secrets/s?for=deleted", "60");
    let Some(Verdict::Refuse(refused)) = gateway().request(&headers, Body::Empty) else { panic!() };
    assert_eq!(refused.refusal.reply().code, 403);
}

#[test]
fn a_client_has_its_share_of_the_waits() {
    let mut gateway = gateway();
    let headers = headers(&format!("{POD}?for=ready"), "30");
    let mut begin = |stream| {
        let Gateway { worker, policy, now, .. } = &mut gateway;
        let memory = crate::Unshared::default();
        worker.request(policy, stream, &arrival(&headers), &memory, *now)
    };
    for stream in 0..16 {
        assert!(begin(stream).is_none());
    }
    let Some(Verdict::Refuse(refused)) = begin(16) else { panic!("it waits") };
    assert_eq!(refused.refusal.reply().code, 429);
}
