//! A policy of any size, a request as SQL Server sends it, and a token for it.

use keyhole_core::{Account, Answer, Header, KeyDigest, Policy, Tokens, UnixTime, load_policy};

/// A moment in the life of [`TOKEN`].
pub const NOW: UnixTime = UnixTime::from_secs(1000);

/// The answer to a TokenRequest: a token of `system:serviceaccount:d:a`, from 1000
/// to 1600.
pub const TOKEN: &[u8] = br#"{"status":{"token":"h.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZDphIiwiaWF0IjoxMDAwLCJleHAiOjE2MDB9.s"}}"#;

/// Clients with the keys `k0`, `k1`, ..., all of one role, with a rule for pods in
/// each of the namespaces `d0`, `d1`, ...; their account is `d/a`.
pub fn policy(clients: usize, rules: usize) -> Policy {
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
    load_policy(&text).unwrap_or_else(|problems| panic!("{problems:?}")).policy
}

/// Tokens of which one is at hand, for this account.
pub fn tokens(account: &Account) -> Tokens {
    let mut tokens = Tokens::default();
    assert!(matches!(tokens.get(account, NOW), Ok(None)));
    tokens.tick(NOW);
    let answer = Answer::Some { status: b"201", body: TOKEN };
    tokens.answered(account, answer, NOW, 0).expect("the token is the account's");
    tokens
}

/// What SQL Server sends with the key `k0`, behind Envoy.
pub fn headers(method: &str, target: &str) -> Vec<Header> {
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
