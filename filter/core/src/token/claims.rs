//! What a token says of itself, and what it must say.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;

use crate::pod::failure::Failure;
use crate::time::UnixTime;

/// By how much the apiserver's clocks may differ from each other.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(60);

/// What the token of one account must say.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) subject: &'a str,
    /// One of these, at least.
    pub(crate) audiences: &'a [String],
    /// What the apiserver's clock says.
    pub(crate) server: UnixTime,
}

/// The claims that matter once a token is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claims {
    pub(crate) issued: UnixTime,
    pub(crate) expires: UnixTime,
}

#[derive(Deserialize)]
struct Payload {
    sub: String,
    aud: Vec<String>,
    iat: u64,
    nbf: u64,
    exp: u64,
}

// === impl Claims ===

impl Claims {
    /// Without a look at the signature.
    pub(crate) fn unverified(jwt: &str, expected: &Expected<'_>) -> Result<Self, Failure> {
        let Payload { sub, aud, iat, nbf, exp } =
            payload(jwt).ok_or_else(|| Failure::malformed("the token is not a JWT"))?;
        let soon = expected.server.as_secs().saturating_add(TOLERANCE.as_secs());
        let why = match () {
            () if sub != expected.subject => "its subject is another account",
            () if !expected.audiences.iter().any(|own| aud.contains(own)) => {
                "it is for another audience"
            }
            () if iat > soon || nbf > soon => "it is not valid yet",
            () if exp <= expected.server.as_secs() => "it has expired",
            () => {
                let (issued, expires) = (UnixTime::from_secs(iat), UnixTime::from_secs(exp));
                return Ok(Self { issued, expires });
            }
        };
        Err(Failure::Unverified(why.to_string()))
    }
}

/// Of three parts, each in base64url.
fn payload(jwt: &str) -> Option<Payload> {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let parts: Vec<&str> = jwt.split('.').collect();
    let [_, payload, _] = parts[..] else { return None };
    if !parts.iter().all(|part| !part.is_empty() && part.bytes().all(is_base64url)) {
        return None;
    }
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).ok()?).ok()
}
