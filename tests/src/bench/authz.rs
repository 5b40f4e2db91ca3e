//! Services that allow everything at once: what asking somebody else costs at least.

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use clap::ValueEnum;
use http::{HeaderMap, HeaderValue, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// A `CheckResponse` with the status OK, as a gRPC message: not compressed, its length,
/// then field 1, empty.
const ALLOWED: &[u8] = &[0, 0, 0, 0, 2, 0x0a, 0];

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Protocol {
    Grpc,
    Http,
}

// === impl Protocol ===

impl Protocol {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// Serves until the process ends.
pub fn serve(protocol: Protocol, port: u16) -> Result<()> {
    Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection that fails is Envoy's to open again.
            tokio::spawn(async move {
                match protocol {
                    Protocol::Grpc => grpc(stream).await,
                    Protocol::Http => http(stream).await,
                }
            });
        }
    })
}

async fn http(mut stream: TcpStream) -> Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let mut received = BytesMut::new();
    loop {
        while let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            drop(received.split_to(end + 4));
            stream.write_all(ANSWER).await?;
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

async fn grpc(stream: TcpStream) -> Result<()> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(part) = body.data().await {
                body.flow_control().release_capacity(part?.len())?;
            }
            let head = Response::builder().header("content-type", "application/grpc");
            let mut sending = respond.send_response(head.body(())?, false)?;
            sending.send_data(Bytes::from_static(ALLOWED), false)?;
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            sending.send_trailers(trailers).context("the stream has ended")
        });
    }
    Ok(())
}
