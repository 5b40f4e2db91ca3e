//! The check of a token's signature.

use alloc::string::{String, ToString};

use jwt_simple::prelude::{
    Duration, HashSet, JWTClaims, Token as Jwt, UnixTimeStamp, VerificationOptions,
};
use jwt_simple::{Error, JWTError};

use crate::pod::failure::Failure;
use crate::time::UnixTime;
use crate::token::claims::{Claims, Expected, TOLERANCE};
use crate::token::keys::Keys;

// === impl Keys ===

impl Keys {
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
        match key.verify(jwt, self.options(expected)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::answer;
    use alloc::format;
    use jwt_simple::prelude::{
        Claims as JwtClaims, ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike, ES256KeyPair,
        HS256Key, MACLike, NoCustomClaims, RS256KeyPair, RSAKeyPairLike,
    };

    const ISSUER: &str = "https://kubernetes.default.svc";
    const SUBJECT: &str = "system:serviceaccount:default:reader";
    /// The apiserver's clock.
    const NOW: u64 = 1_800_000_000;

    struct Cluster {
        ec: ES256KeyPair,
        rsa: RS256KeyPair,
    }

    impl Cluster {
        fn new() -> Self {
            Self {
                ec: ES256KeyPair::generate().with_key_id("ec"),
                rsa: RS256KeyPair::generate(2048).unwrap().with_key_id("rsa"),
            }
        }

        /// As the apiserver would publish them.
        fn keys(&self) -> Keys {
            let (ec, rsa) = (self.ec.public_key().to_jwk(), self.rsa.public_key().to_jwk());
            let body = format!(r#"{{"keys":[{ec},{rsa},{{"kty":"OKP","kid":"ed"}}]}}"#);
            Keys::read(ISSUER.to_string(), &answer("200", body.as_bytes())).unwrap()
        }
    }

    fn claims() -> JWTClaims<NoCustomClaims> {
        let mut claims = JwtClaims::create(Duration::from_secs(600))
            .with_issuer(ISSUER)
            .with_subject(SUBJECT)
            .with_audiences(HashSet::from(["api"]));
        claims.issued_at = Some(UnixTimeStamp::from_secs(NOW));
        claims.invalid_before = Some(UnixTimeStamp::from_secs(NOW));
        claims.expires_at = Some(UnixTimeStamp::from_secs(NOW + 600));
        claims
    }

    fn verify(keys: &Keys, jwt: &str) -> Result<(), Failure> {
        let audiences = ["api".to_string()];
        let server = UnixTime::from_secs(NOW);
        let expected = Expected { subject: SUBJECT, audiences: &audiences, server };
        keys.verify(jwt, &expected).map(drop)
    }

    #[test]
    #[rustfmt::skip]
    fn a_token_is_believed_only_with_the_clusters_signature_and_the_accounts_claims() {
        let cluster = Cluster::new();
        let keys = cluster.keys();
        let stranger = ES256KeyPair::generate().with_key_id("ec");
        let unknown = ES256KeyPair::generate().with_key_id("new");
        let signed = |claims| cluster.ec.sign(claims).unwrap();
        let at = |seconds| Some(UnixTimeStamp::from_secs(seconds));
        let unverified = |why: &str| Err(Failure::Unverified(why.to_string()));

        let good = signed(claims());
        let rsa = cluster.rsa.sign(claims()).unwrap();
        let (_, payload_and_signature) = good.split_once('.').unwrap();
        let with_header = |header: &[u8]| {
            use base64ct::{Base64UrlUnpadded, Encoding};
            format!("{}.{payload_and_signature}", Base64UrlUnpadded::encode_string(header))
        };
        // The public key as if it were a shared secret: the classic confusion.
        let confused = HS256Key::from_bytes(&cluster.ec.public_key().public_key().to_bytes()).with_key_id("ec");

        for (what, jwt, expected) in [
            ("ES256",                good.clone(),                                                      Ok(())),
            ("RS256",                rsa,                                                               Ok(())),
            ("another's signature",  stranger.sign(claims()).unwrap(),                                  unverified("Signature tag didn't verify")),
            ("an unknown key",       unknown.sign(claims()).unwrap(),                                   Err(Failure::UnknownKey)),
            ("another issuer",       signed(claims().with_issuer("https://other")),                     Err(Failure::UnknownKey)),
            ("another account",      signed(claims().with_subject("system:serviceaccount:default:x")),  unverified("Required subject mismatch")),
            ("another audience",     signed(claims().with_audiences(HashSet::from(["vault"]))),         unverified("Required audience mismatch")),
            ("expired",              signed(JWTClaims { expires_at: at(NOW - 61), ..claims() }),        unverified("Token has expired")),
            ("not valid yet",        signed(JWTClaims { invalid_before: at(NOW + 61), ..claims() }),    unverified("Token not valid yet")),
            ("issued in the future", signed(JWTClaims { issued_at: at(NOW + 61), ..claims() }),         unverified("Clock drift detected")),
            ("without times",        signed(JWTClaims { expires_at: None, ..claims() }),                unverified("it does not say when it was issued and when it expires")),
            ("HS256 by the key",     confused.authenticate(claims()).unwrap(),                          unverified("JWT algorithm mismatch")),
            ("no algorithm",         with_header(br#"{"alg":"none","kid":"ec"}"#),                      unverified("JWT algorithm mismatch")),
            ("of the other key",     with_header(br#"{"alg":"ES256","kid":"rsa"}"#),                    unverified("JWT algorithm mismatch")),
            ("a key that is none",   with_header(br#"{"alg":"EdDSA","kid":"ed"}"#),                     Err(Failure::UnknownKey)),
            ("no key id",            with_header(br#"{"alg":"ES256"}"#),                                unverified("it names no key")),
            ("a header changed",     with_header(br#"{"alg":"ES256","kid":"ec","x":1}"#),               unverified("Signature tag didn't verify")),
            ("no token",             "x".to_string(),                                                   unverified("it names no key")),
        ] {
            assert_eq!(verify(&keys, &jwt), expected, "{what}");
        }
    }
}
