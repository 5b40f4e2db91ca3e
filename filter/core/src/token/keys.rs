//! The cluster's signing keys, and the check of a token's signature.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use jwt_simple::prelude::{
    Duration, ECDSAP256PublicKeyLike, ES256PublicKey, HashSet, JWTClaims, NoCustomClaims,
    RS256PublicKey, RSAPublicKeyLike, Token as Jwt, UnixTimeStamp, VerificationOptions,
};
use jwt_simple::{Error, JWTError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Answer;
use crate::time::{Steady, UnixTime};
use crate::token::claims::{Claims, Expected, TOLERANCE};
use crate::token::failure::Failure;
use crate::token::lifecycle::Lasting;

pub(crate) const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";
pub(crate) const KEYS_PATH: &str = "/openid/v1/jwks";

/// Who signs the cluster's tokens, and with which keys: an issuer and its JSON Web
/// Key Set (RFC 7517), as the apiserver publishes them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Keys {
    issuer: String,
    /// By key id, as they are.
    keys: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

// === impl Keys ===

impl Keys {
    /// The issuer that an answer names.
    pub(crate) fn issuer(answer: &Answer) -> Result<String, Failure> {
        match (answer.status(), answer.json::<Discovery>()) {
            (Some(200), Some(Discovery { issuer })) => Ok(issuer),
            (Some(200), None) => Err(Failure::malformed("there is no `issuer` in it")),
            _ => Err(Failure::of(answer)),
        }
    }

    pub(crate) fn read(issuer: String, answer: &Answer) -> Result<Self, Failure> {
        if answer.status() != Some(200) {
            return Err(Failure::of(answer));
        }
        let Some(KeySet { keys }) = answer.json() else {
            return Err(Failure::malformed("it is not a JSON Web Key Set"));
        };
        let named = |key: Value| Some((key.get("kid")?.as_str()?.to_string(), key));
        Ok(Self { issuer, keys: keys.into_iter().filter_map(named).collect() })
    }

    /// Checks a token's signature and claims. The algorithm is that of the key,
    /// whatever the token says.
    ///
    /// # Errors
    ///
    /// It is not to be used; why, without the token.
    pub(crate) fn verify(&self, jwt: &str, expected: &Expected<'_>) -> Result<Claims, Failure> {
        let unverified = |why: &str| Failure::Unverified(why.to_string());
        let id = named_key(jwt).ok_or_else(|| unverified("it names no key"))?;
        let key = self.keys.get(&id).ok_or(Failure::UnknownKey)?;
        let options = Some(self.options(expected));
        let text = key.to_string();
        let claims = match key.get("kty").and_then(Value::as_str) {
            Some("RSA") => RS256PublicKey::from_jwk(&text)
                .and_then(|key| key.verify_token::<NoCustomClaims>(jwt, options)),
            Some("EC") => ES256PublicKey::from_jwk(&text)
                .and_then(|key| key.verify_token::<NoCustomClaims>(jwt, options)),
            _ => return Err(unverified("its key is neither for RS256 nor for ES256")),
        };
        match claims {
            Ok(JWTClaims { issued_at: Some(issued), expires_at: Some(expires), .. }) => {
                let time = |stamp: UnixTimeStamp| UnixTime::from_secs(stamp.as_secs());
                Ok(Claims { issued: time(issued), expires: time(expires) })
            }
            Ok(_) => Err(unverified("it does not say when it was issued and when it expires")),
            Err(error) => Err(failure(&error)),
        }
    }

    fn options(&self, expected: &Expected<'_>) -> VerificationOptions {
        VerificationOptions {
            required_subject: Some(expected.subject.to_string()),
            allowed_issuers: Some(HashSet::from([self.issuer.clone()])),
            allowed_audiences: Some(expected.audiences.iter().cloned().collect()),
            time_tolerance: Some(Duration::from_secs(TOLERANCE.as_secs())),
            artificial_time: Some(UnixTimeStamp::from_secs(expected.server.as_secs())),
            ..VerificationOptions::default()
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys of {}", self.keys.len(), self.issuer)
    }
}

/// The cluster does not say how long they last.
impl Lasting for Keys {
    fn renew_at(&self) -> Option<Steady> {
        None
    }

    fn ends_at(&self) -> Option<Steady> {
        None
    }
}

fn named_key(jwt: &str) -> Option<String> {
    Jwt::decode_metadata(jwt).ok()?.key_id().map(ToString::to_string)
}

fn failure(error: &Error) -> Failure {
    match error.downcast_ref() {
        Some(JWTError::RequiredIssuerMismatch) => Failure::UnknownKey,
        Some(error) => Failure::Unverified(error.to_string()),
        // Other errors may quote what they could not read.
        None => Failure::Unverified("it, or its key, is malformed".to_string()),
    }
}
