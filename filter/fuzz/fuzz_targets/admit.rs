//! Any header list: nothing but the allowlist leaves, and only with a key.
#![no_main]

use std::sync::LazyLock;

use keyhole_core::{
    Answer, Arrival, Body, Effect, HeaderList, Now, Policy, Purpose, Steady, UnixTime,
    Unshared, Verdict, Worker, load_policy,
};
use libfuzzer_sys::fuzz_target;

/// The digest is that of `k`; the role allows all that can be allowed.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = r#"{apiVersion: keyhole/v1, kind: Policy, gateway: {tokenVerification: claimsOnly},
clients: [{name: c, keys: [{sha256: 8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a}],
  serviceAccount: {namespace: d, name: a}, roles: [r]}],
roles: [{name: r, rules: [
  {namespaces: ["*"], apiGroups: ["*"], resources: ["*", pods/log], verbs: ["*", watch]},
  {clusterScope: true, apiGroups: ["*"], resources: ["*"], verbs: ["*", watch]},
  {nonResourceURLs: ["/*"], verbs: ["*"]}]}]}"#;
    load_policy(text).expect("it is valid").policy
});

const ALLOWED: [&str; 12] = [
    ":authority",
    ":method",
    ":path",
    ":scheme",
    "accept",
    "audit-id",
    "authorization",
    "content-length",
    "content-type",
    "user-agent",
    "x-forwarded-proto",
    "x-request-id",
];
const NOW: Now =
    Now { wall: UnixTime::from_secs(1000), steady: Steady::from_millis(1_000_000), jitter: 0 };
/// `{"sub":"system:serviceaccount:d:a","aud":["api"],"iat":1000,"nbf":1000,"exp":1600}`
const TOKEN: &[u8] = br#"{"spec":{"audiences":["api"]},"status":{"token":"h.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZDphIiwiYXVkIjpbImFwaSJdLCJpYXQiOjEwMDAsIm5iZiI6MTAwMCwiZXhwIjoxNjAwfQ.s"}}"#;

fuzz_target!(|data: &[u8]| {
    let headers: HeaderList = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let at = line.iter().skip(1).position(|byte| *byte == b':')? + 1;
            Some((&line[..at], &line[at + 1..]))
        })
        .collect();
    let body = if data.len() % 2 == 0 { Body::Empty } else { Body::Follows };
    let mut worker = Worker::default();
    match worker.request(
        &POLICY,
        0,
        &Arrival { headers: &headers, body, source: None },
        &Unshared::default(),
        NOW,
    ) {
        None => {}
        Some(Verdict::Answer(reply)) => return assert_eq!(reply.body.last(), Some(&b'\n')),
        Some(Verdict::Forward(_)) => panic!("there is no token"),
        Some(Verdict::Refuse(refused)) => {
            let reply = refused.refusal.reply();
            assert!((400..600).contains(&reply.code));
            return assert_eq!(reply.body.last(), Some(&b'\n'));
        }
    }
    let keys =
        headers.iter().filter(|(name, _)| matches!(*name, b"x-api-key" | b"authorization"));
    assert_eq!(keys.count(), 1);
    let Some(Verdict::Forward(forward)) = resume(&mut worker) else {
        panic!("there is a token");
    };
    let sent = forward.headers();
    let mut names: Vec<&str> =
        sent.iter().map(|(name, _)| str::from_utf8(name).expect("a name")).collect();
    assert!(names.iter().all(|name| ALLOWED.contains(name)), "{names:?}");
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "each once");
});

fn resume(worker: &mut Worker) -> Option<Verdict<'static>> {
    let memory = Unshared::default();
    let mut effects = worker.tick(&POLICY, &memory, NOW);
    while let Some(effect) = effects.pop() {
        match effect {
            Effect::Call(call) => {
                let headers = HeaderList::of(&[(":status", "201")]);
                let answer = match call.purpose {
                    Purpose::Token(_) => Answer::Some { headers, body: TOKEN.to_vec() },
                    _ => Answer::None,
                };
                effects.extend(worker.answered(&POLICY, call.purpose, &answer, &memory, NOW));
            }
            Effect::Notice(_) | Effect::Policy(_) | Effect::PolicyRefused => {}
            Effect::Resume { verdict, .. } => return Some(verdict),
        }
    }
    None
}
