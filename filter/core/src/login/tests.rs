//! Tokens that were made to deceive, and the life of those that are good.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::Cell;

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_simple::common::KeyMetadata;
use jwt_simple::prelude::{
    Claims as JwtClaims, Duration as Life, ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike,
    ES256KeyPair, Ed25519KeyPair, EdDSAKeyPairLike, HS256Key, HashSet, JWTClaims, MACLike,
    NoCustomClaims, RS256KeyPair, RSAKeyPairLike, UnixTimeStamp,
};
use serde::Serialize;
use serde_json::json;

use super::*;
use crate::admit::{Arrival, Verdict};
use crate::answer::Answer;
use crate::answer::tests::answer;
use crate::config::load_policy;
use crate::headers::HeaderList;
use crate::pod::shared::Unshared;
use crate::request::head::Body;
use crate::resend::Original;
use crate::time::Steady;
use crate::token::tests::minted;
use crate::worker::Worker;
use crate::worker::effect::{Effect, Purpose, Upstream};
use crate::worker::tests::told;

const ISSUER: &str = "https://issuer.example.com";
const AUDIENCE: &str = "api://keyhole";
const OTHER: &str = "https://other.example.com";
/// When the stories begin.
const START: u64 = 1_800_000_000;
const FOREVER: Option<UnixTimeStamp> = None;

/// Seconds after the start.
fn at(seconds: u64) -> Now {
    let wall = UnixTime::from_secs(START + seconds);
    Now { wall, steady: Steady::from_millis(1_000_000 + seconds * 1000), jitter: 0 }
}

fn stamp(seconds: i64) -> Option<UnixTimeStamp> {
    Some(UnixTimeStamp::from_secs(START.checked_add_signed(seconds).unwrap()))
}

/// Of the subject `sql`, for an hour.
fn claims() -> JWTClaims<NoCustomClaims> {
    with(NoCustomClaims {})
}

fn with<C: Serialize + serde::de::DeserializeOwned>(custom: C) -> JWTClaims<C> {
    let mut claims = JwtClaims::with_custom_claims(custom, Life::from_secs(3600))
        .with_issuer(ISSUER)
        .with_subject("sql")
        .with_audience(AUDIENCE);
    (claims.issued_at, claims.invalid_before) = (stamp(0), stamp(0));
    claims.expires_at = stamp(3600);
    claims
}

fn signed(pair: &ES256KeyPair) -> String {
    pair.sign(claims()).unwrap()
}

