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
