//! Waits in a client's place until an object is as it wants it.
//!
//! ```text
//!  GET the object ──> met, failed, gone ──────────────> WaitResult
//!        │  not yet                                        ▲
//!        ▼                                                 │
//!  watch it for some seconds ──> an event says so ─────────┤
//!        └───────┘  nothing yet                  time is up┘
//! ```
//!
//! The host hands over answers only when they are whole, so a watch is asked for in short
//! pieces, each from where the last one ended.

pub(crate) mod condition;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::{Value, json};

use self::condition::{Condition, Outcome};
use crate::admit::{Pending, Progress, Sent, Verdict};
use crate::answer::Answer;
use crate::pod::lifecycle::Flight;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::Request;
use crate::request::attributes::Attributes;
use crate::request::head::Head;
use crate::request::query;
use crate::request::verb::Verb;
use crate::resend;
use crate::response::{view, wrapper};
use crate::time::Steady;
use crate::token::tokens::Tokens;

/// SQL Server's own limit is 230 s.
const SECONDS: core::ops::RangeInclusive<u64> = 1..=220;
/// How long a piece of a watch lasts, and thus how late news can be.
const PIECE: Duration = Duration::from_secs(3);
/// How much longer its answer may take.
const LATE: Duration = Duration::from_secs(5);
/// After an answer that is none.
const PAUSE: Duration = Duration::from_secs(1);
/// Larger answers are not looked at: each of those that wait may hold one.
const MOST_BYTES: usize = 256 * 1024;
/// Of one worker; each has a request under way all the time.
const MOST: usize = 64;
/// So that others can wait, too.
const MOST_OF_CLIENT: usize = 16;

/// What a client asks for by the header `x-keyhole-wait` and the query's `for`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Wanted {
    condition: Condition,
    seconds: u64,
    /// The path of the object, and of the list that it is in.
    path: String,
    name: String,
}

/// Why there is nothing to wait for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unwanted {
    #[error(
        "`x-keyhole-wait` does not say what for: add `for=complete`, `for=ready` or `for=deleted` to the query"
    )]
    For,
    #[error(
        "one can wait only for an object, by a GET with its name: leave `x-keyhole-wait` out"
    )]
    Object,
    #[error("`x-keyhole-wait` is no number of seconds from 1 to 220: write one")]
    Seconds,
    #[error(
        "`for` does not say how long to wait: add the header `x-keyhole-wait` with a number of seconds"
    )]
    Time,
}

/// A client that waits.
#[derive(Debug)]
pub(crate) struct Wait {
    wanted: Wanted,
    pending: Pending<'static>,
    until: Steady,
    step: Step,
    /// The object as it was seen last.
    object: Value,
}

#[derive(Debug)]
enum Step {
    /// To be asked for, but not before this.
    Ask(Next, Steady),
    /// Asked for; lost if there is no answer by then.
    Asked { next: Next, at: Steady, lost_at: Steady },
}

#[derive(Clone, Debug)]
enum Next {
    Get,
    /// From this resource version on.
    Watch(String),
}

