//! Asking for a ServiceAccount token, and believing the answer.
//!
//! The TokenRequest API: `POST .../serviceaccounts/{name}/token` answers 201 with
//! `status.token`. Anything else did not happen.

pub(crate) mod claims;
pub(crate) mod keys;
#[cfg_attr(target_os = "unknown", path = "token/no_signature.rs")]
mod signature;
pub(crate) mod tokens;
pub(crate) mod waiting;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::pod::failure::Failure;
use crate::pod::lifecycle::Lasting;
use crate::policy::account::Account;
use crate::time::{Now, Steady, UnixTime, part_of};
use crate::token::claims::{Claims, Expected};
use crate::token::keys::Keys;

/// A token is not sent in the last seconds of its life: a body may follow its head
/// by `request_timeout` (60 s in envoy/bootstrap.yaml), and an answer takes a while.
pub(crate) const LEEWAY: Duration = Duration::from_secs(75);

/// A bearer token that is known to belong to one account.
///
/// Its times are on the steady clock, so that a clock which is set, or was wrong,
/// neither lengthens its life nor ends it.
#[derive(Clone, Deserialize, Serialize)]
pub struct Token {
    secret: String,
    pub(crate) renew_at: Steady,
    pub(crate) ends_at: Steady,
}

/// How tokens are checked before they are used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Verification {
    /// The cluster does not let the gateway read its signing keys.
    ClaimsOnly,
    #[default]
    Signature,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestBody<'a> {
    kind: &'static str,
    api_version: &'static str,
    spec: RequestSpec<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestSpec<'a> {
    audiences: &'a [String],
    expiration_seconds: u64,
}

#[derive(Deserialize)]
struct AnswerBody {
    spec: AnswerSpec,
    status: AnswerStatus,
}

#[derive(Deserialize)]
struct AnswerSpec {
    audiences: Vec<String>,
}

#[derive(Deserialize)]
struct AnswerStatus {
    token: String,
}

// === impl Token ===

impl Token {
    /// The value of the `authorization` header.
    pub(crate) fn bearer(&self) -> String {
        ["Bearer ", &self.secret].concat()
    }

    /// Reads the answer to `account`'s TokenRequest; `keys` are those to check its
    /// signature with, unless only its claims are to be checked.
    ///
    /// # Errors
    ///
    /// There is no token in it that can be sent as this account, now.
    pub(crate) fn read(
        answer: &Answer,
        account: &Account,
        keys: Option<&Keys>,
        now: Now,
    ) -> Result<Self, Failure> {
        if answer.status() != Some(201) {
            return Err(Failure::of(answer));
        }
        let Some(AnswerBody { spec, status }) = answer.json() else {
            return Err(Failure::malformed("there is no `status.token` in it"));
        };
        // The apiserver says which audiences it gave where none were asked for.
        let audiences = match &account.audiences[..] {
            [] => &spec.audiences,
            asked => asked,
        };
        let server = answer.date().unwrap_or(now.wall);
        let subject = account.subject();
        let expected = Expected { subject: &subject, audiences, server };
        let claims = match keys {
            Some(keys) => keys.verify(&status.token, &expected)?,
            None => Claims::unverified(&status.token, &expected)?,
        };
        Self::new(status.token, &claims, server, now)
    }

    /// The life is what the apiserver says that is left of it: at least by its own
    /// clock, and not more than the token was made for.
    fn new(
        secret: String,
        claims: &Claims,
        server: UnixTime,
        now: Now,
    ) -> Result<Self, Failure> {
        let life = claims.issued.until(claims.expires).min(server.until(claims.expires));
        let Some(usable) = life.checked_sub(LEEWAY).filter(|usable| !usable.is_zero()) else {
            return Err(Failure::Unverified("it has expired, or is about to".to_string()));
        };
        let renewal = renewal(life, now.jitter).min(usable);
        let (renew_at, ends_at) = (now.steady.after(renewal), now.steady.after(usable));
        Ok(Self { secret, renew_at, ends_at })
    }
}

impl Lasting for Token {
    fn renew_at(&self) -> Option<Steady> {
        Some(self.renew_at)
    }

    fn ends_at(&self) -> Option<Steady> {
        Some(self.ends_at)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("ends_at", &self.ends_at).finish_non_exhaustive()
    }
}

/// When to ask for the next one: at 80 % of the life, as the kubelet does
/// (`requiresRefresh` in `pkg/kubelet/token/token_manager.go`), less up to 10 s so
/// that many gateways do not ask at once.
fn renewal(life: Duration, jitter: u64) -> Duration {
    let sooner = part_of(Duration::from_secs(10), jitter);
    life.saturating_mul(4).checked_div(5).unwrap_or(life).saturating_sub(sooner)
}

