//! An issuer of tokens on loopback, behind TLS, that publishes its keys and counts who
//! reads them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use jwt_simple::prelude::{
    Claims, Duration as Life, ECDSAP256KeyPairLike, ES256KeyPair, Ed25519KeyPair,
    EdDSAKeyPairLike, JWTClaims, NoCustomClaims, RS256KeyPair, RSAKeyPairLike,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::stack::{Stack, text};

/// Its name, in its tokens and in its certificate.
pub const HOST: &str = "issuer.example.com";
pub const ISSUER: &str = "https://issuer.example.com";

/// A pair of keys; each algorithm that tokens are taken in has one.
pub enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(ES256KeyPair),
    Rs256(Box<RS256KeyPair>),
}

/// Serves until it is dropped.
pub struct Issuer {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    keys: Mutex<String>,
    fetched: AtomicUsize,
    is_down: AtomicBool,
    is_over: AtomicBool,
}

// === impl Pair ===

impl Pair {
    pub fn new(algorithm: &str, id: &str) -> Result<Self> {
        Ok(match algorithm {
            "EdDSA" => Self::EdDsa(Ed25519KeyPair::generate().with_key_id(id)),
            "ES256" => Self::Es256(ES256KeyPair::generate().with_key_id(id)),
            _ => {
                // Much faster than a build for tests is.
                let output = Command::new("openssl").args(["genrsa", "2048"]).output()?;
                let pem = String::from_utf8(output.stdout)?;
                Self::Rs256(Box::new(RS256KeyPair::from_pem(&pem)?.with_key_id(id)))
            }
        })
    }

    pub fn jwk(&self) -> String {
        match self {
            Self::EdDsa(pair) => pair.public_key().to_jwk(),
            Self::Es256(pair) => pair.public_key().to_jwk(),
            Self::Rs256(pair) => pair.public_key().to_jwk(),
        }
    }

    /// A token of this subject, for an hour; each is another one.
    pub fn token(&self, audience: &str, subject: &str) -> Result<String> {
        let mut claims = Claims::create(Life::from_hours(1))
            .with_issuer(ISSUER)
            .with_audience(audience)
            .with_subject(subject);
        claims.create_nonce();
        self.sign(claims)
    }

    pub fn sign(&self, claims: JWTClaims<NoCustomClaims>) -> Result<String> {
        match self {
            Self::EdDsa(pair) => pair.sign(claims),
            Self::Es256(pair) => pair.sign(claims),
            Self::Rs256(pair) => pair.sign(claims),
        }
    }
}

/// What an issuer of these publishes.
pub fn published(pairs: &[&Pair]) -> String {
    let keys: Vec<String> = pairs.iter().map(|pair| pair.jwk()).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

// === impl Issuer ===

impl Issuer {
    /// With a certificate of the CA that the stack's clients trust.
    pub fn start(stack: &Stack) -> Result<Self> {
        let pki = stack.state().join("pki");
        certify(&pki)?;
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(pki.join("issuer.crt"))?.collect();
        let key = PrivateKeyDer::from_pem_file(pki.join("issuer.key"))?;
        let tls =
            ServerConfig::builder().with_no_client_auth().with_single_cert(chain?, key)?;
        let tls = Arc::new(tls);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            keys: Mutex::new(published(&[])),
            fetched: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let own = Arc::clone(&state);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if own.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (state, tls) = (Arc::clone(&own), Arc::clone(&tls));
                // Who hangs up is none of its business.
                thread::spawn(move || state.serve(connection, tls).ok());
            }
        });
        Ok(Self { port, state })
    }

    pub fn publish(&self, pairs: &[&Pair]) {
        *self.state.keys.lock().expect("nobody panics with it") = published(pairs);
    }

    /// Whether it hangs up on everybody.
    pub fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::Relaxed);
    }

    /// How often its keys were read.
    pub fn fetched(&self) -> usize {
        self.state.fetched.load(Ordering::Relaxed)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

// === impl State ===

impl State {
    /// One request after the other, of a connection that is kept.
    fn serve(&self, tcp: TcpStream, tls: Arc<ServerConfig>) -> Result<()> {
        tcp.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut stream = StreamOwned::new(ServerConnection::new(tls)?, tcp);
        let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let count = stream.read(&mut chunk)?;
            ensure!(count > 0 && !self.is_down.load(Ordering::Relaxed), "it is over");
            request.extend_from_slice(&chunk[..count]);
            if !request.ends_with(b"\r\n\r\n") {
                continue;
            }
            let head = String::from_utf8_lossy(&request).to_lowercase();
            ensure!(!head.contains("authorization"), "nobody's credential comes here");
            let is_known = head.starts_with("get /keys?v=2 ")
                && head.contains(&format!("host: {HOST}\r\n"));
            let (status, body) = if is_known {
                self.fetched.fetch_add(1, Ordering::Relaxed);
                ("200 OK", self.keys.lock().expect("nobody panics with it").clone())
            } else {
                ("404 Not Found", String::new())
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )?;
            stream.flush()?;
            request.clear();
        }
    }
}

fn certify(pki: &Path) -> Result<()> {
    let script = format!(
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=issuer -keyout issuer.key -out issuer.csr && \
         openssl x509 -req -in issuer.csr -CA clients-ca.crt -CAkey clients-ca.key -CAcreateserial -days 30 -out issuer.crt \
         -extfile <(printf 'subjectAltName=DNS:{HOST}\\nextendedKeyUsage=serverAuth\\n')"
    );
    let output = Command::new("bash").args(["-euc", &script]).current_dir(pki).output()?;
    ensure!(output.status.success(), "{}", text(&output));
    Ok(())
}
