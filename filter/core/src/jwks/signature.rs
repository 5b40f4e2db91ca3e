//! What of keys needs cryptography.

use jwt_simple::Error;
use jwt_simple::prelude::{
    ECDSAP256PublicKeyLike, ES256PublicKey, Ed25519PublicKey, EdDSAPublicKeyLike, JWTClaims,
    NoCustomClaims, RS256PublicKey, RSAPublicKeyLike, VerificationOptions,
};

use super::{Algorithm, Key};

// === impl Key ===

impl Key {
    /// Whether it is a public key for its algorithm.
    pub(super) fn is_key(&self) -> bool {
        let jwk = &self.jwk;
        match self.algorithm {
            Algorithm::EdDsa => Ed25519PublicKey::from_jwk(jwk).is_ok(),
            Algorithm::Es256 => ES256PublicKey::from_jwk(jwk).is_ok(),
            Algorithm::Rs256 => RS256PublicKey::from_jwk(jwk).is_ok(),
        }
    }

    /// Checks a token's algorithm, signature, and what `options` ask for.
    pub(crate) fn verify(
        &self,
        jwt: &str,
        options: VerificationOptions,
    ) -> Result<JWTClaims<NoCustomClaims>, Error> {
        let (jwk, options) = (&*self.jwk, Some(options));
        match self.algorithm {
            Algorithm::EdDsa => Ed25519PublicKey::from_jwk(jwk)?.verify_token(jwt, options),
            Algorithm::Es256 => ES256PublicKey::from_jwk(jwk)?.verify_token(jwt, options),
            Algorithm::Rs256 => RS256PublicKey::from_jwk(jwk)?.verify_token(jwt, options),
        }
    }
}
