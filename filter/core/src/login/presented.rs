//! A token as it is presented, read but not believed: a JSON Web Token (RFC 7519) in the
//! compact form.
//!
//! - Three parts of base64url, divided by `.`: header, claims, signature.
//! - Header and claims are JSON objects that say nothing twice, so that no two readers can
//!   take them for two things.
//! - The header names a key by `kid`. It brings no key, no address of one, and nothing that
//!   has to be understood.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::Why;
use crate::policy::issuer::Bearer;
use crate::request::content::{Content, Value};
use crate::time::UnixTime;
use crate::token::claims::TOLERANCE;

pub(crate) struct Presented<'t> {
    text: &'t str,
    key_id: String,
    claims: Content,
}

/// What would let a token say by itself what it is to be checked with, or how.
const NOT_TAKEN: [&str; 6] = ["b64", "crit", "jku", "jwk", "x5c", "x5u"];

/// In each part. Anybody can have one read, and each takes time; Microsoft Entra ID sends up to 230.
const MOST_VALUES: usize = 512;

const NO_TOKEN: Why = Why::Malformed("it is no JSON Web Token");
const NOT_READ: Why = Why::Malformed(
    "a part of it is no JSON object, says something twice, or has more than 512 values",
);

// === impl Presented ===

impl<'t> Presented<'t> {
    pub(super) fn read(bytes: &'t [u8]) -> Result<Self, Why> {
        let is_base64url =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let text = str::from_utf8(bytes).map_err(|_| NO_TOKEN)?;
        let parts: Vec<&str> = text.split('.').collect();
        let &[header, claims, signature] = &parts[..] else { return Err(NO_TOKEN) };
        if signature.is_empty() || !parts.iter().all(|part| part.bytes().all(is_base64url)) {
            return Err(NO_TOKEN);
        }
        let header = object(header)?;
        if let Some(name) = NOT_TAKEN.into_iter().find(|name| field(&header, name).is_some()) {
            return Err(Why::Header(name));
        }
        let Some(Value::Text(key_id)) = field(&header, "kid") else {
            return Err(Why::Malformed("it names no key"));
        };
        Ok(Self { text, key_id: key_id.clone(), claims: object(claims)? })
    }

    pub(super) const fn text(&self) -> &'t str {
        self.text
    }

    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.claim_text("iss")
    }

    pub(super) fn audiences(&self) -> impl Iterator<Item = &str> {
        let one = self.claim("aud");
        let several = match one {
            Some(Value::List(values)) => values.as_slice(),
            _ => &[],
        };
        one.into_iter().chain(several).filter_map(|value| match value {
            Value::Text(text) => Some(&**text),
            _ => None,
        })
    }

    /// When it expires, in seconds since the epoch.
    ///
    /// # Errors
    ///
    /// It is not valid now, or does not say until when.
    pub(super) fn check_times(&self, now: UnixTime) -> Result<u64, Why> {
        let (now, tolerance) = (now.as_secs(), TOLERANCE.as_secs());
        for name in ["iat", "nbf"] {
            if self.time(name)?.is_some_and(|at| at > now.saturating_add(tolerance)) {
                return Err(Why::NotYetValid);
            }
        }
        match self.time("exp")? {
            Some(at) if at.saturating_add(tolerance) > now => Ok(at),
            Some(_) => Err(Why::Expired),
            None => Err(Why::Malformed("it does not say when it expires")),
        }
    }

    /// In seconds since the epoch, as far as all readers of it count.
    fn time(&self, name: &str) -> Result<Option<u64>, Why> {
        match self.claim(name) {
            None => Ok(None),
            Some(Value::Number(at)) if u32::try_from(*at).is_ok() => Ok(Some(*at)),
            Some(_) => Err(Why::Malformed("its times are not whole seconds before 2106")),
        }
    }

    fn claim(&self, name: &str) -> Option<&Value> {
        field(&self.claims, name)
    }

    fn claim_text(&self, name: &str) -> Option<&str> {
        match self.claim(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Bearer for Presented<'_> {
    fn subject(&self) -> Option<&str> {
        self.claim_text("sub")
    }

    fn is_for(&self, audience: &str) -> bool {
        self.says("aud", audience)
    }

    fn says(&self, claim: &str, text: &str) -> bool {
        let is_text = |value: &Value| matches!(value, Value::Text(own) if own == text);
        match self.claim(claim) {
            Some(Value::List(values)) => values.iter().any(is_text),
            Some(value) => is_text(value),
            None => false,
        }
    }
}

fn object(part: &str) -> Result<Content, Why> {
    let json = Base64UrlUnpadded::decode_vec(part).map_err(|_| NO_TOKEN)?;
    Content::read_up_to(MOST_VALUES, &json)
        .ok()
        .filter(|content| matches!(content.root(), Value::Mapping(_)))
        .ok_or(NOT_READ)
}

fn field<'c>(content: &'c Content, name: &str) -> Option<&'c Value> {
    match content.root() {
        Value::Mapping(fields) => fields.get(name),
        _ => None,
    }
}
