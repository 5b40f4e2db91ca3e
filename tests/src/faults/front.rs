//! The front's connections: one to the apiserver for each of Envoy's, so that
//! either end sees what becomes of the other.

use std::fs;
use std::future::pending;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Result, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::select;
use tokio::sync::{Notify, oneshot};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::exchange::exchange;
use super::plan::Plan;
use crate::client;
use crate::stack::Stack;

/// What all connections share.
pub(super) struct Front {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    apiserver: u16,
    /// The token of the cluster's admin.
    admin: String,
    pub(super) plan: Arc<Plan>,
    /// Signs tokens.
    pub(super) signing_key: PathBuf,
}

/// Serves on a thread of its own until `stopped` is, or its sender is dropped.
pub(super) fn start(
    stack: &Stack,
    listener: TcpListener,
    apiserver: u16,
    plan: Arc<Plan>,
    stopped: oneshot::Receiver<()>,
) -> Result<JoinHandle<()>> {
    let pki = stack.state().join("pki");
    let chain: Result<_, _> =
        CertificateDer::pem_file_iter(pki.join("apiserver.crt"))?.collect();
    let key = PrivateKeyDer::from_pem_file(pki.join("apiserver.key"))?;
    let mut tls =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain?, key)?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let tokens = fs::read_to_string(pki.join("tokens.csv"))?;
    let front = Arc::new(Front {
        acceptor: Arc::new(tls).into(),
        connector: Arc::new(client::tls(&pki.join("cluster-ca.crt"), b"h2")?).into(),
        apiserver,
        admin: tokens.split(',').next().unwrap_or_default().to_owned(),
        plan,
        signing_key: pki.join("service-accounts.key"),
    });
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok(thread::spawn(move || {
        runtime.block_on(async {
            select! {
                () = front.serve(listener) => {}
                _ = stopped => {}
            }
        });
    }))
}

// === impl Front ===

impl Front {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
        loop {
            if let Ok((tcp, _)) = listener.accept().await {
                let front = Arc::clone(&self);
                // A connection that breaks is an everyday fault here.
                tokio::spawn(async move { front.connection(tcp).await.ok() });
            }
        }
    }

    async fn connection(self: Arc<Self>, tcp: TcpStream) -> Result<()> {
        tcp.set_nodelay(true)?;
        let tls = self.acceptor.accept(tcp).await?;
        let (apiserver, mut lost) = self.connect().await?;
        let mut envoy = h2::server::handshake(tls).await?;
        let hang_up = Arc::new(Notify::new());
        loop {
            select! {
                next = envoy.accept() => {
                    let Some(next) = next else { return Ok(()) };
                    let (request, respond) = next?;
                    let (front, hang_up) = (Arc::clone(&self), Arc::clone(&hang_up));
                    let apiserver = apiserver.clone();
                    tokio::spawn(async move {
                        if exchange(&front, request, respond, apiserver).await.is_break() {
                            hang_up.notify_one();
                        }
                    });
                }
                () = hang_up.notified() => return Ok(()),
                () = &mut lost => {
                    envoy.graceful_shutdown();
                    lost = Box::pin(pending());
                }
            }
        }
    }

    /// A connection to the apiserver, and the moment at which it ends. As with the
    /// endpoints of a Service, there is none until it is ready.
    pub(super) async fn connect(&self) -> Result<(SendRequest<Bytes>, BoxFuture)> {
        let tcp = TcpStream::connect(("127.0.0.1", self.apiserver)).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("kubernetes.default.svc")?;
        let tls = self.connector.connect(name, tcp).await?;
        let (sender, connection) = h2::client::handshake(tls).await?;
        let ended = tokio::spawn(connection);
        // Authenticated: the apiserver closes a connection after an anonymous request.
        let readyz = Request::get("https://kubernetes.default.svc/readyz")
            .header(AUTHORIZATION, format!("Bearer {}", self.admin))
            .body(())?;
        let (answer, _) = sender.clone().ready().await?.send_request(readyz, true)?;
        ensure!(answer.await?.status() == StatusCode::OK, "the apiserver is not ready");
        Ok((sender, Box::pin(async move { drop(ended.await) })))
    }
}

pub(super) type BoxFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
