//! Any header list: nothing but the allowlist leaves, and only with a key.
#![no_main]

use std::sync::LazyLock;

use keyhole_core::{
    Answer, Body, Header, Policy, Progress, Tokens, UnixTime, Verdict, admit, load_policy,
};
use libfuzzer_sys::fuzz_target;

/// The digest is that of `k`; the role allows all that can be allowed.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = r#"{apiVersion: keyhole/v1, kind: Policy,
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
const NOW: UnixTime = UnixTime::from_secs(1000);
/// `{"sub":"system:serviceaccount:d:a","iat":1000,"exp":1600}`
const TOKEN: &[u8] = br#"{"status":{"token":"h.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZDphIiwiaWF0IjoxMDAwLCJleHAiOjE2MDB9.s"}}"#;

fuzz_target!(|data: &[u8]| {
    let headers: Vec<Header> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let at = line.iter().skip(1).position(|byte| *byte == b':')? + 1;
            let name = String::from_utf8(line[..at].to_vec()).ok()?;
            Some((name, line[at + 1..].to_vec()))
        })
        .collect();
    let body = if data.len() % 2 == 0 { Body::Empty } else { Body::Follows };
    let mut tokens = Tokens::default();
    let pending = match admit(&POLICY, &headers, body, &mut tokens, NOW) {
        Progress::Pending(pending) => pending,
        Progress::Done(Verdict::Refuse(refused)) => {
            let reply = refused.refusal.reply();
            assert!((400..600).contains(&reply.code));
            return assert_eq!(reply.body.last(), Some(&b'\n'));
        }
        Progress::Done(Verdict::Forward(_)) => panic!("there is no token"),
    };
    let keys =
        headers.iter().filter(|(name, _)| name == "x-api-key" || name == "authorization");
    assert_eq!(keys.count(), 1);
    let account = pending.account().clone();
    tokens.tick(NOW);
    let answer = Answer::Some { status: b"201", body: TOKEN };
    tokens.answered(&account, answer, NOW, 0).expect("the token is valid");
    let Progress::Done(Verdict::Forward(forward)) = pending.resume(&mut tokens, NOW) else {
        panic!("there is a token");
    };
    let mut names: Vec<&str> = forward.headers().iter().map(|(name, _)| *name).collect();
    assert!(names.iter().all(|name| ALLOWED.contains(name)), "{names:?}");
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "each once");
});
