//! One stream.

use std::rc::Rc;
use std::time::Duration;

use keyhole_core::response::{self, Converter};
use keyhole_core::{
    Arrival, Body, HeaderList, Judged, Original, Policy, Refusal, Refused, Sent, Step, Subject,
    Verdict, claims,
};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, Status};

use crate::body::Kept;
use crate::{host, worker};

/// "As soon as the root context can."
pub(crate) const SOON: Duration = Duration::from_millis(1);

pub(crate) struct Http {
    stream: u32,
    policy: Option<Rc<Policy>>,
    sent: Option<Sent>,
    headers: HeaderList,
    body: Kept,
    converter: Option<Box<Converter>>,
}

/// What becomes of a stream.
pub(crate) enum Outcome {
    Forwarded,
    Answered,
}

impl Http {
    pub(crate) fn new(stream: u32, policy: Option<Rc<Policy>>) -> Self {
        Self {
            stream,
            policy,
            sent: None,
            headers: HeaderList::default(),
            body: Kept::default(),
            converter: None,
        }
    }

    fn judge(&mut self, body: Body) -> Result<Action, Status> {
        self.headers = host::request_headers()?;
        #[cfg(feature = "crash")]
        crash(&self.headers);
        let now = host::now();
        let source = self.source();
        let headers = &self.headers;
        let verdict = worker::with_shared(|worker, shared| match &self.policy {
            Some(policy) => {
                let arrival = Arrival { headers, body, source: source.as_deref() };
                worker.request(policy, self.stream, &arrival, shared, now)
            }
            None => Some(worker.request_without_policy(headers)),
        });
        // Of somebody whose key is right.
        let is_known = match &verdict {
            None | Some(Verdict::Forward(_)) => true,
            Some(Verdict::Refuse(refused)) => refused.subject.holder.is_some(),
            Some(Verdict::Answer(_)) => false,
        };
        if is_known && let Some(claims) = claims(&self.headers) {
            host::set_claims(&claims)?;
        }
        let Some(verdict) = verdict else {
            if let Some((subject, record)) =
                worker::with(|worker| worker.take_record(self.stream))
            {
                name(&subject)?;
                host::set_decision(&record)?;
            }
            return host::tick_every(SOON).map(|()| Action::Pause);
        };
        if let Verdict::Forward(forward) = &verdict {
            self.sent = Some(forward.sent().clone());
        }
        Ok(match carry_out(&verdict)? {
            Outcome::Forwarded => Action::Continue,
            Outcome::Answered => Action::Pause,
        })
    }

    fn send_whole(&mut self, body: Vec<u8>) -> Result<Action, Status> {
        let Some(policy) = &self.policy else { return Err(Status::InternalFailure) };
        self.sent = None;
        let original = Original { headers: std::mem::take(&mut self.headers), body };
        let now = host::now();
        let verdict =
            worker::with(|worker| worker.send_whole(policy, self.stream, original, now));
        pause(verdict.as_ref())
    }

    fn source(&self) -> Option<Vec<u8>> {
        let policy = self.policy.as_ref()?;
        policy.asks_for_source().then(host::source).flatten()
    }

    fn more_of_body(&mut self, here: usize, end: bool) -> Result<Action, Status> {
        match worker::with(|worker| worker.body(self.stream, here, end)) {
            Step::Hold => Ok(Action::Pause),
            Step::Judge => self.judge_body(),
            Step::Pass => {
                self.body.add(here, end);
                Ok(Action::Continue)
            }
            Step::Refuse(refused) => refuse(&refused).map(|()| Action::Pause),
        }
    }

    fn judge_body(&mut self) -> Result<Action, Status> {
        let body = host::whole_request_body()?;
        match worker::with(|worker| worker.whole_body(self.stream, &body)) {
            Ok(Judged { reported, content_type, body: other }) => {
                reported.as_ref().map_or(Ok(()), report)?;
                // What the head said cannot be changed any more.
                if content_type.is_some() {
                    return self.send_whole(body);
                }
                if let Some(other) = other {
                    host::replace_request_body(&other)?;
                }
                self.body = Kept::whole(body);
                Ok(Action::Continue)
            }
            Err(refused) => refuse(&refused).map(|()| Action::Pause),
        }
    }