/// What to do for a wait now.
#[derive(Debug)]
pub(crate) enum Turn {
    Call { headers: Vec<(&'static str, String)>, timeout: Duration, sent: Sent },
    End(Verdict<'static>),
    Wait,
}

fn is_status(answer: &Answer) -> bool {
    let kind = |document: Value| document.get("kind").is_some_and(|kind| kind == "Status");
    answer.json().is_some_and(kind)
}

// === impl Wanted ===

impl Wanted {
    pub(crate) fn of(head: &Head<'_>, request: &Request<'_>) -> Result<Option<Self>, Unwanted> {
        let Some(seconds) = head.wait else {
            return request.own("for").map_or(Ok(None), |_| Err(Unwanted::Time));
        };
        let Attributes::Resource(asked) = &request.attributes else {
            return Err(Unwanted::Object);
        };
        if asked.verb != Verb::Get || asked.name.is_empty() || !asked.subresource.is_empty() {
            return Err(Unwanted::Object);
        }
        let seconds = str::from_utf8(seconds).ok().and_then(|text| text.parse().ok());
        let seconds = seconds.filter(|seconds| SECONDS.contains(seconds));
        let condition = request.own("for").and_then(Condition::parse);
        Ok(Some(Self {
            condition: condition.ok_or(Unwanted::For)?,
            seconds: seconds.ok_or(Unwanted::Seconds)?,
            path: request.path().to_string(),
            name: asked.name.to_string(),
        }))
    }

    /// What it takes to wait beside the object itself.
    pub(crate) fn watch(&self) -> String {
        self.target(&Next::Watch(String::new()), PIECE)
    }

    /// The path of one step.
    fn target(&self, next: &Next, piece: Duration) -> String {
        match next {
            Next::Get => self.path.clone(),
            Next::Watch(version) => {
                let list = self.path.rsplit_once('/').map_or("", |(list, _)| list);
                let mut target = String::from(list);
                for (name, value) in [
                    ("watch", "true"),
                    ("fieldSelector", &format!("metadata.name={}", self.name)),
                    ("resourceVersion", version),
                    ("timeoutSeconds", &piece.as_secs().max(1).to_string()),
                ] {
                    query::append(&mut target, name, value);
                }
                target
            }
        }
    }
}

// === impl Wait ===

impl Wait {
    pub(crate) fn new(wanted: Wanted, pending: Pending<'static>, now: Steady) -> Self {
        let until = now.after(Duration::from_secs(wanted.seconds));
        let step = Step::Ask(Next::Get, now);
        Self { wanted, pending, until, step, object: Value::Null }
    }

    /// Whether there is room for one more beside the others.
    pub(crate) fn fits<'a>(
        pending: &Pending<'_>,
        others: impl ExactSizeIterator<Item = &'a Self>,
    ) -> bool {
        let client = pending.subject().client();
        others.len() < MOST
            && others.filter(|other| other.pending.subject().client() == client).count()
                < MOST_OF_CLIENT
    }

    pub(crate) fn turn(&mut self, tokens: &mut Tokens, now: Steady) -> Turn {
        if now >= self.until {
            return Turn::End(self.end(Outcome::Timeout));
        }
        let next = match &self.step {
            Step::Ask(next, not_before) if now >= *not_before => next.clone(),
            Step::Asked { next, lost_at, .. } if now >= *lost_at => next.clone(),
            Step::Ask(..) | Step::Asked { .. } => return Turn::Wait,
        };
        let forward = match self.pending.clone().resume(tokens, now) {
            Progress::Pending(_) => return Turn::Wait,
            Progress::Done(Verdict::Forward(forward)) => forward,
            Progress::Done(verdict) => return Turn::End(verdict),
        };
        let piece = now.until(self.until).min(PIECE);
        let target = self.wanted.target(&next, piece);
        let Some(mut headers) = resend::text_headers(&forward) else {
            return Turn::End(self.pending.clone().refuse(Refusal::Host));
        };
        for (name, value) in &mut headers {
            match *name {
                ":path" => value.clone_from(&target),
                "accept" => *value = String::from("application/json"),
                _ => {}
            }
        }
        let timeout = piece.saturating_add(LATE);
        let lost_at = now.after(timeout.saturating_add(PAUSE));
        self.step = Step::Asked { next, at: now, lost_at };
        Turn::Call { headers, timeout, sent: forward.sent().clone() }
    }

    /// Takes in an answer; a verdict if the wait is over.
    pub(crate) fn answered(
        &mut self,
        answer: &Answer,
        now: Steady,
    ) -> Option<Verdict<'static>> {
        let Step::Asked { next, at, .. } = &self.step else { return None };
        let (next, at) = (next.clone(), *at);
        match (answer.status(), &next) {
            (Some(200), _) if answer.body().len() > MOST_BYTES => {
                Some(self.pending.clone().refuse(Refusal::TooLarge))
            }
            (Some(200), Next::Get) => self.see(answer.json()?, now),
            // Who does not hold a watch open would be asked without end.
            (Some(200), Next::Watch(_)) => {
                let not_before = now.max(at.after(PAUSE));
                self.see_events(answer.body(), &next, not_before)
            }
            (Some(404), Next::Get)
                if self.wanted.condition == Condition::Deleted && is_status(answer) =>
            {
                Some(self.end(Outcome::Met))
            }
            // It has gone while it was waited for.
            (Some(404), _) if !self.object.is_null() => Some(self.end(Outcome::Failed)),
            // The version is too old to watch from.
            (Some(410), _) => self.ask(Next::Get, now.after(PAUSE)),
            (Some(code @ (400..=499)), _) if ![401, 408, 429].contains(&code) => {
                let body = match is_status(answer) {
                    true => answer.body().to_vec(),
                    false => wrapper::error(code, answer.body()).into_bytes(),
                };
                Some(Verdict::Answer(Reply::of_apiserver(code, body)))
            }
            _ => self.ask(next, now.after(PAUSE)),
        }
    }

    fn ask(&mut self, next: Next, not_before: Steady) -> Option<Verdict<'static>> {
        self.step = Step::Ask(next, not_before);
        None
    }

    fn see(&mut self, object: Value, now: Steady) -> Option<Verdict<'static>> {
        let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let next = Next::Watch(version.unwrap_or_default().to_string());
        let outcome = self.wanted.condition.outcome(&object);
        self.object = object;
        match outcome {
            Some(outcome) => Some(self.end(outcome)),
            None => self.ask(next, now),
        }
    }

    /// One event a line, as the apiserver writes them.
    fn see_events(
        &mut self,
        body: &[u8],
        asked: &Next,
        now: Steady,
    ) -> Option<Verdict<'static>> {
        self.step = Step::Ask(asked.clone(), now);
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(mut event) = serde_json::from_slice::<Value>(line) else { break };
            let object = event.get_mut("object").map(Value::take).unwrap_or_default();
            match event.get("type").and_then(Value::as_str) {
                Some("ADDED" | "MODIFIED") => {
                    if let Some(verdict) = self.see(object, now) {
                        return Some(verdict);
                    }
                }
                Some("DELETED") => {
                    self.object = object;
                    let met = self.wanted.condition == Condition::Deleted;
                    return Some(self.end(if met { Outcome::Met } else { Outcome::Failed }));
                }
                Some("ERROR") => return self.ask(Next::Get, now.after(PAUSE)),
                _ => {}
            }
        }
        None
    }

    fn end(&mut self, outcome: Outcome) -> Verdict<'static> {
        let mut object = core::mem::take(&mut self.object);
        view::strip(&mut object);
        Verdict::Answer(Reply::json(
            200,
            &json!({
                "apiVersion": "keyhole/v1", "kind": "WaitResult",
                "condition": self.wanted.condition.as_str(), "outcome": outcome.as_str(),
                "object": object,
            }),
        ))
    }

    /// The token was not accepted.
    pub(crate) fn rejected(&self, tokens: &mut Tokens, flight: Flight, now: Steady) {
        tokens.reject(self.pending.account(), flight, now);
    }
}

#[cfg(test)]
mod tests;
