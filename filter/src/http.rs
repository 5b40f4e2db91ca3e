//! One stream.

use std::rc::Rc;
use std::time::Duration;

use keyhole_core::{Body, Policy, Progress, Refusal, Refused, Verdict, admit};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, Status};

use crate::{host, worker};

/// "As soon as the root context can."
const SOON: Duration = Duration::from_millis(1);

pub(crate) struct Http {
    stream: u32,
    policy: Rc<Policy>,
}

/// What becomes of a stream.
pub(crate) enum Outcome {
    Forwarded,
    Refused,
}

impl Http {
    pub(crate) fn new(stream: u32, policy: Rc<Policy>) -> Self {
        Self { stream, policy }
    }

    fn judge(&self, body: Body) -> Result<Action, Status> {
        let headers = host::request_headers()?;
        let now = host::now();
        let progress = worker::with(|worker| {
            match admit(&self.policy, &headers, body, &mut worker.tokens, now) {
                Progress::Done(verdict) => Some(verdict),
                Progress::Pending(pending) => {
                    worker.waiting.push(self.stream, pending, now).err()
                }
            }
        });
        match progress {
            Some(verdict) => Ok(match carry_out(&verdict)? {
                Outcome::Forwarded => Action::Continue,
                Outcome::Refused => Action::Pause,
            }),
            None => host::tick_every(SOON).map(|()| Action::Pause),
        }
    }
}

/// Does to the current stream what the core says.
pub(crate) fn carry_out(verdict: &Verdict<'_>) -> Result<Outcome, Status> {
    match verdict {
        Verdict::Forward(forward) => {
            host::replace_request_headers(forward).map(|()| Outcome::Forwarded)
        }
        Verdict::Refuse(refused) => refuse(refused).map(|()| Outcome::Refused),
    }
}

fn refuse(Refused { client, refusal }: &Refused) -> Result<(), Status> {
    let reply = refusal.reply();
    let client = client.as_deref().unwrap_or("-");
    log::info!("refused code={} client={client}: {refusal}", reply.code);
    host::send_reply(&reply)
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let body = if end_of_stream { Body::Empty } else { Body::Follows };
        self.judge(body).unwrap_or_else(|_| {
            let refused = Refused { client: None, refusal: Refusal::Host };
            // Paused without a reply, the stream ends at Envoy's timeout: a deny.
            refuse(&refused).map_or(Action::Pause, |()| Action::Pause)
        })
    }

    /// Nobody needs them, and they could carry what headers may not.
    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        host::drop_request_trailers().map_or(Action::Pause, |()| Action::Continue)
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        worker::with(|worker| worker.waiting.remove(self.stream));
    }
}
