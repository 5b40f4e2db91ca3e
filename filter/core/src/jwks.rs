//! JSON Web Key Sets (RFC 7517): the public keys of whoever signs tokens.

#[cfg_attr(target_os = "unknown", path = "jwks/no_signature.rs")]
mod signature;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Keys by their ids. What is no public key for one of the three algorithms is not in it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct KeySet(BTreeMap<String, Key>);

/// A key that is known to be one. What else a JWK says, a chain of certificates mostly, is
/// left out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Key {
    algorithm: Algorithm,
    jwk: String,
}

/// By the kind of the key, whatever a token says.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum Algorithm {
    EdDsa,
    Es256,
    Rs256,
}

/// Why a key set cannot be used as it is. It does not quote it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NotKeys {
    #[error("it is not a JSON Web Key Set")]
    NoSet,
    /// The number of the first such key.
    #[error("`keys[{0}]` has no `kid`, or the same as another one")]
    Unnamed(usize),
    #[error("`keys[{0}]` is no public key for RS256, ES256 or EdDSA")]
    Unusable(usize),
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

/// Of a JWK, what makes it a key, and what restricts its use.
const MEMBERS: [&str; 10] = ["alg", "crv", "d", "e", "key_ops", "kty", "n", "use", "x", "y"];

// === impl KeySet ===

impl KeySet {
    /// Reads what an issuer publishes, which may be more than it signs tokens with; `None`
    /// if it is no key set. Of two keys with one id, the first is taken.
    pub(crate) fn published(json: &[u8]) -> Option<Self> {
        let Published { keys } = serde_json::from_slice(json).ok()?;
        let mut set = BTreeMap::new();
        for jwk in &keys {
            if let (Some(id), Some(key)) = (id(jwk), Key::read(jwk)) {
                set.entry(id).or_insert(key);
            }
        }
        Some(Self(set))
    }

    /// Reads what somebody has written down, who wants to hear what is wrong with it.
    pub(crate) fn written(json: &str) -> Result<Self, NotKeys> {
        let Published { keys } = serde_json::from_str(json).map_err(|_| NotKeys::NoSet)?;
        let mut set = BTreeMap::new();
        for (index, jwk) in keys.iter().enumerate() {
            let id = id(jwk).ok_or(NotKeys::Unnamed(index))?;
            let key = Key::read(jwk).ok_or(NotKeys::Unusable(index))?;
            if set.insert(id, key).is_some() {
                return Err(NotKeys::Unnamed(index));
            }
        }
        if set.is_empty() { Err(NotKeys::NoSet) } else { Ok(Self(set)) }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Key> {
        self.0.get(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn id(jwk: &Value) -> Option<String> {
    jwk.get("kid")?.as_str().map(ToString::to_string)
}

// === impl Key ===

impl Key {
    fn read(jwk: &Value) -> Option<Self> {
        let members = jwk.as_object()?.iter();
        let members = members.filter(|(name, _)| MEMBERS.contains(&name.as_str()));
        let members: serde_json::Map<_, _> =
            members.map(|(name, value)| (name.clone(), value.clone())).collect();
        let algorithm = match members.get("kty")?.as_str()? {
            "EC" => Algorithm::Es256,
            "OKP" => Algorithm::EdDsa,
            "RSA" => Algorithm::Rs256,
            _ => return None,
        };
        let jwk = Value::Object(members).to_string();
        Some(Self { algorithm, jwk }).filter(Self::is_key)
    }

    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.jwk).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use jwt_simple::prelude::{ES256KeyPair, Ed25519KeyPair, RS256KeyPair};

    #[test]
    #[rustfmt::skip]
    fn a_key_set_is_of_public_keys_for_three_algorithms() {
        let ec = ES256KeyPair::generate().with_key_id("a");
        let public = ec.public_key().to_jwk();
        let ed = Ed25519KeyPair::generate().with_key_id("b").public_key().to_jwk();
        let rsa = RS256KeyPair::generate(2048).unwrap().with_key_id("c").public_key().to_jwk();
        let like_entra = public.replacen('{', r#"{"x5c":["MII"],"x5t":"a","cloud_instance_name":"x","#, 1);
        let for_encryption = public.replace(r#""sig""#, r#""enc""#);
        let other = |old, new| rsa.replace(old, new);
        for (what, keys, published, written) in [
            ("one of each",         format!("{public},{ed},{rsa}"), Some(3), Ok(3)),
            ("with more in it",     like_entra,                     Some(1), Ok(1)),
            ("none",                String::new(),                  Some(0), Err(NotKeys::NoSet)),
            ("without an id",       public.replace("kid", "id"),    Some(0), Err(NotKeys::Unnamed(0))),
            ("the same id twice",   format!("{public},{public}"),   Some(1), Err(NotKeys::Unnamed(1))),
            ("private",             ec.to_jwk(),                    Some(0), Err(NotKeys::Unusable(0))),
            ("for encryption",      for_encryption,                 Some(0), Err(NotKeys::Unusable(0))),
            ("for RS512",           other("RS256", "RS512"),        Some(0), Err(NotKeys::Unusable(0))),
            ("a shared secret",     r#"{"kty":"oct","kid":"d","k":"c2VjcmV0"}"#.to_string(), Some(0), Err(NotKeys::Unusable(0))),
            ("one of two is wrong", format!("{ed},{{\"kid\":\"x\"}}"), Some(1), Err(NotKeys::Unusable(1))),
            ("not JSON",            "x".to_string(),                None,    Err(NotKeys::NoSet)),
        ] {
            let json = format!(r#"{{"keys":[{keys}]}}"#);
            assert_eq!(KeySet::published(json.as_bytes()).map(|set| set.len()), published, "{what}");
            assert_eq!(KeySet::written(&json).map(|set| set.len()), written, "{what}");
        }
    }
}
