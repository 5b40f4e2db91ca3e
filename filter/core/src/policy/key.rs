//! API keys: what a client presents, and the digest that a policy holds.

use alloc::format;
use alloc::string::String;
use core::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Every key that Keyhole makes starts with this, so that secret scanners find it.
pub const KEY_PREFIX: &str = "keyhole_";

/// Longer keys are not looked at.
pub(crate) const MAX_KEY_BYTES: usize = 512;

/// The SHA-256 digest of an API key.
///
/// Equality takes the same time wherever two digests differ.
#[derive(Clone, Copy, Debug)]
pub struct KeyDigest([u8; 32]);

/// A URL is written to logs on its way; a key in it is known to all who read them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the URL contains an API key, which is leaked by this: replace the key, and send it as the header `x-api-key`"
)]
pub struct KeyInUrl;

/// Writes the key of `client`: `keyhole_<client>_<64 hex digits>`.
pub fn format_key(client: &str, secret: &[u8; 32]) -> String {
    format!("{KEY_PREFIX}{client}_{}", base16ct::lower::encode_string(secret))
}

// === impl KeyInUrl ===

impl KeyInUrl {
    /// Checks a decoded part of a URL.
    pub(crate) fn check(part: &str) -> Result<(), Self> {
        match looks_like_key(part) {
            true => Err(Self),
            false => Ok(()),
        }
    }
}

/// Whether there may be a key in it: it is not to be quoted, then.
pub(crate) fn looks_like_key(text: &str) -> bool {
    text.contains(KEY_PREFIX)
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

    /// The first 8 hex digits: what logs call a key. Nobody can make a key of it, or see
    /// whether a guess is right.
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
    fn a_key_names_its_client() {
        let key = format_key("sql-prod-01", &[0xab; 32]);
        assert_eq!(key, format!("keyhole_sql-prod-01_{}", "ab".repeat(32)));
    }
}
