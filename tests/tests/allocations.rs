//! How often the core's step for one request allocates: once for each thing that
//! it writes, and for little else, however large the policy is.

use keyhole_core::{
    Answer, Body, Header, KeyDigest, Policy, Progress, Tokens, UnixTime, Verdict, admit,
    load_policy,
};

const NOW: UnixTime = UnixTime::from_secs(1000);
/// Of `system:serviceaccount:d:a`, from 1000 to 1600.
const ANSWER: &[u8] = br#"{"status":{"token":"h.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZDphIiwiaWF0IjoxMDAwLCJleHAiOjE2MDB9.s"}}"#;

/// Clients with keys `k0`, `k1`, ..., all of one role, with a rule for each of the
/// namespaces `d0`, `d1`, ...
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
            "  - {{namespaces: [d{n}], apiGroups: [\"\"], resources: [pods], verbs: [get, list]}}\n"
        ));
    }
    load_policy(&text).unwrap_or_else(|problems| panic!("{problems:?}")).policy
}

#[test]
fn an_allowed_request_allocates_what_it_writes() {
    count(&policy(1, 1));
}

#[test]
fn promise_9_no_more_with_ten_thousand_clients() {
    count(&policy(10_000, 1000));
}

fn count(policy: &Policy) {
    let mut tokens = Tokens::default();
    let account = policy.clients()[0].account();
    assert!(matches!(tokens.get(account, NOW), Ok(None)));
    tokens.tick(NOW);
    tokens.answered(account, Answer::Some { status: b"201", body: ANSWER }, NOW, 0).unwrap();

    // Written: the list, the target, the user agent, the bearer token.
    for (target, expected) in [
        ("/api/v1/namespaces/d0/pods/web-0", 4),
        // and one value that is decoded, byte by byte
        ("/api/v1/namespaces/d0/pods?limit=500&labelSelector=app%3Dweb", 6),
    ] {
        let headers: Vec<Header> = [
            (":method", "GET"),
            (":path", target),
            (":authority", "k"),
            (":scheme", "https"),
            ("accept", "application/json"),
            ("content-type", "application/json; charset=utf-8"),
            ("user-agent", "SQL Server/17.0.1000.7"),
            ("x-api-key", "k0"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "0f4f3f1e-7f3b-4f5c-9a25-7f6f0f9f8f7e"),
        ]
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect();
        let counted = allocation_counter::measure(|| {
            let progress = admit(policy, &headers, Body::Empty, &mut tokens, NOW);
            assert!(matches!(progress, Progress::Done(Verdict::Forward(_))));
        });
        assert_eq!(counted.count_total, expected, "{target}: {counted:?}");
    }
}
