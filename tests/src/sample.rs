//! A policy of any size, a request as SQL Server sends it, and a worker that judges it.

use anyhow::Result;
use jwt_simple::prelude::{Claims, Duration, UnixTimeStamp};
use keyhole_core::{
    Answer, Arrival, Body, Effect, HeaderList, KeyDigest, Now, Policy, Purpose, Steady,
    UnixTime, Unshared, Verdict, Worker, load_policy,
};

use crate::issuer::{ISSUER, Pair, published};

const AUDIENCE: &str = "api://keyhole";

/// A moment in the life of [`TOKEN`].
pub const NOW: Now =
    Now { wall: UnixTime::from_secs(1000), steady: Steady::from_millis(1_000_000), jitter: 0 };

/// The answer to a TokenRequest: a token of `system:serviceaccount:d:a0`, from 1000
/// to 1600, for the audience `api`; without a signature.
pub const TOKEN: &[u8] = br#"{"spec":{"audiences":["api"]},"status":{"token":"h.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZDphMCIsImF1ZCI6WyJhcGkiXSwiaWF0IjoxMDAwLCJuYmYiOjEwMDAsImV4cCI6MTYwMH0.s"}}"#;

/// One worker, alone, and an apiserver that gives [`TOKEN`] to everybody.
#[derive(Debug)]
pub struct Gateway {
    pub worker: Worker,
    policy: Policy,
    memory: Unshared,
}

/// The policy of [`text`].
pub fn policy(clients: usize, rules: usize) -> Policy {
    load_policy(&text(clients, rules)).unwrap_or_else(|problems| panic!("{problems:?}")).policy
}

/// A policy of nothing but what [`grow`] adds.
pub fn text(clients: usize, rules: usize) -> String {
    let head = "apiVersion: keyhole/v1\nkind: Policy\ngateway: {tokenVerification: claimsOnly}";
    grow(&format!("{head}\nclients:\nroles:\n"), clients, rules)
}

/// The same, with this key of the first client.
pub fn text_with_key(key: &str, clients: usize, rules: usize) -> String {
    let [own, other] = ["k0", key].map(|key| KeyDigest::of(key.as_bytes()).to_hex());
    text(clients, rules).replacen(&own, &other, 1)
}

/// The same policy, whose first client may also present tokens of this pair.
pub fn with_tokens(policy: &str, pair: &Pair) -> String {
    let jwks = published(&[pair]);
    let tokens = format!(
        "tokens: [{{issuer: \"{ISSUER}\", audience: \"{AUDIENCE}\", subject: c0, jwks: '{jwks}'}}], keys: ["
    );
    policy.replacen("keys: [", &tokens, 1)
}

/// A token of the first client for an hour, as long as one of Entra ID: 1.5 KB.
pub fn token(pair: &Pair, start: u64) -> Result<String> {
    let at = |second| Some(UnixTimeStamp::from_secs(second));
    let mut claims = Claims::create(Duration::from_hours(1))
        .with_issuer(ISSUER)
        .with_audience(AUDIENCE)
        .with_subject("c0")
        .with_nonce("n".repeat(900));
    claims.issued_at = at(start);
    claims.invalid_before = at(start);
    claims.expires_at = at(start + 3600);
    pair.sign(claims)
}

/// Adds clients with the keys `k0`, `k1`, ..., the accounts `d/a0`, `d/a1`, ... and two
/// roles each; and roles of ten rules, for pods in the namespaces `d0`, `d1`, ...
pub fn grow(policy: &str, clients: usize, rules: usize) -> String {
    let (head, tail) = policy.split_once("\nroles:\n").expect("a policy with roles");
    let mut text = format!("{head}\n");
    let roles = rules.div_ceil(10);
    for n in 0..clients {
        let digest = KeyDigest::of(format!("k{n}").as_bytes()).to_hex();
        text.push_str(&format!(
            "- {{name: c{n}, keys: [{{sha256: \"{digest}\"}}], serviceAccount: {{namespace: d, name: a{n}}}, roles: [r{}, r{}]}}\n",
            n % roles,
            (n + 1) % roles
        ));
    }
    text.push_str("roles:\n");
    for n in 0..rules {
        if n % 10 == 0 {
            text.push_str(&format!("- name: r{}\n  rules:\n", n / 10));
        }
        text.push_str(&format!(
            "  - {{namespaces: [d{n}], apiGroups: [\"\"], resources: [pods], verbs: [get, list, create]}}\n"
        ));
    }
    text + tail
}

// === impl Gateway ===

impl Gateway {
    pub fn new(policy: Policy) -> Self {
        Self { worker: Worker::default(), policy, memory: Unshared::default() }
    }

    /// What becomes of a request; `None` while it waits for a token.
    pub fn request<'a>(&mut self, headers: &'a HeaderList, body: Body) -> Option<Verdict<'a>> {
        let arrival = Arrival { headers, body, source: None };
        self.worker.request(&self.policy, 0, &arrival, &self.memory, NOW)
    }

    /// The same, after the wait.
    pub fn judge<'a>(&mut self, headers: &'a HeaderList, body: Body) -> Verdict<'a> {
        self.request(headers, body).unwrap_or_else(|| self.resume().expect("it waits"))
    }

    /// Lets the apiserver answer; what becomes of the request that waits.
    fn resume(&mut self) -> Option<Verdict<'static>> {
        let mut effects = self.worker.tick(&self.policy, &self.memory, NOW);
        while let Some(effect) = effects.pop() {
            match effect {
                Effect::Call(call) => {
                    let answer = match call.purpose {
                        Purpose::Token(_) => created(TOKEN),
                        _ => Answer::None,
                    };
                    let Self { worker, policy, memory } = self;
                    effects.extend(worker.answered(policy, call.purpose, &answer, memory, NOW));
                }
                Effect::Notice(_) | Effect::Policy(_) | Effect::PolicyRefused => {}
                Effect::Resume { verdict, .. } => return Some(verdict),
            }
        }
        None
    }
}

/// A 201 with this body.
pub fn created(body: &[u8]) -> Answer {
    Answer::Some { headers: HeaderList::of(&[(":status", "201")]), body: body.to_vec() }
}

/// What SQL Server sends with the key `k0`, behind Envoy.
pub fn headers(method: &str, target: &str) -> HeaderList {
    headers_with(method, target, ("x-api-key", "k0"))
}

/// The same, with another credential.
pub fn headers_with(method: &str, target: &str, credential: (&str, &str)) -> HeaderList {
    HeaderList::of(&[
        (":authority", "keyhole.example"),
        (":path", target),
        (":method", method),
        (":scheme", "https"),
        ("accept", "application/json"),
        ("content-type", "application/json; charset=utf-8"),
        ("user-agent", "SQL Server/17.0.1000.7"),
        credential,
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "0f4f3f1e-7f3b-4f5c-9a25-7f6f0f9f8f7e"),
    ])
}
