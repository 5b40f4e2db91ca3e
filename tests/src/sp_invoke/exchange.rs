//! One attempt: a connection, the request, its response (rows 11, 13 to 15).

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::cloud::Cloud;
use super::deadline::{Deadline, Timed};
use super::error::Error;
use super::failure::Failure;
use super::request::Request;
use super::response::Response;
use super::url::Url;

/// Makes connections, and keeps them if it is told to.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) tls: Arc<ClientConfig>,
    pub(super) cloud: Option<Cloud>,
    pub(super) kept: Option<Pool>,
}

pub(super) type Pool = Mutex<HashMap<(String, u16), Connection>>;
pub(super) type Connection = BufReader<StreamOwned<ClientConnection, Timed>>;

// === impl Connector ===

impl Connector {
    pub(super) fn send(
        &self,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Response, Error> {
        let mut connection = match self.take(&request.url) {
            Some(mut kept) => {
                kept.get_mut().sock.deadline = deadline;
                kept
            }
            None => self.connect(&request.url, deadline)?,
        };
        let stream = connection.get_mut();
        let sent = stream.write_all(&request.bytes).and_then(|()| stream.flush());
        let received = Response::read(&mut connection, request.is_head);
        if let Err(sent) = sent {
            // What came back says more than the broken pipe; but a response to half a
            // request is none.
            return Err(received.err().unwrap_or_else(|| sent.into()));
        }
        let response = received?;
        if response.reusable && connection.buffer().is_empty() {
            self.keep(&request.url, connection);
        }
        Ok(response)
    }

    fn connect(&self, url: &Url, deadline: Deadline) -> Result<Connection, Error> {
        let mut tcp = Timed::connect(&self.addresses(url)?, deadline)?;
        let name = ServerName::try_from(url.host.clone());
        let name = name.map_err(|_| Error::Unreachable(Failure::NameNotResolved))?;
        let tls = ClientConnection::new(Arc::clone(&self.tls), name);
        let mut tls = tls.map_err(|_| Error::Unreachable(Failure::TlsAlert))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(BufReader::new(StreamOwned::new(tls, tcp)))
    }

    fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, Error> {
        let found = (url.host.as_str(), url.port).to_socket_addrs();
        let found = found.map(Iterator::collect::<Vec<_>>).unwrap_or_default();
        match &self.cloud {
            Some(cloud) => cloud.check_addresses(&found)?,
            None if found.is_empty() => {
                return Err(Error::Unreachable(Failure::NameNotResolved));
            }
            None => {}
        }
        Ok(found)
    }

    fn take(&self, url: &Url) -> Option<Connection> {
        let mut pool = self.kept.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        pool.remove(&(url.host.clone(), url.port))
    }

    fn keep(&self, url: &Url, connection: Connection) {
        if let Some(pool) = &self.kept {
            let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
            pool.insert((url.host.clone(), url.port), connection);
        }
    }
}
