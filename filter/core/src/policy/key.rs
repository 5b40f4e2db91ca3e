//! API keys: what a client presents, and the digest that a policy holds.

use alloc::format;
use alloc::string::String;
use core::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Every key that Keyhole makes starts with this, so that secret scanners find it.
pub const KEY_PREFIX: &str = "keyhole_";

/// What `{"` is in base64, at the start of a token and of its second part.
const JWT_HEADER: &[u8] = b"eyJ";
const JWT_CLAIMS: &[u8] = b".eyJ";
/// Its signature alone has 86 characters or more, 43 if it is no signature.
const SHORTEST_JWT: usize = 64;

/// Longer keys are not looked at.
pub(crate) const MAX_KEY_BYTES: usize = 512;

/// The SHA-256 digest of an API key.
///
/// Equality takes the same time wherever two digests differ.
#[derive(Clone, Copy, Debug)]
pub struct KeyDigest([u8; 32]);

/// A URL is written to logs on its way; a key or a token in it is known to all who read them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the URL contains an API key or a token, which is leaked by this: replace it, and send it as the header `x-api-key` or `authorization`"
)]
pub struct SecretInUrl;

/// Writes the key of `client`: `keyhole_<client>_<64 hex digits>`.
pub fn format_key(client: &str, secret: &[u8; 32]) -> String {
    format!("{KEY_PREFIX}{client}_{}", base16ct::lower::encode_string(secret))
}

// === impl SecretInUrl ===

impl SecretInUrl {
    /// Checks a decoded part of a URL.
    pub(crate) fn check(part: &str) -> Result<(), Self> {
        match looks_like_secret(part) {
            true => Err(Self),
            false => Ok(()),
        }
    }
}

/// Whether there may be a key in it, or a JSON Web Token: it is not to be quoted, then.
pub(crate) fn looks_like_secret(text: &str) -> bool {
    // Of every path, parameter and user agent: `contains` takes longer to prepare than this
    // takes for texts as short as these.
    let find = |text: &[u8], part: &[u8]| text.windows(part.len()).position(|own| own == part);
    let text = text.as_bytes();
    let has_key = text.windows(KEY_PREFIX.len()).any(|part| part == KEY_PREFIX.as_bytes());
    let after_header = || text.get(find(text, JWT_HEADER)?..);
    let has_token = || after_header().is_some_and(|rest| find(rest, JWT_CLAIMS).is_some());
    has_key || (text.len() >= SHORTEST_JWT && has_token())
}

// === impl KeyDigest ===

impl KeyDigest {
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads 64 lower-case hex digits.
    pub fn parse(hex: &str) -> Option<Self> {
        let mut digest = [0; 32];
        match base16ct::lower::decode(hex, &mut digest) {
            Ok(decoded) if decoded.len() == 32 => Some(Self(digest)),
            _ => None,
        }
    }

    pub fn to_hex(self) -> String {
        base16ct::lower::encode_string(&self.0)
    }

    /// The first 8 hex digits: what logs call a key. Who reads them can rule out guesses,
    /// which is of no use against the 256 random bits of a key that `keyhole key new` made.
    pub fn id(self) -> String {
        let [a, b, c, d, ..] = self.0;
        base16ct::lower::encode_string(&[a, b, c, d])
    }
}

impl Eq for KeyDigest {}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for KeyDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256_in_lower_case_hex() {
        // The FIPS 180-2 test vector for "abc".
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(KeyDigest::of(b"abc").to_hex(), hex);
        assert_eq!(KeyDigest::parse(hex), Some(KeyDigest::of(b"abc")));
    }

    #[test]
    fn anything_else_is_not_a_digest() {
        for text in ["", "ba78", &"BA".repeat(32), &"ba".repeat(33), &"zz".repeat(32)] {
            assert_eq!(KeyDigest::parse(text), None, "{text}");
        }
    }

    #[test]
    fn keys_and_tokens_are_secrets() {
        let signature = "c2ln".repeat(20);
        for (text, expected) in [
            ("keyhole_sql_0123", true),
            ("a keyhole_", true),
            ("keyhole/sql", false),
            (&*format!("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.{signature}"), true),
            (&*format!("Bearer eyJh.eyJp.{signature}"), true),
            (&*format!(".eyJ.eyJ{signature}"), true),
            // A `continue` of a list, and what merely has letters of it.
            (&*format!("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6{signature}"), false),
            (&*format!("web.eyJ{signature}"), false),
            (&*format!("eyJ.ey{signature}"), false),
            ("eyJh.eyJp.c2ln", false),
            ("", false),
        ] {
            assert_eq!(looks_like_secret(text), expected, "{text}");
        }
    }

    #[test]
    fn a_key_names_its_client() {
        let key = format_key("sql-prod-01", &[0xab; 32]);
        assert_eq!(key, format!("keyhole_sql-prod-01_{}", "ab".repeat(32)));
    }
}
