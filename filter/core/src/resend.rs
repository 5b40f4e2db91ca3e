//! Requests that the gateway sends itself, whole, instead of letting them pass: what the
//! apiserver answered 401, with another token, for nothing was executed; and what only its
//! body told how to send.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::admit::{Forward, Pending, Progress, Sent, Verdict, Wanted, find_caller};
use crate::answer::Answer;
use crate::headers::HeaderList;
use crate::login::Logins;
use crate::policy::Policy;
use crate::policy::account::Account;
use crate::refusal::{Refusal, Refused};
use crate::reply::Reply;
use crate::request::head::Body;
use crate::request::verb::Verb;
use crate::response::view::{self, View};
use crate::response::{self, is_change, is_retried};
use crate::time::{Now, Steady};
use crate::token::tokens::Tokens;
use crate::token::waiting::Resumed;

/// Longer bodies are not kept to be sent once more.
pub const MAX_KEPT_BODY_BYTES: usize = 64 * 1024;

/// What Envoy writes itself into a call.
const NOT_RESENT: [&str; 2] = ["content-length", "x-forwarded-proto"];

/// Of an answer's headers, those that a client gets.
const ANSWERED_HEADERS: [&str; 7] = [
    "audit-id",
    "cache-control",
    "date",
    "retry-after",
    "warning",
    "x-kubernetes-pf-flowschema-uid",
    "x-kubernetes-pf-prioritylevel-uid",
];

/// A request as the client sent it, whole.
#[derive(Clone)]
pub struct Original {
    pub headers: HeaderList,
    pub body: Vec<u8>,
}

/// Without the content: it is a key, and perhaps a Secret.
impl core::fmt::Debug for Original {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Original").finish_non_exhaustive()
    }
}

/// A request that waits for a token to be sent with. It can be resumed once.
#[derive(Debug)]
pub(crate) struct Whole {
    pending: Pending<'static>,
    body: Vec<u8>,
}

/// A request to be sent once more.
pub(crate) struct Ready {
    pub(crate) sent: Sent,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

// === impl Whole ===

impl Whole {
    /// Judges the request again, as it is to be sent. `None` if it cannot be:
    /// the answer to a watch has no end.
    pub(crate) fn new(
        policy: &Policy,
        logins: &mut Logins,
        original: Original,
        now: Now,
    ) -> Option<Self> {
        let Original { headers, body } = original;
        let follows = if body.is_empty() { Body::Empty } else { Body::Follows };
        // Where it comes from was judged when it came.
        let caller = find_caller(policy, Some(logins), &headers, follows, now).ok()?;
        let (pending, watched) = caller.judge(policy).ok()?;
        let mut pending = pending.into_owned();
        let body = match watched {
            None => body,
            Some(watched) => {
                let (_, judged) = watched.judge(&body).ok()?;
                judged
                    .content_type
                    .into_iter()
                    .for_each(|own| pending.set_header("content-type", own));
                judged.body.unwrap_or(body)
            }
        };
        let is_watch = pending.subject().verb == Some(Verb::Watch);
        (!is_watch).then_some(Self { pending, body })
    }

    /// Something that has no body.
    pub(crate) const fn bodiless(pending: Pending<'static>) -> Self {
        Self { pending, body: Vec::new() }
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        self.pending.account()
    }

    /// Ends the wait, or goes on waiting.
    pub(crate) fn resume(self, tokens: &mut Tokens, now: Steady) -> Result<Resumed, Self> {
        let Self { pending, body } = self;
        match pending.resume(tokens, now) {
            Progress::Done(Verdict::Forward(forward)) => Ok(Ready::new(&forward, body)
                .map_or_else(
                    || Resumed::Verdict(refuse(forward.sent(), Refusal::Host)),
                    Resumed::Resend,
                )),
            Progress::Done(verdict) => Ok(Resumed::Verdict(verdict)),
            Progress::Pending(pending) => Err(Self { pending, body }),
        }
    }

    pub(crate) fn refuse(self, refusal: Refusal) -> Verdict<'static> {
        self.pending.refuse(refusal)
    }
}

// === impl Ready ===

impl Ready {
    /// Calls carry text only.
    fn new(forward: &Forward<'static>, body: Vec<u8>) -> Option<Self> {
        Some(Self { sent: forward.sent().clone(), headers: text_headers(forward)?, body })
    }
}

/// Without the values: they are a token, and perhaps a Secret.
impl core::fmt::Debug for Ready {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ready").field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// The header list of a call.
pub(crate) fn text_headers(forward: &Forward<'_>) -> Option<Vec<(&'static str, String)>> {
    let headers = forward.headers.iter().filter(|(name, _)| !NOT_RESENT.contains(name));
    headers.map(|(name, value)| Some((*name, str::from_utf8(value).ok()?.into()))).collect()
}

pub(crate) fn refuse(sent: &Sent, refusal: Refusal) -> Verdict<'static> {
    Verdict::Refuse(Refused::new(sent.subject.clone(), refusal))
}

/// Nothing came in answer.
pub(crate) fn lost(sent: &Sent) -> Verdict<'static> {
    let cause = "the apiserver did not answer".to_owned();
    refuse(
        sent,
        match is_change(sent) {
            true => Refusal::OutcomeUnknown(cause),
            false => Refusal::NoAnswer,
        },
    )
}

/// A 401 means nothing to a client but that its own key is wrong.
pub(crate) fn rejected(sent: &Sent) -> Verdict<'static> {
    refuse(sent, Refusal::TokenRejected(Arc::clone(&sent.account)))
}

/// What the client gets for the answer to what the gateway has sent itself.
pub(crate) fn verdict(sent: &Sent, answer: &Answer) -> Verdict<'static> {
    let json =
        answer.text("content-type").is_some_and(|own| own.starts_with("application/json"));
    match (answer.status(), answer) {
        (Some(401), _) => rejected(sent),
        (Some(code), Answer::Some { .. }) if is_retried(code) && is_change(sent) => {
            let cause = format!("the apiserver answered {code}");
            refuse(sent, Refusal::OutcomeUnknown(cause))
        }
        (Some(code @ 200), Answer::Some { body, .. }) if json => match &sent.answer {
            Wanted::View(View::Full) | Wanted::Log(_) | Wanted::Wait(_) => {
                passed_on(code, answer, body.clone())
            }
            Wanted::View(View::Compact) => passed_on(code, answer, response::compact(body)),
            Wanted::View(View::Table) => match view::table(body) {
                Some(body) => passed_on(code, answer, body),
                None => refuse(sent, Refusal::NoView),
            },
        },
        // Envoy answers 502 to 504 in the apiserver's place, but not in JSON.
        (Some(code), Answer::Some { body, .. }) if json => {
            passed_on(code, answer, body.clone())
        }
        (Some(code), Answer::Some { headers, body }) if !(502..=504).contains(&code) => {
            passed_on(code, answer, response::whole(sent, headers, body))
        }
        // What only reads may be asked for again.
        _ if is_change(sent) => lost(sent),
        (None, _) if sent.answer.is_whole() => refuse(sent, Refusal::TooLarge),
        _ if sent.answer.is_whole() => refuse(sent, Refusal::NoAnswer),
        _ => rejected(sent),
    }
}

fn passed_on(code: u16, answer: &Answer, body: Vec<u8>) -> Verdict<'static> {
    let own = |name| Some((name, answer.text(name)?.to_owned()));
    let headers = ANSWERED_HEADERS.into_iter().filter_map(own);
    let json = ("content-type", "application/json".to_owned());
    Verdict::Answer(Reply::passed_on(code, headers.chain([json]).collect(), body))
}
