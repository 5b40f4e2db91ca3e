//! A TLS server on loopback that answers with given bytes and keeps what it got.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use keyhole_tests::sp_invoke::{Answer, Call, Error, Instance, Options};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::{Authority, GOOD, Identity};

/// The CA of all servers that do not need another one.
pub static CA: LazyLock<Authority> = LazyLock::new(Authority::new);

static TLS: LazyLock<ServerConfig> = LazyLock::new(|| tls(CA.sign(GOOD)));

pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub connection: usize,
    pub sni: Option<String>,
    pub alpn: Option<String>,
    pub text: String,
}

/// What comes back for a request.
#[derive(Clone)]
pub enum Reply {
    Bytes(Vec<u8>),
    /// Nothing, for as long as the client waits.
    Silence,
    /// These bytes, and then the end of TCP without an end of TLS.
    Cut(Vec<u8>),
    /// These bytes, and then the end of both.
    Ended(Vec<u8>),
}

pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/// A response with this status line and this body.
pub fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

pub fn start(options: Options) -> Instance {
    Instance::start(&CA.folder, options).unwrap()
}

pub fn instance() -> Instance {
    start(Options::default())
}

/// What becomes of a GET that is answered with these bytes.
pub fn get(reply: impl Into<Reply>, headers: Option<&str>) -> Result<Answer, Error> {
    let server = Server::answering([reply.into()]);
    instance().invoke(&Call { method: "GET", headers, ..Call::to(&server.url("/")) })
}

/// What the server got from a call with these changes, or the number of the error.
pub fn sent(server: &Server, call: Call<'_>) -> Result<String, u16> {
    let before = server.seen().len();
    let answer = instance().invoke(&call).map_err(|error| error.number());
    assert_eq!(server.seen().len(), before + usize::from(answer.is_ok()), "{call:?}");
    answer.map(|_| server.seen()[before].text.clone())
}

pub fn tls(identity: Identity) -> ServerConfig {
    let tls = ServerConfig::builder().with_no_client_auth();
    let mut tls = tls.with_single_cert(identity.chain, identity.key).unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls
}

// === impl Server ===

impl Server {
    /// Answers one request after the other; the last reply is for all that follow.
    pub fn answering(replies: impl IntoIterator<Item = impl Into<Reply>>) -> Self {
        Self::with_tls(TLS.clone(), replies)
    }

    pub fn with_tls(
        tls: ServerConfig,
        replies: impl IntoIterator<Item = impl Into<Reply>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let replies: Vec<Reply> = replies.into_iter().map(Into::into).collect();
        let (kept, tls) = (Arc::clone(&seen), Arc::new(tls));
        thread::spawn(move || {
            for (connection, tcp) in listener.incoming().enumerate() {
                let tls = ServerConnection::new(Arc::clone(&tls)).unwrap();
                let tcp = tcp.unwrap();
                tcp.set_nodelay(true).unwrap();
                let stream = BufReader::new(StreamOwned::new(tls, tcp));
                let (seen, replies) = (Arc::clone(&kept), replies.clone());
                thread::spawn(move || serve(stream, connection, &seen, &replies));
            }
        });
        Self { port, seen }
    }

    pub fn url(&self, target: &str) -> String {
        format!("https://localhost:{}{target}", self.port)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request.
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// Until the client goes.
fn serve(mut stream: Stream, connection: usize, seen: &Mutex<Vec<Seen>>, replies: &[Reply]) {
    loop {
        let Some(text) = read(&mut stream) else {
            // With unread bytes, a close would be a reset, and hide the alert before it.
            io::copy(&mut stream.get_mut().sock, &mut io::sink()).ok();
            return;
        };
        let tls = &stream.get_ref().conn;
        let alpn = tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        let sni = tls.server_name().map(str::to_owned);
        let reply = {
            let mut seen = seen.lock().unwrap();
            seen.push(Seen { connection, sni, alpn, text });
            replies.get(seen.len() - 1).or(replies.last()).cloned().unwrap()
        };
        let stream = stream.get_mut();
        let (Reply::Bytes(bytes) | Reply::Cut(bytes) | Reply::Ended(bytes)) = &reply else {
            io::copy(stream, &mut io::sink()).ok();
            return;
        };
        // The client may have gone.
        stream.write_all(bytes).ok();
        if matches!(reply, Reply::Ended(_)) {
            stream.conn.send_close_notify();
        }
        stream.flush().ok();
        if !matches!(reply, Reply::Bytes(_)) {
            return;
        }
    }
}

fn read(stream: &mut Stream) -> Option<String> {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        if stream.read_line(&mut text).ok()? == 0 {
            return None;
        }
    }
    let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    text.push_str(str::from_utf8(&body).unwrap());
    Some(text)
}

// === impl Seen ===

impl Seen {
    pub fn target(&self) -> &str {
        self.text.split(' ').nth(1).unwrap()
    }

    /// The values of a header.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let (head, _) = self.text.split_once("\r\n\r\n").unwrap();
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let own = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value).collect()
    }

    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").unwrap().1
    }
}

// === impl Reply ===

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

/// The CA file or directory is another one.
pub fn trusting(ca: &Path) -> Instance {
    Instance::start(ca, Options::default()).unwrap()
}
