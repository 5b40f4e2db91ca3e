//! One request through the front.

use std::future::{pending, poll_fn};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use tokio::select;
use tokio::time::sleep;

use super::answers::Answer;
use super::front::Front;
use super::{Fault, Kind, forgery};

/// Long enough for half an answer to leave.
const HALF_WAY: Duration = Duration::from_millis(50);

/// Serves a request. `Break` if its connection is to be dropped.
pub(super) async fn exchange(
    front: &Front,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    apiserver: SendRequest<Bytes>,
) -> ControlFlow<()> {
    let kind = Kind::of(request.method(), request.uri().path());
    let fault = front.plan.meets(kind, request.uri().path(), request.headers());
    let hang_up = matches!(fault, Some(Fault::HangUp));
    let served = serve(front, kind, fault, request, &mut respond, apiserver).await;
    if let Err(error) = served {
        let reason = error.downcast_ref::<h2::Error>().and_then(h2::Error::reason);
        respond.send_reset(reason.unwrap_or(Reason::INTERNAL_ERROR));
    }
    if hang_up { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

async fn serve(
    front: &Front,
    kind: Kind,
    fault: Option<Fault>,
    request: Request<RecvStream>,
    respond: &mut SendResponse<Bytes>,
    apiserver: SendRequest<Bytes>,
) -> Result<()> {
    let signing_key = &front.signing_key;
    let answer = match fault {
        None => return forward(front, kind, request, respond, apiserver).await,
        Some(Fault::Slow(time)) => {
            unless_given_up(respond, sleep(time)).await?;
            return forward(front, kind, request, respond, apiserver).await;
        }
        Some(Fault::Reply { code, headers, parts }) => {
            return reply(respond, code, &headers, parts).await;
        }
        Some(Fault::Lost) => {
            front.plan.forwarded(request.method());
            whole(front, request, apiserver).await?;
            anyhow::bail!("the answer is lost")
        }
        Some(Fault::Silence) => return unless_given_up(respond, pending()).await,
        Some(Fault::Reset | Fault::HangUp) => {
            let answer = Answer::token("an answer that never ends");
            let mut stream = respond.send_response(answer.head()?, false)?;
            send(&mut stream, answer.body.slice(..answer.body.len() / 2)).await?;
            sleep(HALF_WAY).await;
            stream.send_reset(Reason::INTERNAL_ERROR);
            return Ok(());
        }
        Some(Fault::Status { code, retry_after }) => Answer::status(code, retry_after),
        Some(Fault::Unauthorized(_) | Fault::Revoked) => Answer::status(401, None),
        Some(Fault::Garbage) => Answer::garbage(),
        Some(Fault::Huge) => Answer::huge(),
        Some(Fault::AnotherAccount(account)) => {
            whole(front, of_account(request, &account)?, apiserver).await?
        }
        Some(Fault::Expired) => whole(front, request, apiserver)
            .await?
            .with_token(|token| forgery::expired(token, signing_key))?,
        Some(Fault::BadSignature) => {
            whole(front, request, apiserver).await?.with_token(forgery::badly_signed)?
        }
    };
    let mut stream = respond.send_response(answer.head()?, false)?;
    send(&mut stream, answer.body).await?;
    stream.send_data(Bytes::new(), true)?;
    Ok(())
}

async fn reply(
    respond: &mut SendResponse<Bytes>,
    code: u16,
    headers: &[(&'static str, String)],
    parts: Vec<Vec<u8>>,
) -> Result<()> {
    let mut head = Response::builder().status(code);
    for (name, value) in headers {
        head = head.header(*name, value);
    }
    let mut stream = respond.send_response(head.body(())?, parts.is_empty())?;
    if parts.is_empty() {
        return Ok(());
    }
    for part in parts {
        send(&mut stream, part.into()).await?;
        sleep(Duration::from_millis(5)).await;
    }
    stream.send_data(Bytes::new(), true)?;
    Ok(())
}

/// Passes the request on, and back whatever comes, as it comes.
async fn forward(
    front: &Front,
    kind: Kind,
    request: Request<RecvStream>,
    respond: &mut SendResponse<Bytes>,
    apiserver: SendRequest<Bytes>,
) -> Result<()> {
    if kind == Kind::Clients {
        front.plan.forwarded(request.method());
    }
    let answered = unless_given_up(respond, ask(front, request, apiserver)).await??;
    let (head, body) = answered.into_parts();
    let ended = body.is_end_stream();
    let mut stream = respond.send_response(Response::from_parts(head, ()), ended)?;
    if ended { Ok(()) } else { pump(body, &mut stream).await }
}

async fn ask(
    front: &Front,
    request: Request<RecvStream>,
    apiserver: SendRequest<Bytes>,
) -> Result<Response<RecvStream>> {
    let (head, body) = request.into_parts();
    // The apiserver may be about to close this connection: nothing is sent twice.
    let mut apiserver = match apiserver.ready().await {
        Ok(apiserver) => apiserver,
        Err(_) => front.connect().await?.0,
    };
    let ended = body.is_end_stream();
    let (answer, mut stream) = apiserver.send_request(Request::from_parts(head, ()), ended)?;
    if !ended {
        pump(body, &mut stream).await?;
    }
    Ok(answer.await?)
}

/// The whole answer of the real apiserver.
async fn whole(
    front: &Front,
    request: Request<RecvStream>,
    apiserver: SendRequest<Bytes>,
) -> Result<Answer> {
    let (head, mut body) = ask(front, request, apiserver).await?.into_parts();
    let mut whole = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        whole.extend_from_slice(&chunk);
    }
    Ok(Answer { code: head.status, retry_after: None, body: whole.into() })
}

/// The same TokenRequest, for another account.
fn of_account<B>(mut request: Request<B>, account: &str) -> Result<Request<B>> {
    let (namespace, name) = account.split_once('/').context("an account is NAMESPACE/NAME")?;
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path)?);
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(request)
}

/// Waits, unless Envoy resets the stream first.
async fn unless_given_up<T>(
    respond: &mut SendResponse<Bytes>,
    wait: impl Future<Output = T>,
) -> Result<T> {
    select! {
        result = wait => Ok(result),
        reason = poll_fn(|context| respond.poll_reset(context)) => {
            anyhow::bail!("given up: {:?}", reason)
        }
    }
}

async fn pump(mut from: RecvStream, to: &mut SendStream<Bytes>) -> Result<()> {
    while let Some(chunk) = from.data().await {
        let chunk = chunk?;
        from.flow_control().release_capacity(chunk.len())?;
        send(to, chunk).await?;
    }
    match from.trailers().await? {
        Some(trailers) => to.send_trailers(trailers)?,
        None => to.send_data(Bytes::new(), true)?,
    }
    Ok(())
}

/// Sends as the other end has room.
async fn send(to: &mut SendStream<Bytes>, mut data: Bytes) -> Result<()> {
    while !data.is_empty() {
        to.reserve_capacity(data.len());
        if to.capacity() == 0 {
            poll_fn(|context| to.poll_capacity(context))
                .await
                .context("the stream ended")??;
        }
        let room = to.capacity().min(data.len());
        to.send_data(data.split_to(room), false)?;
    }
    Ok(())
}

// === impl Answer ===

impl Answer {
    fn head(&self) -> Result<Response<()>> {
        let mut head = Response::builder()
            .status(self.code)
            .header("content-type", "application/json")
            .header("content-length", self.body.len());
        if let Some(seconds) = self.retry_after {
            head = head.header("retry-after", seconds);
        }
        if self.code == StatusCode::UNAUTHORIZED {
            head = head.header("www-authenticate", "Basic realm=\"kubernetes-master\"");
        }
        Ok(head.body(())?)
    }
}
