//! Tokens with one thing wrong.

use std::path::Path;

use anyhow::{Context, Result};
use base64ct::{Base64UrlUnpadded, Encoding};
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

const TWO_HOURS: u64 = 7200;

/// The same token, made and expired two hours earlier, and rightly signed.
pub(super) fn expired(token: &str, key: &Path) -> Result<String> {
    let (header, rest) = token.split_once('.').context("not a JWT")?;
    let (claims, _) = rest.split_once('.').context("not a JWT")?;
    let mut claims: Value = serde_json::from_slice(&decode(claims)?)?;
    for time in ["iat", "nbf", "exp"] {
        let shifted = claims[time].as_u64().context("a JWT's times are numbers")? - TWO_HOURS;
        claims[time] = shifted.into();
    }
    let signed = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let key = any_supported_type(&PrivateKeyDer::from_pem_file(key)?)?;
    let signer =
        key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).context("no RSA key")?;
    let signature = signer.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", encode(&signature)))
}

/// The same token with another signature of the same length.
pub(super) fn badly_signed(token: &str) -> Result<String> {
    let (signed, signature) = token.rsplit_once('.').context("not a JWT")?;
    let mut signature = decode(signature)?;
    for byte in signature.iter_mut().skip(40).take(8) {
        *byte ^= 0x55;
    }
    Ok(format!("{signed}.{}", encode(&signature)))
}

fn decode(text: &str) -> Result<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).map_err(|_| anyhow::anyhow!("not base64url"))
}

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn openssl(folder: &Path, arguments: &[&str]) {
        let status = Command::new("openssl").current_dir(folder).args(arguments).output();
        assert!(status.unwrap().status.success(), "openssl {arguments:?}");
    }

    #[test]
    fn an_expired_token_is_rightly_signed_and_only_its_times_are_wrong() {
        let folder = std::env::temp_dir().join(format!("forgery-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        openssl(&folder, &["genpkey", "-algorithm", "RSA", "-out", "key"]);
        openssl(&folder, &["pkey", "-in", "key", "-pubout", "-out", "public"]);

        let claims = encode(br#"{"exp":8000,"iat":7300,"nbf":7300,"sub":"a"}"#);
        let token = expired(&format!("head.{claims}.signature"), &folder.join("key")).unwrap();

        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (head, claims) = signed.split_once('.').unwrap();
        assert_eq!(head, "head");
        let claims: Value = serde_json::from_slice(&decode(claims).unwrap()).unwrap();
        let wrong = serde_json::json!({"exp": 800, "iat": 100, "nbf": 100, "sub": "a"});
        assert_eq!(claims, wrong);
        fs::write(folder.join("signed"), signed).unwrap();
        fs::write(folder.join("signature"), decode(signature).unwrap()).unwrap();
        let files = ["-verify", "public", "-signature", "signature", "signed"];
        openssl(&folder, &[&["dgst", "-sha256"][..], &files].concat());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_badly_signed_token_says_the_same() {
        let token = format!("head.claims.{}", encode(&[7; 256]));
        let other = badly_signed(&token).unwrap();
        assert!(other.starts_with("head.claims.") && other.len() == token.len());
        assert_ne!(other, token);
    }
}
