//! Asking for a ServiceAccount token, and believing the answer.
//!
//! The TokenRequest API: `POST .../serviceaccounts/{name}/token` answers 201 with
//! `status.token`. Anything else did not happen.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::time::UnixTime;

/// A token is not sent in the last seconds of its life: a request takes time,
/// and clocks differ.
pub(crate) const LEEWAY: Duration = Duration::from_secs(15);

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
        "the apiserver did not answer in time: look at the cluster `kube-apiserver-gateway`"
    )]
    NoAnswer,
    #[error("the apiserver answered {status}: {message}: {advice}", advice = advice(*.status))]
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
        format!("Bearer {}", self.secret)
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
        let token = Self {
            secret,
            issued: UnixTime::from_secs(claims.iat),
            expires: UnixTime::from_secs(claims.exp),
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
        Ok(error) => error.message,
        Err(_) => "without a reason".to_string(),
    };
    TokenFailure::Refused { status, message }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => "renew the gateway's own token",
        403 => "allow the gateway's account to create serviceaccounts/token for this one",
        404 => "create the ServiceAccount, or correct the client's `serviceAccount`",
        422 => "correct the client's `expirationSeconds` or `audiences`",
        _ => "look at the apiserver",
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
