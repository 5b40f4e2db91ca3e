//! Any answer to a TokenRequest: no bytes of it are sent on but a token, and none of
//! it is told.
#![no_main]

use keyhole_core::{
    Answer, Arrival, Body, Effect, HeaderList, Now, Policy, Purpose, Steady, UnixTime,
    Unshared, Verdict, Worker, load_policy,
};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// The digest is that of `k`.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = r#"{apiVersion: keyhole/v1, kind: Policy, gateway: {tokenVerification: claimsOnly},
clients: [{name: c, keys: [{sha256: 8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a}],
  serviceAccount: {namespace: d, name: a}, roles: [r]}],
roles: [{name: r, rules: [{nonResourceURLs: ["/*"], verbs: ["*"]}]}]}"#;
    load_policy(text).expect("it is valid").policy
});
const NOW: Now =
    Now { wall: UnixTime::from_secs(1000), steady: Steady::from_millis(1_000_000), jitter: 7 };

fuzz_target!(|data: &[u8]| {
    let headers =
        HeaderList::of(&[(":method", "GET"), (":path", "/version"), ("x-api-key", "k")]);
    let mut worker = Worker::default();
    let memory = Unshared::default();
    assert!(
        worker
            .request(
                &POLICY,
                0,
                &Arrival { headers: &headers, body: Body::Empty, source: None },
                &memory,
                NOW
            )
            .is_none()
    );
    let (status, body) = data.split_at(data.len().min(3));
    let answer =
        Answer::Some { headers: HeaderList::of(&[(":status", status)]), body: body.to_vec() };
    for effect in worker.tick(&POLICY, &memory, NOW) {
        let Effect::Call(call) = effect else { continue };
        if !matches!(call.purpose, Purpose::Token(_)) {
            continue;
        }
        for effect in worker.answered(&POLICY, call.purpose, &answer, &memory, NOW) {
            match effect {
                Effect::Call(call) => panic!("{call:?}"),
                Effect::Policy(_) | Effect::PolicyRefused => panic!("it is no live policy"),
                Effect::Notice(notice) => {
                    assert!(!notice.to_string().contains("eyJ") || status >= b"400");
                }
                Effect::Resume { verdict: Verdict::Forward(forward), .. } => {
                    assert_eq!(status, b"201");
                    let headers = forward.headers();
                    let value = headers.get("authorization").expect("a credential");
                    let token = value.strip_prefix(b"Bearer ").expect("a bearer token");
                    assert!(token.iter().all(u8::is_ascii_graphic));
                }
                Effect::Resume { verdict, .. } => {
                    assert!(matches!(verdict, Verdict::Refuse(_)))
                }
            }
        }
    }
});