/// The path and the body of `account`'s TokenRequest.
pub(crate) fn request(account: &Account) -> (String, Vec<u8>) {
    let Account { namespace, name, expiration, audiences } = account;
    let body = RequestBody {
        kind: "TokenRequest",
        api_version: "authentication.k8s.io/v1",
        spec: RequestSpec { audiences, expiration_seconds: expiration.as_secs() },
    };
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    (path, serde_json::to_vec(&body).unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::answer::tests::{answer, with_header};

    const SUBJECT: &str = "system:serviceaccount:default:reader";

    pub(crate) fn account(name: &str) -> Account {
        Account {
            namespace: String::from("default"),
            name: String::from(name),
            expiration: Duration::from_secs(600),
            audiences: Vec::new(),
        }
    }

    /// This many seconds after both clocks' start.
    pub(crate) fn at(seconds: u64) -> Now {
        let (wall, steady) =
            (UnixTime::from_secs(seconds), Steady::from_millis(seconds * 1000));
        Now { wall, steady, jitter: 0 }
    }

    /// An unsigned token with these claims.
    pub(crate) fn jwt(claims: &str) -> String {
        use base64ct::{Base64UrlUnpadded, Encoding};
        format!("h.{}.s", Base64UrlUnpadded::encode_string(claims.as_bytes()))
    }

    /// The answer with a token.
    pub(crate) fn created(token: &str) -> Answer {
        let body =
            format!(r#"{{"spec":{{"audiences":["api"]}},"status":{{"token":"{token}"}}}}"#);
        answer("201", body.as_bytes())
    }

    /// The answer with a token of `subject` that lives from `iat` to `exp`.
    pub(crate) fn minted(subject: &str, iat: u64, exp: u64) -> Answer {
        let claims = format!(
            r#"{{"sub":"{subject}","aud":["api"],"iat":{iat},"nbf":{iat},"exp":{exp}}}"#
        );
        created(&jwt(&claims))
    }

    fn read(answer: &Answer, now: Now) -> Result<Token, Failure> {
        Token::read(answer, &account("reader"), None, now)
    }

    #[test]
    #[rustfmt::skip]
    fn only_a_valid_token_of_the_account_is_believed() {
        let malformed = |why| Some(Failure::malformed(why));
        let unverified = |why: &str| Some(Failure::Unverified(why.to_string()));
        let audience = |aud| created(&jwt(&format!(r#"{{"sub":"{SUBJECT}","aud":[{aud}],"iat":1000,"nbf":1000,"exp":1600}}"#)));
        for (answer, expected) in [
            (minted(SUBJECT, 1000, 1600),                                 None),
            (audience(r#""other","api""#),                                None),
            (audience(r#""other""#),                                      unverified("it is for another audience")),
            (audience(""),                                                unverified("it is for another audience")),
            (minted("system:serviceaccount:default:other", 1000, 1600),   unverified("its subject is another account")),
            (minted("system:serviceaccount:other:reader", 1000, 1600),    unverified("its subject is another account")),
            (minted("admin", 1000, 1600),                                 unverified("its subject is another account")),
            (minted(SUBJECT, 100, 1000),                                  unverified("it has expired")),
            (minted(SUBJECT, 100, 1001),                                  unverified("it has expired, or is about to")),
            (minted(SUBJECT, 100, 1075),                                  unverified("it has expired, or is about to")),
            (minted(SUBJECT, 1061, 2000),                                 unverified("it is not valid yet")),
            (answer("200", minted(SUBJECT, 1000, 1600).body()),           Some(Failure::Refused { status: 200, message: "which is not the answer to this".to_string(), retry_after: None })),
            (answer("201", b""),                                          malformed("there is no `status.token` in it")),
            (answer("201", b"{}"),                                        malformed("there is no `status.token` in it")),
            (created(""),                                                 malformed("the token is not a JWT")),
            (created("a.b"),                                              malformed("the token is not a JWT")),
            (created("h.e30.s"),                                          malformed("the token is not a JWT")),
            (created(r"a\r\nx: y"),                                       malformed("the token is not a JWT")),
            (Answer::None,                                                Some(Failure::NoAnswer)),
        ] {
            assert_eq!(read(&answer, at(1000)).err(), expected, "{}", answer.body().escape_ascii());
        }
    }

    #[test]
    fn a_token_is_renewed_at_80_percent_of_its_life_and_not_sent_in_its_last_seconds() {
        let token = read(&minted(SUBJECT, 1000, 1600), at(1000)).unwrap();
        assert_eq!(token.renew_at, Steady::from_millis(1_480_000));
        assert_eq!(token.ends_at, Steady::from_millis(1_525_000));
        let jittery = Now { jitter: 9_999, ..at(1000) };
        let token = read(&minted(SUBJECT, 1000, 1600), jittery).unwrap();
        assert_eq!(token.renew_at, Steady::from_millis(1_470_001));
    }

    #[test]
    fn this_machines_clock_does_not_change_the_life() {
        // Nine hours off, on either side; the apiserver says what time it is.
        let date = "Thu, 01 Jan 1970 09:16:40 GMT";
        let answer = with_header(minted(SUBJECT, 33_400, 34_000), "date", date);
        for wall in [1000, 33_400, 66_000] {
            let now = Now { wall: UnixTime::from_secs(wall), ..at(1000) };
            let token = read(&answer, now).unwrap();
            assert_eq!(token.ends_at, Steady::from_millis(1_525_000), "{wall}");
        }
    }

    #[test]
    fn a_token_request_asks_for_the_accounts_life_and_audiences() {
        let mut account = account("reader");
        account.audiences.push(String::from("vault"));
        let (path, body) = request(&account);
        assert_eq!(path, "/api/v1/namespaces/default/serviceaccounts/reader/token");
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{"audiences":["vault"],"expirationSeconds":600}}"#
        );
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = read(&minted(SUBJECT, 1000, 1600), at(1000)).unwrap();
        assert!(!format!("{token:?}").contains(&token.secret));
    }
}
