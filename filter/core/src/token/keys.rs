//! The cluster's signing keys.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::jwks::KeySet;
use crate::pod::failure::{Failure, one_line};
use crate::pod::lifecycle::Lasting;
use crate::time::Steady;

pub(crate) const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";
pub(crate) const KEYS_PATH: &str = "/openid/v1/jwks";

/// Who signs the cluster's tokens, and with which keys: an issuer and its JSON Web
/// Key Set (RFC 7517), as the apiserver publishes them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Keys {
    pub(super) issuer: String,
    pub(super) keys: KeySet,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

// === impl Keys ===

impl Keys {
    /// The issuer that an answer names.
    pub(crate) fn issuer(answer: &Answer) -> Result<String, Failure> {
        match (answer.status(), answer.json::<Discovery>()) {
            (Some(200), Some(Discovery { issuer })) => Ok(one_line(&issuer)),
            (Some(200), None) => Err(Failure::malformed("there is no `issuer` in it")),
            _ => Err(Failure::of(answer)),
        }
    }

    pub(crate) fn read(issuer: String, answer: &Answer) -> Result<Self, Failure> {
        if answer.status() != Some(200) {
            return Err(Failure::of(answer));
        }
        match KeySet::published(answer.body()) {
            Some(keys) => Ok(Self { issuer, keys }),
            None => Err(Failure::malformed("it is not a JSON Web Key Set")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::answer;
    use alloc::string::ToString;

    const ISSUER: &str = "https://kubernetes.default.svc";

    #[test]
    #[rustfmt::skip]
    fn keys_are_read_as_the_apiserver_publishes_them() {
        let malformed = |why| Some(Failure::malformed(why));
        let read = |status, body: &[u8]| Keys::read(ISSUER.to_string(), &answer(status, body));
        for (status, body, expected) in [
            ("200", &br#"{"keys":[]}"#[..],                    None),
            ("200", br#"{"keys":[{"kty":"RSA"}]}"#,            None),
            ("200", b"{}",                                     malformed("it is not a JSON Web Key Set")),
            ("200", b"<html>",                                 malformed("it is not a JSON Web Key Set")),
            ("403", br#"{"message":"no"}"#,                    Some(Failure::Refused { status: 403, message: "no".to_string(), retry_after: None })),
        ] {
            assert_eq!(read(status, body).err(), expected, "{}", body.escape_ascii());
        }
        assert_eq!(Keys::issuer(&answer("200", br#"{"issuer":"x"}"#)), Ok("x".to_string()));
        assert_eq!(Keys::issuer(&answer("200", b"{}")).err(), malformed("there is no `issuer` in it"));
    }
}
