//! The core's whole step for one request, with a token at hand: parse, look up,
//! decide, rebuild. With one client and one rule, and with 10,000 clients and
//! 1,000 rules: the two should cost the same.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that fails may say so")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use keyhole_core::{
    Answer, Body, Header, KeyDigest, Policy, Progress, Tokens, UnixTime, Verdict, admit,
    load_policy,
};

const NOW: UnixTime = UnixTime::from_secs(1000);
/// Of `system:serviceaccount:d:a`, from 1000 to 1600.
const ANSWER: &[u8] = br#"{"status":{"token":"h.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZDphIiwiaWF0IjoxMDAwLCJleHAiOjE2MDB9.s"}}"#;

fn policy(clients: usize, rules: usize) -> Policy {
    let mut text = String::from("apiVersion: keyhole/v1\nkind: Policy\nclients:\n");
    for n in 0..clients {
        let digest = KeyDigest::of(format!("k{n}").as_bytes()).to_hex();
        text.push_str(&format!(
            "- {{name: c{n}, keys: [{{sha256: \"{digest}\"}}], serviceAccount: {{namespace: d, name: a}}, roles: [r]}}\n"
        ));
    }
    text.push_str("roles:\n- name: r\n  rules:\n");
    for n in 0..rules {
        text.push_str(&format!(
            "  - {{namespaces: [d{n}], apiGroups: [\"\"], resources: [pods], verbs: [get, list, create]}}\n"
        ));
    }
    match load_policy(&text) {
        Ok(loaded) => loaded.policy,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn tokens(policy: &Policy) -> Tokens {
    let mut tokens = Tokens::default();
    let account = policy.clients().first().expect("a client").account();
    let _ = tokens.get(account, NOW);
    tokens.tick(NOW);
    let answer = Answer::Some { status: b"201", body: ANSWER };
    tokens.answered(account, answer, NOW, 0).expect("the token is valid");
    tokens
}

/// What SQL Server sends, behind Envoy.
fn headers(method: &str, target: &str) -> Vec<Header> {
    [
        (":authority", "keyhole.example"),
        (":path", target),
        (":method", method),
        (":scheme", "https"),
        ("accept", "application/json"),
        ("content-type", "application/json; charset=utf-8"),
        ("user-agent", "SQL Server/17.0.1000.7"),
        ("x-api-key", "k0"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "0f4f3f1e-7f3b-4f5c-9a25-7f6f0f9f8f7e"),
    ]
    .iter()
    .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
    .collect()
}

fn bench(criterion: &mut Criterion) {
    for (size, policy) in [("1x1", policy(1, 1)), ("10000x1000", policy(10_000, 1000))] {
        let mut tokens = tokens(&policy);
        for (name, method, target, allowed) in [
            ("list", "GET", "/api/v1/namespaces/d0/pods?limit=500", true),
            ("get", "GET", "/api/v1/namespaces/d0/pods/web-0", true),
            ("create", "POST", "/api/v1/namespaces/d0/pods", true),
            ("denied", "DELETE", "/api/v1/namespaces/d0/pods/web-0", false),
        ] {
            let headers = headers(method, target);
            criterion.bench_function(&format!("{name}/{size}"), |bencher| {
                bencher.iter(|| {
                    let headers = black_box(&headers);
                    let progress = admit(&policy, headers, Body::Empty, &mut tokens, NOW);
                    let forwarded = matches!(progress, Progress::Done(Verdict::Forward(_)));
                    assert_eq!(forwarded, allowed);
                    progress
                });
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
