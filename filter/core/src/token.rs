//! Asking for a ServiceAccount token, and believing the answer.
//!
//! The TokenRequest API: `POST .../serviceaccounts/{name}/token` answers 201 with
//! `status.token`. Anything else did not happen.

pub(crate) mod tokens;
pub(crate) mod waiting;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use crate::policy::account::Account;
use crate::time::UnixTime;

/// A token is not sent in the last seconds of its life: a body may follow its head
/// by `request_timeout` (60 s in envoy/bootstrap.yaml), and clocks differ.
pub(crate) const LEEWAY: Duration = Duration::from_secs(75);

/// Longer answers are not read; the apiserver's have about 2 KiB.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A bearer token that is known to belong to one account.
#[derive(Clone)]
pub struct Token {
    secret: String,
    issued: UnixTime,
    expires: UnixTime,
}

/// The request that asks for a token, for the host to send.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub account: Account,
    pub path: String,
    pub body: Vec<u8>,
}

/// What came back, as far as the host could read it.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The connection failed or timed out.
    None,
    Some {
        status: &'a [u8],
        body: &'a [u8],
    },
}

/// Why there is no token. `Display` names what a platform engineer can mend.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenFailure {
    #[error("the apiserver's answer is not a TokenRequest with a token: {0}")]
    Malformed(&'static str),
    #[error(
        "nothing answered in time: look whether the apiserver runs, and whether the gateway's own token and CA files are there"
    )]
    NoAnswer,
    #[error("asking for it was answered {status}: {message}: {advice}", advice = advice(*.status))]
    Refused { status: u16, message: String },
    #[error("the apiserver gave a token of another account, or one that is not valid now")]
    WrongToken,
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
    status: AnswerStatus,
}

#[derive(Deserialize)]
struct AnswerStatus {
    token: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

/// The claims that are checked; the others are the apiserver's business.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: u64,
    exp: u64,
}

// === impl Token ===

impl Token {
    /// The value of the `authorization` header.
    pub(crate) fn bearer(&self) -> String {
        ["Bearer ", &self.secret].concat()
    }

    pub(crate) fn is_valid(&self, now: UnixTime) -> bool {
        now < self.expires.before(LEEWAY)
    }

    /// When to ask for the next one: at 80 % of the life, as the kubelet does
    /// (`requiresRefresh` in `pkg/kubelet/token/token_manager.go`), less up to
    /// 10 s so that many gateways do not ask at once. `jitter` is any number.
    pub(crate) fn refresh_at(&self, jitter: u64) -> UnixTime {
        let life = self.issued.until(self.expires);
        let jitter = Duration::from_millis(jitter.checked_rem(10_000).unwrap_or(0));
        self.issued.after(life.saturating_mul(4).checked_div(5).unwrap_or(life)).before(jitter)
    }

    pub(crate) fn issued(&self) -> UnixTime {
        self.issued
    }

    fn read(secret: String, account: &Account, now: UnixTime) -> Result<Self, TokenFailure> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !secret.bytes().all(is_token) {
            return Err(TokenFailure::Malformed("the token is not a JWT"));
        }
        let claims =
            claims(&secret).ok_or(TokenFailure::Malformed("the token is not a JWT"))?;
        let issued = UnixTime::from_secs(claims.iat);
        let expires = UnixTime::from_secs(claims.exp);
        // A clock that runs behind the apiserver's must not lengthen the life.
        let token = Self {
            secret,
            issued: issued.min(now),
            expires: expires.min(now.after(issued.until(expires))),
        };
        match claims.sub == account.subject() && token.is_valid(now) {
            true => Ok(token),
            false => Err(TokenFailure::WrongToken),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires", &self.expires).finish_non_exhaustive()
    }
}

