//! How often the core's step for one request allocates: once for each thing that
//! it writes, and for little else.

use keyhole_core::{
    Answer, Body, Header, KeyDigest, Progress, Tokens, UnixTime, Verdict, admit, load_policy,
};

const NOW: UnixTime = UnixTime::from_secs(1000);
/// Of `system:serviceaccount:d:a`, from 1000 to 1600.
const ANSWER: &[u8] = br#"{"status":{"token":"h.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZDphIiwiaWF0IjoxMDAwLCJleHAiOjE2MDB9.s"}}"#;

#[test]
fn an_allowed_request_allocates_what_it_writes() {
    let digest = KeyDigest::of(b"k").to_hex();
    let text = format!(
        "{{apiVersion: keyhole/v1, kind: Policy, clients: [{{name: c, keys: [{{sha256: {digest}}}], \
         serviceAccount: {{namespace: d, name: a}}, roles: [r]}}], roles: [{{name: r, rules: [\
         {{namespaces: [d], apiGroups: [\"\"], resources: [pods], verbs: [get, list]}}]}}]}}"
    );
    let policy = load_policy(&text).unwrap().policy;
    let mut tokens = Tokens::default();
    let account = policy.clients()[0].account();
    assert!(matches!(tokens.get(account, NOW), Ok(None)));
    tokens.tick(NOW);
    tokens.answered(account, Answer::Some { status: b"201", body: ANSWER }, NOW, 0).unwrap();

    // Written: the list, the target, the user agent, the bearer token.
    for (target, expected) in [
        ("/api/v1/namespaces/d/pods/web-0", 4),
        // and one value that is decoded, byte by byte
        ("/api/v1/namespaces/d/pods?limit=500&labelSelector=app%3Dweb", 6),
    ] {
        let headers: Vec<Header> = [
            (":method", "GET"),
            (":path", target),
            (":authority", "k"),
            (":scheme", "https"),
            ("accept", "application/json"),
            ("content-type", "application/json; charset=utf-8"),
            ("user-agent", "SQL Server/17.0.1000.7"),
            ("x-api-key", "k"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "0f4f3f1e-7f3b-4f5c-9a25-7f6f0f9f8f7e"),
        ]
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect();
        let counted = allocation_counter::measure(|| {
            let progress = admit(&policy, &headers, Body::Empty, &mut tokens, NOW);
            assert!(matches!(progress, Progress::Done(Verdict::Forward(_))));
        });
        assert_eq!(counted.count_total, expected, "{target}: {counted:?}");
    }
}
