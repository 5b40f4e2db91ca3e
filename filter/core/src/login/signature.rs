//! The check of a token's signature.

use alloc::string::String;

use jwt_simple::prelude::{Duration, HashSet, JWTClaims, UnixTimeStamp, VerificationOptions};
use jwt_simple::{Error, JWTError};

use super::presented::Presented;
use super::{MAX_TOKEN_BYTES, Why};
use crate::jwks::Key;
use crate::policy::issuer::Issuer;
use crate::time::UnixTime;
use crate::token::claims::TOLERANCE;

pub(super) fn verify(
    key: &Key,
    issuer: &Issuer,
    audience: &str,
    token: &Presented<'_>,
    now: UnixTime,
) -> Result<(), Why> {
    let options = VerificationOptions {
        allowed_issuers: Some(HashSet::from([String::from(&*issuer.name)])),
        allowed_audiences: Some(HashSet::from([audience.into()])),
        required_key_id: Some(token.key_id().into()),
        time_tolerance: Some(Duration::from_secs(TOLERANCE.as_secs())),
        artificial_time: Some(UnixTimeStamp::from_secs(now.as_secs())),
        max_token_length: Some(MAX_TOKEN_BYTES),
        ..VerificationOptions::default()
    };
    match key.verify(token.text(), options) {
        Ok(JWTClaims { expires_at: Some(_), .. }) => Ok(()),
        Ok(_) => Err(Why::Malformed("it does not say when it expires")),
        Err(error) => Err(reason(&error)),
    }
}

fn reason(error: &Error) -> Why {
    match error.downcast_ref() {
        Some(JWTError::AlgorithmMismatch) => Why::Algorithm,
        Some(JWTError::InvalidSignature) => Why::Signature,
        // Other errors may quote what they could not read.
        _ => Why::Malformed("it is not a token as it should be"),
    }
}