fn claims(jwt: &str) -> Option<Claims> {
    let mut parts = jwt.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let payload = Base64UrlUnpadded::decode_vec(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}

// === impl TokenRequest ===

impl TokenRequest {
    pub(crate) fn new(account: &Account) -> Self {
        let body = RequestBody {
            kind: "TokenRequest",
            api_version: "authentication.k8s.io/v1",
            spec: RequestSpec {
                audiences: &account.audiences,
                expiration_seconds: account.expiration.as_secs(),
            },
        };
        Self {
            account: account.clone(),
            path: format!(
                "/api/v1/namespaces/{}/serviceaccounts/{}/token",
                account.namespace, account.name
            ),
            body: serde_json::to_vec(&body).unwrap_or_default(),
        }
    }
}

/// The token in an answer to `account`'s request.
pub(crate) fn read_answer(
    account: &Account,
    answer: Answer<'_>,
    now: UnixTime,
) -> Result<Token, TokenFailure> {
    let Answer::Some { status, body } = answer else { return Err(TokenFailure::NoAnswer) };
    if status != b"201" {
        return Err(refused(status, body));
    }
    match serde_json::from_slice::<AnswerBody>(body) {
        Ok(answer) => Token::read(answer.status.token, account, now),
        Err(_) => Err(TokenFailure::Malformed("there is no `status.token` in it")),
    }
}

fn refused(status: &[u8], body: &[u8]) -> TokenFailure {
    let Some(status) = str::from_utf8(status).ok().and_then(|text| text.parse().ok()) else {
        return TokenFailure::Malformed("it has no status code");
    };
    let message = match serde_json::from_slice::<ErrorBody>(body) {
        // Only an error is quoted: whatever else came may contain a token.
        _ if status < 400 => "which is not 201".to_string(),
        Ok(error) => error.message,
        Err(_) => excerpt(body),
    };
    TokenFailure::Refused { status, message }
}

/// What Envoy says when it answers in the apiserver's place.
fn excerpt(body: &[u8]) -> String {
    let printable = body.iter().filter(|byte| matches!(byte, b' '..=b'~'));
    match printable.take(200).map(|byte| char::from(*byte)).collect::<String>() {
        text if text.is_empty() => "without a reason".to_string(),
        text => text,
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => "look whether the gateway's own token file is there and valid",
        403 => "allow the gateway's account to create serviceaccounts/token for this one",
        404 => "create the ServiceAccount, or correct the client's `serviceAccount`",
        422 => "correct the client's `expirationSeconds` or `audiences`",
        503 => {
            "look whether the apiserver runs, and whether its certificate chains to the CA file"
        }
        _ => "look at the apiserver's log",
    }
}

// === impl TokenFailure ===

impl TokenFailure {
    /// Seconds after which asking again may help.
    pub(crate) fn retry_after(&self) -> u32 {
        match self {
            Self::NoAnswer => 2,
            Self::Refused { status: 500.., .. } => 2,
            Self::Refused { .. } | Self::Malformed(_) | Self::WrongToken => 10,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1000);

    pub(crate) fn account(name: &str) -> Account {
        Account {
            namespace: String::from("default"),
            name: String::from(name),
            expiration: Duration::from_secs(600),
            audiences: Vec::new(),
        }
    }

    /// The body of a 201 with a token of `subject` that lives from `iat` to `exp`.
    pub(crate) fn minted(subject: &str, iat: u64, exp: u64) -> Vec<u8> {
        let claims = format!(r#"{{"sub":"{subject}","iat":{iat},"exp":{exp}}}"#);
        let payload = Base64UrlUnpadded::encode_string(claims.as_bytes());
        format!(r#"{{"status":{{"token":"h.{payload}.s"}}}}"#).into_bytes()
    }

    #[test]
    #[rustfmt::skip]
    fn only_a_valid_token_of_the_account_is_believed() {
        const SUBJECT: &str = "system:serviceaccount:default:reader";
        let malformed = |why| Some(TokenFailure::Malformed(why));
        let wrong = Some(TokenFailure::WrongToken);
        for (status, body, expected) in [
            ("201", minted(SUBJECT, 1000, 1600),                                 None),
            ("201", minted("system:serviceaccount:default:other", 1000, 1600),   wrong.clone()),
            ("201", minted("system:serviceaccount:other:reader", 1000, 1600),    wrong.clone()),
            ("201", minted("admin", 1000, 1600),                                 wrong.clone()),
            ("201", minted(SUBJECT, 100, 1000),                                  wrong.clone()),
            ("201", minted(SUBJECT, 100, 1075),                                  wrong),
            ("200", minted(SUBJECT, 1000, 1600),                                 Some(TokenFailure::Refused { status: 200, message: "which is not 201".to_string() })),
            ("201", b"".to_vec(),                                                malformed("there is no `status.token` in it")),
            ("201", b"{}".to_vec(),                                              malformed("there is no `status.token` in it")),
            ("201", br#"{"status":{"token":""}}"#.to_vec(),                      malformed("the token is not a JWT")),
            ("201", br#"{"status":{"token":"a.b"}}"#.to_vec(),                   malformed("the token is not a JWT")),
            ("201", br#"{"status":{"token":"h.e30.s"}}"#.to_vec(),               malformed("the token is not a JWT")),
            ("201", br#"{"status":{"token":"a\r\nx: y"}}"#.to_vec(),             malformed("the token is not a JWT")),
            ("503", b"connect\r\nerror".to_vec(),                                Some(TokenFailure::Refused { status: 503, message: "connecterror".to_string() })),
            ("404", br#"{"message":"gone"}"#.to_vec(),                           Some(TokenFailure::Refused { status: 404, message: "gone".to_string() })),
            ("",    b"".to_vec(),                                                malformed("it has no status code")),
        ] {
            let answer = Answer::Some { status: status.as_bytes(), body: &body };
            let failure = read_answer(&account("reader"), answer, NOW).err();
            assert_eq!(failure, expected, "{status} {}", body.escape_ascii());
        }
        assert_eq!(read_answer(&account("reader"), Answer::None, NOW).err(), Some(TokenFailure::NoAnswer));
    }

    #[test]
    fn a_token_is_renewed_at_80_percent_of_its_life() {
        let body = minted("system:serviceaccount:default:reader", 1000, 1600);
        let answer = Answer::Some { status: b"201", body: &body };
        let token = read_answer(&account("reader"), answer, NOW).unwrap();
        assert_eq!(token.refresh_at(0), UnixTime::from_secs(1480));
        assert_eq!(token.refresh_at(9_999), UnixTime::from_millis(1_470_001));
        assert!(token.is_valid(UnixTime::from_secs(1524)));
        assert!(!token.is_valid(UnixTime::from_secs(1525)));
    }

    #[test]
    fn a_clock_that_runs_behind_does_not_lengthen_the_life() {
        let body = minted("system:serviceaccount:default:reader", 1300, 1900);
        let answer = Answer::Some { status: b"201", body: &body };
        let token = read_answer(&account("reader"), answer, NOW).unwrap();
        assert_eq!(token.refresh_at(0), UnixTime::from_secs(1480));
        assert!(!token.is_valid(UnixTime::from_secs(1525)));
    }

    #[test]
    fn a_token_request_asks_for_the_accounts_life_and_audiences() {
        let mut account = account("reader");
        account.audiences.push(String::from("vault"));
        let request = TokenRequest::new(&account);
        assert_eq!(request.path, "/api/v1/namespaces/default/serviceaccounts/reader/token");
        assert_eq!(
            String::from_utf8(request.body).unwrap(),
            r#"{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{"audiences":["vault"],"expirationSeconds":600}}"#
        );
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let body = minted("system:serviceaccount:default:reader", 1000, 1600);
        let answer = Answer::Some { status: b"201", body: &body };
        let token = read_answer(&account("reader"), answer, NOW).unwrap();
        assert!(!format!("{token:?}").contains(&token.secret));
    }
}