fn published(pairs: &[&ES256KeyPair]) -> String {
    let keys: Vec<String> = pairs.iter().map(|pair| pair.public_key().to_jwk()).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

const REMOTE: &str = "jwksUri: https://issuer.example.com/keys?v=2, cluster: issuer";

/// With these tokens for the client `sql`, and `more` clients.
fn policy(tokens: &str, more: &str) -> Policy {
    let client = "serviceAccount: {namespace: d, name: reader}, roles: [r]";
    let text = format!(
        "{{apiVersion: keyhole/v1, kind: Policy, gateway: {{tokenVerification: claimsOnly}}, clients: [\
         {{name: sql, tokens: [{tokens}], {client}}}{more}], roles: [{{name: r, rules: [\
         {{namespaces: [d], apiGroups: [\"\"], resources: [pods], verbs: [list, create]}}]}}]}}"
    );
    load_policy(&text).unwrap_or_else(|problems| panic!("{problems:?}")).policy
}

fn of_sql(keys: &str) -> String {
    format!("{{issuer: \"{ISSUER}\", audience: \"{AUDIENCE}\", subject: sql, {keys}}}")
}

fn written(jwks: &str) -> String {
    format!("jwks: '{jwks}'")
}

/// The client's name, or why there is none.
fn judge(logins: &mut Logins, policy: &Policy, token: &str, now: Now) -> String {
    match logins.identify(policy, token.as_bytes(), now) {
        Ok((client, _)) => client.name().to_string(),
        Err(refused) => {
            assert!(token.len() < 8 || !refused.to_string().contains(token));
            refused.why.to_string()
        }
    }
}

fn part(json: &str) -> String {
    Base64UrlUnpadded::encode_string(json.as_bytes())
}

/// The same token with another header.
fn headed(token: &str, header: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", part(header))
}

#[derive(Clone, serde::Deserialize, Serialize)]
struct SecondSubject {
    #[serde(rename = "sub")]
    subject: String,
}

#[test]
#[rustfmt::skip]
fn no_token_deceives() {
    let ec = ES256KeyPair::generate().with_key_id("ec");
    let ed = Ed25519KeyPair::generate().with_key_id("ed");
    let rsa = RS256KeyPair::generate(2048).unwrap().with_key_id("rsa");
    let stranger = ES256KeyPair::generate().with_key_id("ec");
    let unknown = |id: &str| signed(&ES256KeyPair::generate().with_key_id(id));
    let jwks = format!(
        r#"{{"keys":[{},{},{}]}}"#,
        ec.public_key().to_jwk(), ed.public_key().to_jwk(), rsa.public_key().to_jwk()
    );
    let policy = policy(&of_sql(&written(&jwks)), "");

    let good = signed(&ec);
    let (head, tail) = good.split_once('.').unwrap();
    let (payload, signature) = tail.split_once('.').unwrap();
    // Signed as they are.
    let sign = |claims| ec.sign(claims).unwrap();
    let unlike = |change: fn(&mut JWTClaims<NoCustomClaims>)| {
        let mut claims = claims();
        change(&mut claims);
        sign(claims)
    };
    let telling = |metadata: KeyMetadata| {
        let mut pair = ES256KeyPair::from_bytes(&ec.to_bytes()).unwrap().with_key_id("ec");
        pair.attach_metadata(metadata).unwrap();
        signed(&pair)
    };
    let by_hmac = |key: &[u8], id: &str| HS256Key::from_bytes(key).with_key_id(id).authenticate(claims()).unwrap();
    let pem = ec.public_key().public_key().to_pem().unwrap();
    let claiming = |json: &str| format!("{head}.{}.{signature}", part(json));
    let whole = |more: &str| format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"sql","exp":1800003600{more}}}"#);
    let deep = format!(r#","x":{}{}"#, "[".repeat(500), "]".repeat(500));
    // The claims themselves, four of them, the list, and what is in it.
    let listing = |values: usize| whole(&format!(r#","x":[0{}]"#, ",0".repeat(values - 7)));
    let hidden = format!(r#"{{"alg":"ES256","kid":"ec","x":"{}"}}"#, "x".repeat(7000));

    const NO_TOKEN: &str = "it is no JSON Web Token";
    const TWICE: &str = "a part of it is no JSON object, says something twice, or has more than 512 values";
    const ALGORITHM: &str = "its algorithm is not that of its key";
    const SIGNATURE: &str = "its signature is wrong";
    const KEY: &str = "its issuer has no key of this id";
    for (what, token, expected) in [
        // what is good
        ("ES256",                       good.clone(),                                            "sql"),
        ("EdDSA",                       ed.sign(claims()).unwrap(),                              "sql"),
        ("RS256",                       rsa.sign(claims()).unwrap(),                             "sql"),
        ("one of several audiences",    sign(claims().with_audiences(HashSet::from(["x", AUDIENCE]))), "sql"),
        ("expired, but the clocks may differ", unlike(|c| c.expires_at = stamp(-59)),            "sql"),
        ("valid soon, likewise",        unlike(|c| c.invalid_before = stamp(59)),                "sql"),
        ("without iat and nbf",         unlike(|c| (c.issued_at, c.invalid_before) = (None, None)), "sql"),
        // algorithms
        ("alg none",                    headed(&good, r#"{"alg":"none","kid":"ec"}"#),           ALGORITHM),
        ("alg none, unsigned",          format!("{}.{payload}.", part(r#"{"alg":"none","kid":"ec"}"#)), NO_TOKEN),
        ("alg NoNe",                    headed(&good, r#"{"alg":"NoNe","kid":"ec"}"#),           ALGORITHM),
        ("HS256 with the public point", by_hmac(&ec.public_key().public_key().to_bytes(), "ec"), ALGORITHM),
        ("HS256 with the public PEM",   by_hmac(pem.as_bytes(), "ec"),                           ALGORITHM),
        ("HS256 with the key set",      by_hmac(jwks.as_bytes(), "rsa"),                         ALGORITHM),
        ("ES256 by the name of an RSA key", headed(&good, r#"{"alg":"ES256","kid":"rsa"}"#),     ALGORITHM),
        ("RS256 by the name of an EC key", headed(&good, r#"{"alg":"RS256","kid":"ec"}"#),       ALGORITHM),
        ("PS256",                       headed(&good, r#"{"alg":"PS256","kid":"rsa"}"#),         ALGORITHM),
        ("no alg",                      headed(&good, r#"{"kid":"ec"}"#),                        "it is not a token as it should be"),
        // signatures
        ("another's key of this name",  signed(&stranger),                                       SIGNATURE),
        ("none",                        format!("{head}.{payload}."),                            NO_TOKEN),
        ("of zeros",                    format!("{head}.{payload}.{}", "A".repeat(86)),          SIGNATURE),
        ("cut",                         good.strip_suffix(signature.split_at(84).1).unwrap().to_string(),                      SIGNATURE),
        ("of other claims",             claiming(&whole("")),                                    SIGNATURE),
        ("of another header",           headed(&good, r#"{"alg":"ES256","kid":"ec","x":1}"#),    SIGNATURE),
        // keys
        ("no kid",                      headed(&good, r#"{"alg":"ES256"}"#),                     "it names no key"),
        ("a kid that is a number",      headed(&good, r#"{"alg":"ES256","kid":1}"#),             "it names no key"),
        ("a kid that is a list",        headed(&good, r#"{"alg":"ES256","kid":["ec"]}"#),        "it names no key"),
        ("an empty kid",                unknown(""),                                             KEY),
        ("an unknown kid",              unknown("new"),                                          KEY),
        ("a kid that is a path",        unknown("../../../../dev/null"),                         KEY),
        ("a kid that is SQL",           unknown("ec' OR '1'='1"),                                KEY),
        ("a kid in capitals",           unknown("EC"),                                           KEY),
        ("two kids",                    headed(&good, r#"{"alg":"ES256","kid":"ec","kid":"ed"}"#), TWICE),
        ("two kids, one escaped",       headed(&good, r#"{"alg":"ES256","kid":"ec","k\u0069d":"ed"}"#), TWICE),
        ("a key of its own",            telling(KeyMetadata::default().with_public_key(stranger.public_key().to_jwk())), "its header has `jwk`, which is not taken"),
        ("an address of keys",          telling(KeyMetadata::default().with_key_set_url("https://evil.example.com/keys")), "its header has `jku`, which is not taken"),
        ("an address of certificates",  telling(KeyMetadata::default().with_certificate_url("https://evil.example.com/x")), "its header has `x5u`, which is not taken"),
        ("a certificate",               headed(&good, r#"{"alg":"ES256","kid":"ec","x5c":["MII"]}"#), "its header has `x5c`, which is not taken"),
        ("crit",                        headed(&good, r#"{"alg":"ES256","kid":"ec","crit":["exp"]}"#), "its header has `crit`, which is not taken"),
        ("an empty crit",               headed(&good, r#"{"alg":"ES256","kid":"ec","crit":[]}"#), "its header has `crit`, which is not taken"),
        ("b64",                         headed(&good, r#"{"alg":"ES256","kid":"ec","b64":false}"#), "its header has `b64`, which is not taken"),
        // claims
        ("another issuer",              sign(claims().with_issuer(OTHER)),                       "the policy does not name its issuer"),
        ("the issuer with a slash",     sign(claims().with_issuer("https://issuer.example.com/")), "the policy does not name its issuer"),
        ("no issuer",                   unlike(|c| c.issuer = None),                             "the policy does not name its issuer"),
        ("another audience",            sign(claims().with_audience("api://other")),             "it is for another audience"),
        ("no audience",                 unlike(|c| c.audiences = None),                          "it is for another audience"),
        ("expired",                     unlike(|c| c.expires_at = stamp(-60)),                   "it has expired"),
        ("valid for ever",              unlike(|c| c.expires_at = FOREVER),                      "it does not say when it expires"),
        ("not valid yet",               unlike(|c| c.invalid_before = stamp(61)),                "it is not valid yet"),
        ("issued in the future",        unlike(|c| c.issued_at = stamp(61)),                     "it is not valid yet"),
        ("exp as text",                 claiming(r#"{"iss":"https://issuer.example.com","exp":"1800003600"}"#), "its times are not whole seconds before 2106"),
        ("exp beyond all numbers",      claiming(r#"{"iss":"https://issuer.example.com","exp":1e400}"#), TWICE),
        ("exp in another era",          claiming(r#"{"iss":"https://issuer.example.com","exp":18446744073709551615}"#), "its times are not whole seconds before 2106"),
        ("exp with a fraction",         claiming(r#"{"iss":"https://issuer.example.com","exp":1800003600.5}"#), "its times are not whole seconds before 2106"),
        ("exp below zero",              claiming(r#"{"iss":"https://issuer.example.com","exp":-1}"#), "its times are not whole seconds before 2106"),
        ("another subject",             sign(claims().with_subject("SQL")),                      "no client has the subject `SQL`, or claims that it has"),
        ("no subject",                  unlike(|c| c.subject = None),                            "no client has the subject ``, or claims that it has"),
        ("two subjects, both signed",   ec.sign(with(SecondSubject { subject: "root".into() })).unwrap(), TWICE),
        ("claims twice, escaped",       claiming(&whole(r#","\u0069ss":"x""#)),                  TWICE),
        ("claims twice, deep inside",   claiming(&whole(r#","x":{"a":1,"a":2}"#)),               TWICE),
        ("512 values",                  claiming(&listing(512)),                                 SIGNATURE),
        ("513 values",                  claiming(&listing(513)),                                 TWICE),
        ("513 values in the header",    headed(&good, &listing(513)),                            TWICE),
        ("claims that are a list",      claiming("[]"),                                          TWICE),
        ("claims nested too deep",      claiming(&whole(&deep)),                                 TWICE),
        // forms
        ("nothing",                     String::new(),                                           NO_TOKEN),
        ("one part",                    "x".to_string(),                                         NO_TOKEN),
        ("two parts",                   format!("{head}.{payload}"),                             NO_TOKEN),
        ("four parts",                  format!("{good}.{signature}"),                           NO_TOKEN),
        ("five, an encrypted one",      format!("{good}.{payload}.{signature}"),                 NO_TOKEN),
        ("padded",                      format!("{good}=="),                                     NO_TOKEN),
        ("a blank before it",           format!(" {good}"),                                      NO_TOKEN),
        ("a blank after it",            format!("{good} "),                                      NO_TOKEN),
        ("two, with a comma",           format!("{good},{good}"),                                NO_TOKEN),
        ("base64 of another alphabet",  format!("{head}.{payload}.+/{}", signature.split_at(2).1),       NO_TOKEN),
        ("other characters",            "\u{ff45}.\u{ff45}.\u{ff45}".to_string(),                NO_TOKEN),
        ("a header that is no JSON",    format!("{}.{tail}", part("x")),                         TWICE),
        ("more than 8 KiB",             format!("{good}{}", "A".repeat(8192)),                   "it is longer than 8 KiB"),
        ("8 KiB that hide in a header", headed(&good, &hidden),                                  "it is longer than 8 KiB"),
    ] {
        // In turn, so that none lives on another's account.
        let told = judge(&mut Logins::default(), &policy, &token, at(0));
        assert_eq!(told, expected, "{what}");
    }
}

#[test]
#[rustfmt::skip]
fn who_it_is_depends_on_issuer_audience_subject_and_claims() {
    #[derive(Clone, serde::Deserialize, Serialize)]
    struct Custom { tid: String, roles: Vec<String> }
    let (here, there) = (ES256KeyPair::generate().with_key_id("a"), ES256KeyPair::generate().with_key_id("a"));
    let (keys, others) = (written(&published(&[&here])), written(&published(&[&there])));
    let client = "serviceAccount: {namespace: d, name: reader}, roles: [r]";
    let token = |issuer: &str, audience: &str, who: &str, keys: &str| {
        format!("{{issuer: \"{issuer}\", audience: \"{audience}\", {who}{keys}}}")
    };
    let more = format!(
        ", {{name: other-issuer, tokens: [{}], {client}}}\
         , {{name: other-audience, tokens: [{}], {client}}}\
         , {{name: claimed, tokens: [{}], {client}}}\
         , {{name: claimed-twice, tokens: [{}], {client}}}",
        token(OTHER, AUDIENCE, "subject: sql, ", &others),
        token(ISSUER, "api://other", "subject: sql", ""),
        token(ISSUER, AUDIENCE, "claims: {tid: t, roles: reader}", ""),
        token(ISSUER, AUDIENCE, "claims: {tid: t, roles: writer}", ""),
    );
    let policy = policy(&of_sql(&keys), &more);
    let told = |pair: &ES256KeyPair, issuer: &str, audiences: &[&str], subject: &str, roles: &[&str]| {
        let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
        let claims = with(Custom { tid: "t".into(), roles })
            .with_issuer(issuer).with_subject(subject)
            .with_audiences(audiences.iter().map(ToString::to_string).collect::<HashSet<String>>());
        judge(&mut Logins::default(), &policy, &pair.sign(claims).unwrap(), at(0))
    };
    let nobody = "no client has the subject `x`, or claims that it has";
    let several = "it fits more than one client: make their `subject` or `claims` differ";
    for (pair, issuer, audiences, subject, roles, expected) in [
        (&here,  ISSUER, &[AUDIENCE][..],             "sql", &[][..],                 "sql"),
        (&there, OTHER,  &[AUDIENCE],                 "sql", &[],                     "other-issuer"),
        (&there, ISSUER, &[AUDIENCE],                 "sql", &[],                     "its signature is wrong"),
        (&here,  OTHER,  &[AUDIENCE],                 "sql", &[],                     "its signature is wrong"),
        (&here,  ISSUER, &["api://other"],            "sql", &[],                     "other-audience"),
        (&there, OTHER,  &["api://other"],            "sql", &[],                     "it is for another audience"),
        (&here,  ISSUER, &[AUDIENCE, "api://other"],  "sql", &[],                     several),
        (&here,  ISSUER, &[AUDIENCE],                 "x",   &["a", "reader"],        "claimed"),
        (&here,  ISSUER, &[AUDIENCE],                 "x",   &["a"],                  nobody),
        (&here,  ISSUER, &["api://other"],            "x",   &["reader"],             nobody),
        (&here,  ISSUER, &[AUDIENCE],                 "x",   &["reader", "writer"],   several),
        (&here,  ISSUER, &[AUDIENCE],                 "sql", &["reader"],             several),
    ] {
        assert_eq!(told(pair, issuer, audiences, subject, roles), expected, "{issuer} {audiences:?} {subject} {roles:?}");
    }
}

#[test]
fn a_stranger_costs_no_signature_and_one_who_knows_much_only_so_many() {
    let pair = ES256KeyPair::generate().with_key_id("a");
    let policy = policy(&of_sql(&written(&published(&[&pair]))), "");
    let mut logins = Logins::default();
    let known = signed(&pair);
    assert_eq!(judge(&mut logins, &policy, &known, at(0)), "sql");

    let mut expired = claims();
    expired.expires_at = stamp(-100);
    let unknown = ES256KeyPair::generate().with_key_id("b");
    for token in [
        pair.sign(claims().with_issuer(OTHER)).unwrap(),
        pair.sign(claims().with_audience("x")).unwrap(),
        pair.sign(expired).unwrap(),
        signed(&unknown),
        "a.b.c".to_string(),
    ] {
        for _ in 0..1000 {
            assert_ne!(judge(&mut logins, &policy, &token, at(0)), "sql");
        }
    }
    let (head, _) = known.rsplit_once('.').unwrap();
    let number = Cell::new(0_u64);
    let forged = || {
        number.set(number.get() + 1);
        let signature = [[1; 56].as_slice(), &number.get().to_be_bytes()].concat();
        format!("{head}.{}", Base64UrlUnpadded::encode_string(&signature))
    };
    let again = forged();
    let mut refusals = HashMap::<String, u32>::new();
    for token in
        core::iter::repeat_with(forged).take(300).chain((0..300).map(|_| again.clone()))
    {
        *refusals.entry(judge(&mut logins, &policy, &token, at(0))).or_default() += 1;
    }
    // The first one was good, and `again` came too late to be checked.
    assert_eq!(refusals["its signature is wrong"], budget::MOST - 1);
    assert_eq!(refusals["too many new tokens are to be checked"], 600 - (budget::MOST - 1));
    // Who is known does not suffer, nor anybody a second later.
    assert_eq!(judge(&mut logins, &policy, &known, at(0)), "sql");
    for _ in 0..300 {
        assert_eq!(judge(&mut logins, &policy, &again, at(1)), "its signature is wrong");
    }
    assert_eq!(judge(&mut logins, &policy, &signed(&pair), at(1)), "sql");
}

#[test]
fn a_token_is_remembered_until_it_expires_while_its_key_is_the_same() {
    let pair = ES256KeyPair::generate().with_key_id("a");
    let policies = [0, 1].map(|_| policy(&of_sql(&written(&published(&[&pair]))), ""));
    let other = ES256KeyPair::generate().with_key_id("a");
    let changed = policy(&of_sql(&written(&published(&[&other]))), "");
    let mut logins = Logins::default();
    let token = signed(&pair);
    let mut story = |policy: &Policy, second: u64| {
        let told = judge(&mut logins, policy, &token, at(second));
        (told, logins.take_verified())
    };
    let known = |verified| ("sql".to_string(), verified);
    assert_eq!(story(&policies[0], 0), known(1));
    assert_eq!(story(&policies[0], 3659), known(0));
    assert_eq!(story(&policies[0], 3660), ("it has expired".to_string(), 0));
    assert_eq!(story(&policies[1], 10), known(0));
    assert_eq!(story(&changed, 10), ("its signature is wrong".to_string(), 0));
}

#[test]
fn a_token_ends_by_the_wall_clock_of_a_machine_that_slept() {
    let pair = ES256KeyPair::generate().with_key_id("a");
    let policy = policy(&of_sql(&written(&published(&[&pair]))), "");
    let (mut logins, token) = (Logins::default(), signed(&pair));
    assert_eq!(judge(&mut logins, &policy, &token, at(0)), "sql");
    let woken = Now { wall: at(100_000).wall, ..at(5) };
    assert_eq!(judge(&mut logins, &policy, &token, woken), "it has expired");
}

#[test]
fn a_stranger_without_a_subject_of_the_policy_costs_others_nothing() {
    let pair = ES256KeyPair::generate().with_key_id("a");
    let policy = policy(&of_sql(&written(&published(&[&pair]))), "");
    let mut logins = Logins::default();
    let head = part(r#"{"alg":"none","kid":"a"}"#);
    for n in 0..1000 {
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": format!("nobody{n}"), "exp": START + 3600});
        let forged = format!("{head}.{}.AAAA", part(&claims.to_string()));
        assert_eq!(
            judge(&mut logins, &policy, &forged, at(0)),
            format!("no client has the subject `nobody{n}`, or claims that it has")
        );
    }
    assert_eq!(judge(&mut logins, &policy, &signed(&pair), at(0)), "sql");
}

#[test]
fn whoever_was_known_is_known_after_a_change_of_the_policy() {
    let pair = ES256KeyPair::generate().with_key_id("a");
    let policies = [0, 1].map(|_| policy(&of_sql(&written(&published(&[&pair]))), ""));
    let mut logins = Logins::default();
    let tokens: Vec<String> = (0..300).map(|_| signed(&pair)).collect();
    for (second, some) in tokens.chunks(40).enumerate() {
        for token in some {
            assert_eq!(judge(&mut logins, &policies[0], token, at(second as u64)), "sql");
        }
    }
    logins.policy_loaded(&policies[1]);
    for token in &tokens {
        assert_eq!(judge(&mut logins, &policies[1], token, at(20)), "sql");
    }
}

#[test]
fn each_issuer_has_a_slot_of_its_own() {
    let of = |issuer: &str, cluster: &str| {
        format!(
            "{{issuer: \"{issuer}\", audience: x, subject: a, jwksUri: \"https://k.example/keys\", cluster: \"{cluster}\"}}"
        )
    };
    let tokens = [of("https://a.example", "t/idp"), of("https://a.example/t", "idp")];
    let policy = policy(&tokens.join(", "), "");
    let slots: BTreeSet<String> =
        policy.issuers.remotes().map(|own| own.shared_key()).collect();
    assert_eq!(slots.len(), 2);
}

/// A worker, an issuer that publishes keys, and who calls.
struct Desk {
    worker: Worker,
    policy: Policy,
    memory: Unshared,
    now: Now,
    keys: Answer,
    fetched: usize,
    notices: Vec<String>,
    resent: Vec<Vec<(&'static str, String)>>,
    verdicts: Vec<Verdict<'static>>,
}

impl Desk {
    fn new() -> Self {
        Self {
            worker: Worker::default(),
            policy: policy(&of_sql(REMOTE), ""),
            memory: Unshared::default(),
            now: at(0),
            keys: Answer::None,
            fetched: 0,
            notices: Vec::new(),
            resent: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    fn publishes(&mut self, pairs: &[&ES256KeyPair]) {
        self.keys = answer("200", published(pairs).as_bytes());
    }

    fn tick(&mut self, second: u64) {
        self.now = at(second);
        let effects = self.worker.tick(&self.policy, &self.memory, self.now);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Notice(notice) => self.notices.push(notice.to_string()),
                Effect::Resume { verdict, .. } => self.verdicts.push(verdict),
                Effect::Policy(_) | Effect::PolicyRefused => panic!("it is no live policy"),
                Effect::Call(call) => {
                    let answer = match &call.purpose {
                        Purpose::IssuerKeys { .. } => {
                            assert_eq!(call.upstream, Upstream::Named("issuer".into()));
                            assert!(
                                call.headers
                                    .0
                                    .contains(&(":authority", "issuer.example.com".into()))
                            );
                            assert!(call.headers.0.contains(&(":path", "/keys?v=2".into())));
                            assert!(
                                call.headers.0.iter().all(|(name, _)| *name != "authorization")
                            );
                            self.fetched += 1;
                            self.keys.clone()
                        }
                        Purpose::Token(_) => {
                            let now = self.now.wall.as_secs();
                            minted("system:serviceaccount:d:reader", now, now + 600)
                        }
                        Purpose::Resend { .. } => {
                            self.resent.push(call.headers.0);
                            continue;
                        }
                        _ => Answer::None,
                    };
                    let Self { worker, policy, memory, now, .. } = self;
                    let effects = worker.answered(policy, call.purpose, &answer, memory, *now);
                    self.carry_out(effects);
                }
            }
        }
    }

    fn judge<'a>(&mut self, headers: &'a HeaderList, second: u64) -> Verdict<'a> {
        self.now = at(second);
        let arrival = Arrival { headers, body: Body::Empty, source: None };
        let verdict = self.worker.request(&self.policy, 1, &arrival, &self.memory, self.now);
        verdict.unwrap_or_else(|| {
            self.tick(second);
            self.verdicts.pop().expect("it has been resumed")
        })
    }

    fn told(&mut self, token: &str, second: u64) -> String {
        told(&self.judge(&list(token), second))
    }
}

fn list(token: &str) -> HeaderList {
    let bearer = format!("Bearer {token}");
    HeaderList::of(&[
        (":method", "GET"),
        (":path", "/api/v1/namespaces/d/pods"),
        ("authorization", &bearer),
    ])
}

const NO_KEYS: &str = "503 a token of https://issuer.example.com is not accepted: the issuer's keys are not here, or may have changed";
const NO_KEY: &str = "401 a token of https://issuer.example.com is not accepted: its issuer has no key of this id";

#[test]
fn keys_are_there_before_the_first_token_and_last_while_the_issuer_is_away() {
    let pair = ES256KeyPair::generate().with_key_id("a");
    let mut desk = Desk::new();
    assert_eq!(desk.told(&signed(&pair), 0), NO_KEYS);
    desk.tick(0);
    let sentence = "the keys of https://issuer.example.com, at https://issuer.example.com/keys?v=2, cannot be had: nothing answered: look whether Envoy has the cluster `issuer`, and whether it leads there";
    assert!(desk.notices.iter().any(|notice| notice == sentence), "{:?}", desk.notices);
    assert_eq!(desk.told(&signed(&pair), 0), NO_KEYS);
    desk.publishes(&[&pair]);
    desk.tick(2);
    assert_eq!((desk.told(&signed(&pair), 2), desk.fetched), ("allowed".to_string(), 2));
    // Fetched again after five minutes, in vain for an hour.
    desk.keys = answer("503", b"upstream connect error");
    for second in 3..3600 {
        desk.tick(second);
    }
    assert!(desk.fetched > 3, "{}", desk.fetched);
    assert_eq!(desk.told(&signed(&pair), 3600), "allowed");
    // Nothing but keys is taken for keys.
    for bad in ["{}", r#"{"keys":[]}"#, "<html>"] {
        desk.keys = answer("200", bad.as_bytes());
        for second in 3600..3700 {
            desk.tick(second);
        }
        assert_eq!(desk.told(&signed(&pair), 3640), "allowed", "{bad}");
    }
    for status in ["302", "404"] {
        desk.keys = answer(status, published(&[&pair]).as_bytes());
        desk.tick(3800);
        assert!(desk.worker.logins.keys.values().all(|own| !own.is_fresh(at(3800).steady)));
    }
}

#[test]
fn a_new_key_is_found_at_once_and_an_unknown_one_costs_a_fetch_in_ten_seconds() {
    let (old, new) = (["old", "new"].map(|id| ES256KeyPair::generate().with_key_id(id))).into();
    let stranger = ES256KeyPair::generate().with_key_id("x");
    let mut desk = Desk::new();
    desk.publishes(&[&old]);
    desk.tick(0);
    assert_eq!(desk.told(&signed(&old), 0), "allowed");
    // Within the floor the keys are as new as can be.
    assert_eq!((desk.told(&signed(&new), 5), desk.fetched), (NO_KEY.to_string(), 1));
    desk.publishes(&[&old, &new]);
    assert_eq!(desk.told(&signed(&new), 11), NO_KEYS);
    desk.tick(11);
    assert_eq!((desk.told(&signed(&new), 11), desk.fetched), ("allowed".to_string(), 2));
    for second in 11..111 {
        let told = desk.told(&signed(&stranger), second);
        assert!([NO_KEY, NO_KEYS].contains(&&*told), "{told}");
        desk.tick(second);
    }
    assert_eq!(desk.fetched, 11);
    assert_eq!(desk.told(&signed(&old), 111), "allowed");
}

#[test]
fn a_key_that_is_taken_back_takes_its_tokens_with_it() {
    let (old, new) = (["old", "new"].map(|id| ES256KeyPair::generate().with_key_id(id))).into();
    let mut desk = Desk::new();
    desk.publishes(&[&old, &new]);
    desk.tick(0);
    let token = signed(&old);
    assert_eq!(desk.told(&token, 0), "allowed");
    // The same keys again cost no signature.
    desk.tick(301);
    assert_eq!((desk.told(&token, 301), desk.fetched), ("allowed".to_string(), 2));
    assert_eq!(desk.worker.logins.take_verified(), 1);
    desk.publishes(&[&new]);
    desk.tick(602);
    assert_eq!((desk.told(&token, 602), desk.fetched), (NO_KEY.to_string(), 3));
    // Another one of the same name is another one.
    let other = ES256KeyPair::generate().with_key_id("old");
    desk.publishes(&[&other]);
    desk.tick(903);
    let wrong =
        "401 a token of https://issuer.example.com is not accepted: its signature is wrong";
    assert_eq!(desk.told(&token, 903), wrong);
}

#[test]
fn what_one_worker_fetched_serves_the_others() {
    let pair = ES256KeyPair::generate().with_key_id("a");
    let mut desk = Desk::new();
    desk.publishes(&[&pair]);
    desk.tick(0);
    desk.worker = Worker::default();
    desk.tick(1);
    assert_eq!((desk.told(&signed(&pair), 1), desk.fetched), ("allowed".to_string(), 1));
}

#[test]
fn a_stranger_learns_nothing_and_a_token_goes_nowhere() {
    let pair = ES256KeyPair::generate().with_key_id("a");
    let mut desk = Desk::new();
    desk.publishes(&[&pair]);
    desk.tick(0);
    let key = HeaderList::of(&[(":method", "GET"), (":path", "/api"), ("x-api-key", "wrong")]);
    let body = |verdict: Verdict<'_>| {
        let Verdict::Refuse(refused) = verdict else { panic!("{verdict:?}") };
        let reply = refused.refusal.reply();
        (reply.code, reply.headers, reply.body)
    };
    let wrong_key = body(desk.judge(&key, 0));
    let forged = ES256KeyPair::generate().with_key_id("a");
    for token in [
        "a.b.c".to_string(),
        signed(&forged),
        pair.sign(claims().with_audience("x")).unwrap(),
        pair.sign(claims().with_subject("x")).unwrap(),
    ] {
        assert_eq!(body(desk.judge(&list(&token), 0)), wrong_key);
    }
    let token = signed(&pair);
    let headers = list(&token);
    let Verdict::Forward(forward) = desk.judge(&headers, 0) else { panic!() };
    let is_token = |value: &[u8]| String::from_utf8_lossy(value).contains(&token);
    assert!(forward.headers().iter().all(|(_, value)| !is_token(value)));
    assert!(forward.headers().get("authorization").is_some());

    // A 401 of the apiserver's: judged again, and sent with another token of the account.
    let sent = forward.sent().clone();
    desk.now = at(20);
    let original = Original { headers: headers.clone(), body: Vec::new() };
    let Desk { worker, policy, now, .. } = &mut desk;
    assert!(worker.unauthorized(policy, 1, &sent, Some(original), *now).is_none());
    desk.tick(20);
    let resent = desk.resent.pop().unwrap();
    assert!(resent.iter().all(|(_, value)| !is_token(value.as_bytes())));
    assert!(desk.notices.iter().all(|notice| !is_token(notice.as_bytes())));
}

#[test]
fn logins_are_counted_by_their_outcome() {
    let pair = ES256KeyPair::generate().with_key_id("a");
    let mut desk = Desk::new();
    desk.publishes(&[&pair]);
    desk.tick(0);
    let token = signed(&pair);
    for _ in 0..3 {
        desk.told(&token, 0);
        desk.told("a.b.c", 0);
    }
    let samples = desk.worker.samples(at(2));
    let count =
        |name: &str| samples.iter().find(|sample| sample.name == name).map(|s| s.change);
    use crate::worker::metrics::Change::Add;
    assert_eq!(count("keyhole_logins_verified_total"), Some(Add(1)));
    assert_eq!(count("keyhole_logins_refused_total.cause.malformed"), Some(Add(3)));
    assert_eq!(count("keyhole_issuer_keys_fetched_total"), Some(Add(1)));
    let unauthorized =
        "keyhole_decisions_total.client.unknown.verb.unknown.outcome.unauthorized";
    assert_eq!(count(unauthorized), Some(Add(3)));
}
