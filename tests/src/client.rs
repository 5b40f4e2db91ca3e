//! An HTTP/1.1 client over verified TLS that sends exactly the bytes it is told.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// Sends requests to one server; a connection each, as SQL Server may do.
#[derive(Clone)]
pub struct Client {
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    headers: Vec<(String, String)>,
    patience: Duration,
}

#[derive(Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

// === impl Client ===

impl Client {
    /// `url` is `https://HOST:PORT`; the server must have a certificate of `ca`.
    pub fn new(url: &str, ca: &Path) -> Result<Self> {
        let (host, port) = address(url)?;
        let tls = Arc::new(tls(ca, b"http/1.1")?);
        Ok(Self { host, port, tls, headers: Vec::new(), patience: PATIENCE })
    }

    /// The same client, for the same server at another address.
    pub fn at(&self, url: &str) -> Result<Self> {
        let (host, port) = address(url)?;
        Ok(Self { host, port, ..self.clone() })
    }

    /// A client that sends this header with every request.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// A client that waits so long for an answer.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    pub fn with_key(&self, key: &str) -> Self {
        self.with("x-api-key", key)
    }

    pub fn get(&self, path: &str) -> Result<Response> {
        self.send("GET", path, "")
    }

    pub fn delete(&self, path: &str) -> Result<Response> {
        self.send("DELETE", path, "")
    }

    pub fn post(&self, path: &str, body: &str) -> Result<Response> {
        self.send("POST", path, body)
    }

    /// Sends a request with the headers that SQL Server sends, whatever the method.
    pub fn send(&self, method: &str, path: &str, body: &str) -> Result<Response> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        let own = |name: &str| self.headers.iter().any(|(own, _)| own == name);
        for (name, value) in [
            ("accept", "application/json"),
            ("content-type", "application/json; charset=utf-8"),
            ("user-agent", "SQL Server double/17.0.1000.7"),
            ("connection", "close"),
        ] {
            if !own(name) {
                request.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.raw(request.as_bytes())
    }

    /// Sends these bytes and reads one response.
    pub fn raw(&self, request: &[u8]) -> Result<Response> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(self.patience))?;
        let name = ServerName::try_from(self.host.clone())?;
        let connection = ClientConnection::new(Arc::clone(&self.tls), name)?;
        let mut stream = StreamOwned::new(connection, tcp);
        // A server may refuse and close before it has read everything.
        let sent = stream.write_all(request).and_then(|()| stream.flush());
        let mut received = Vec::new();
        let mut chunk = [0; 16 * 1024];
        // Envoy keeps a refused connection open for a while: stop at the end of
        // the response, not of the connection.
        while !Response::is_complete(&received) {
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(_) if !received.is_empty() => break,
                Err(error) => return Err(sent.err().unwrap_or(error).into()),
            }
        }
        Response::parse(&received)
    }
}

// === impl Response ===

impl Response {
    /// Reads a whole response from the bytes of HTTP/1.1.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = parsed.parse(bytes)? else {
            anyhow::bail!("the response ends in its head: {}", bytes.escape_ascii());
        };
        let mut response = Self {
            status: parsed.code.context("no status")?,
            headers: parsed
                .headers
                .iter()
                .map(|h| (h.name.to_lowercase(), String::from_utf8_lossy(h.value).into_owned()))
                .collect(),
            body: bytes[head..].to_vec(),
        };
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = dechunk(&response.body)?;
        }
        Ok(response)
    }

    /// Whether nothing is missing, as far as the head tells.
    fn is_complete(bytes: &[u8]) -> bool {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let Ok(httparse::Status::Complete(head)) =
            httparse::Response::new(&mut headers).parse(bytes)
        else {
            return false;
        };
        let length = headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
        match length.and_then(|h| str::from_utf8(h.value).ok()?.parse().ok()) {
            Some(length) => bytes.len().saturating_sub(head) >= length,
            None => dechunk(&bytes[head..]).is_ok(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as exactly one JSON document.
    pub fn json(&self) -> Result<Value> {
        ensure!(self.header("content-type") == Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {self:?}"))
    }

    /// A field of the JSON body, by JSON pointer, as text.
    pub fn field(&self, pointer: &str) -> String {
        let value = self.json().ok().and_then(|json| json.pointer(pointer).cloned());
        match value {
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

/// TLS to servers with a certificate of `ca`, for this protocol only.
/// Host and port of `https://HOST:PORT`.
fn address(url: &str) -> Result<(String, u16)> {
    let address = url.strip_prefix("https://").context("not an https URL")?;
    let (host, port) = address.split_once(':').context("no port")?;
    Ok((host.to_owned(), port.parse()?))
}

pub(crate) fn tls(ca: &Path, protocol: &[u8]) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    Ok(trusting(roots, protocol))
}

/// TLS to servers whose certificate these roots vouch for, for this protocol only.
pub(crate) fn trusting(roots: RootCertStore, protocol: &[u8]) -> ClientConfig {
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![protocol.to_vec()];
    tls
}

fn dechunk(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((start, size)) =
            httparse::parse_chunk_size(bytes).map_err(|_| anyhow::anyhow!("a broken chunk"))?
        else {
            anyhow::bail!("the response ends in a chunk");
        };
        let end = start + usize::try_from(size)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(bytes.get(start..end).context("the response ends in a chunk")?);
        bytes = bytes.get(end + 2..).context("the response ends after a chunk")?;
    }
}