    fn judge_response(&mut self, end: bool) -> Result<Action, Status> {
        let resumed = || worker::with(|worker| worker.take_sent(self.stream));
        // Without it, the reply is the filter's own.
        let Some(sent) = self.sent.take().or_else(resumed) else {
            return Ok(Action::Continue);
        };
        let headers = host::response_headers()?;
        let step = response::judge(&sent, &headers, end);
        if !matches!(step, response::Step::Unauthorized) {
            self.headers = HeaderList::default();
            self.body = Kept::default();
        }
        match step {
            response::Step::Answer(reply) => host::send_reply(&reply).map(|()| Action::Pause),
            response::Step::AskDetails => {
                match response::outcome(&sent, &headers, &host::response_details()) {
                    Some(refused) => refuse(&refused).map(|()| Action::Pause),
                    None => Ok(Action::Continue),
                }
            }
            response::Step::Convert(headers, converter) => {
                self.converter = Some(converter);
                host::replace_response_headers(&headers).map(|()| Action::Continue)
            }
            response::Step::Pass => Ok(Action::Continue),
            response::Step::Rewrite(headers) => {
                host::replace_response_headers(&headers).map(|()| Action::Continue)
            }
            response::Step::Unauthorized => self.unauthorized(&sent),
        }
    }

    /// The apiserver did not accept the token.
    fn unauthorized(&mut self, sent: &Sent) -> Result<Action, Status> {
        let Some(policy) = &self.policy else { return Ok(Action::Continue) };
        let headers = std::mem::take(&mut self.headers);
        let original = self.body.take().map(|body| Original { headers, body });
        let now = host::now();
        let verdict = worker::with(|worker| {
            worker.unauthorized(policy, self.stream, sent, original, now)
        });
        pause(verdict.as_ref())
    }
}

/// Does to the current stream what the core says.
pub(crate) fn carry_out(verdict: &Verdict<'_>) -> Result<Outcome, Status> {
    match verdict {
        Verdict::Answer(reply) => host::send_reply(reply).map(|()| Outcome::Answered),
        Verdict::Forward(forward) => {
            if let Some(refused) = forward.reported() {
                report(refused)?;
            }
            name(forward.subject())?;
            host::replace_request_headers(forward).map(|()| Outcome::Forwarded)
        }
        Verdict::Refuse(refused) => refuse(refused).map(|()| Outcome::Answered),
    }
}

/// The stream waits for the root context, or for its reply to be sent.
fn pause(verdict: Option<&Verdict<'_>>) -> Result<Action, Status> {
    host::tick_every(SOON)?;
    verdict.map_or(Ok(()), |verdict| carry_out(verdict).map(drop))?;
    Ok(Action::Pause)
}

fn refuse(refused: &Refused) -> Result<(), Status> {
    let Refused { subject, refusal, .. } = refused;
    let reply = refusal.reply();
    let client = subject.client().map_or("-", |client| client);
    log::info!("refused code={} client={client}: {refusal}", reply.code);
    name(subject)?;
    if let Some(record) = refused.record() {
        host::set_decision(&record)?;
    }
    host::send_reply(&reply)
}

/// Says what is done, but would be refused if all rules were enforced.
fn report(refused: &Refused) -> Result<(), Status> {
    let Refused { subject, refusal, .. } = refused;
    let client = subject.client().map_or("-", |client| client);
    log::info!("reported client={client}: {refusal}");
    refused.report().map_or(Ok(()), |record| host::set_decision(&record))
}

/// Tells the access log who calls.
fn name(subject: &Subject) -> Result<(), Status> {
    subject.holder.as_ref().map_or(Ok(()), |holder| host::set_caller(&holder.record))
}

/// Nothing goes on that could not be handled. Paused without a reply, the stream
/// ends at Envoy's timeout: a deny.
fn deny(_: Status) -> Action {
    let refused = Refused { subject: Subject::default(), refusal: Refusal::Host, asked: None };
    refuse(&refused).map_or(Action::Pause, |()| Action::Pause)
}

#[cfg(feature = "crash")]
#[expect(clippy::panic, reason = "this build is for the test of a trap")]
fn crash(headers: &HeaderList) {
    if headers.get("x-keyhole-crash").is_some() {
        panic!("told to");
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        if end_of_stream {
            self.body.end();
        }
        let body = if end_of_stream { Body::Empty } else { Body::Follows };
        self.judge(body).unwrap_or_else(deny)
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.more_of_body(size, end_of_stream).unwrap_or_else(deny)
    }

    /// Nobody needs them, and they could carry what headers may not.
    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        host::drop_request_trailers()
            .and_then(|()| self.more_of_body(0, true))
            .unwrap_or_else(deny)
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.judge_response(end_of_stream).unwrap_or_else(deny)
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(converter) = &mut self.converter else { return Action::Continue };
        let converted = host::response_body(size).and_then(|part| {
            host::replace_response_body(size, &converter.convert(&part, end_of_stream))
        });
        // Half a document is no document: the client sees that the stream is broken.
        converted.map_or(Action::Pause, |()| Action::Continue)
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        worker::with_shared(|worker, shared| worker.ended(self.stream, shared));
    }
}
