//! A request that the apiserver answered 401: it did not accept the token. Nothing
//! was executed, so the request may be sent once more, with another token.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::admit::{Sent, Verdict};
use crate::answer::Answer;
use crate::refusal::{Refusal, Refused};
use crate::reply::Reply;
use crate::time::Steady;
use crate::token::lifecycle::Held;
use crate::token::tokens::Tokens;

/// Longer bodies are not kept to be sent once more.
pub const MAX_KEPT_BODY_BYTES: usize = 64 * 1024;

/// The headers that are read again from what was sent: those that the filter wrote,
/// but for the token, and for what Envoy writes itself.
pub const RESENT_HEADERS: [&str; 9] = [
    ":method",
    ":path",
    ":authority",
    ":scheme",
    "accept",
    "audit-id",
    "content-type",
    "user-agent",
    "x-request-id",
];

/// Of an answer's headers, those that a client gets.
const ANSWERED_HEADERS: [&str; 8] = [
    "audit-id",
    "cache-control",
    "content-type",
    "date",
    "retry-after",
    "warning",
    "x-kubernetes-pf-flowschema-uid",
    "x-kubernetes-pf-prioritylevel-uid",
];

/// A request as it was sent, whole.
#[derive(Clone)]
pub struct Original {
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// A request that waits for another token. It can be resumed once.
#[derive(Debug)]
pub(crate) struct Unauthorized {
    sent: Sent,
    original: Original,
}

/// A request to be sent once more.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) sent: Sent,
    pub(crate) original: Original,
}

// === impl Original ===

impl Original {
    /// A watch is not sent again: its answer has no end.
    fn can_be_resent(&self) -> bool {
        let path = self.headers.iter().find(|(name, _)| *name == ":path");
        path.is_some_and(|(_, path)| !path.split(['?', '&']).any(|part| part == "watch=true"))
    }
}

/// Without the body: it may be a Secret.
impl core::fmt::Debug for Original {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Original").finish_non_exhaustive()
    }
}

// === impl Unauthorized ===

impl Unauthorized {
    /// `None` if the request cannot be sent once more.
    pub(crate) fn new(sent: &Sent, original: Option<Original>) -> Option<Self> {
        let original = original.filter(Original::can_be_resent)?;
        Some(Self { sent: sent.clone(), original })
    }

    pub(crate) fn sent(&self) -> &Sent {
        &self.sent
    }

    /// Ends the wait, or goes on waiting.
    pub(crate) fn resume(
        self,
        tokens: &mut Tokens,
        now: Steady,
    ) -> Result<Result<Ready, Verdict<'static>>, Self> {
        let Self { mut sent, mut original } = self;
        match tokens.get(&sent.account, now) {
            Ok(Some(Held { value: token, flight, .. })) => {
                sent.flight = *flight;
                original.headers.push(("authorization", token.bearer()));
                Ok(Ok(Ready { sent, original }))
            }
            Ok(None) => Err(Self { sent, original }),
            Err((until, failure)) => {
                let account = (*sent.account).to_owned();
                let refusal = Refusal::token(account, failure, now.until(until));
                Ok(Err(refuse(&sent, refusal)))
            }
        }
    }
}

pub(crate) fn refuse(sent: &Sent, refusal: Refusal) -> Verdict<'static> {
    Verdict::Refuse(Refused { subject: sent.subject.clone(), refusal })
}

/// What the client gets for the answer to the second attempt.
pub(crate) fn verdict(sent: &Sent, answer: &Answer) -> Verdict<'static> {
    let json =
        answer.text("content-type").is_some_and(|own| own.starts_with("application/json"));
    match (answer.status(), answer) {
        (Some(401), _) => {
            let account = Box::new((*sent.account).to_owned());
            refuse(sent, Refusal::TokenRejected(account))
        }
        // Envoy answers so in the apiserver's place.
        (Some(502..=504) | None, _) | (_, Answer::None) if !json => {
            refuse(sent, Refusal::NoAnswer)
        }
        (None, _) | (_, Answer::None) => refuse(sent, Refusal::NoAnswer),
        (Some(code), Answer::Some { body, .. }) => {
            let own = |name| Some((name, answer.text(name)?.to_owned()));
            let headers = ANSWERED_HEADERS.into_iter().filter_map(own);
            Verdict::Answer(Reply::passed_on(code, headers.collect(), body.clone()))
        }
    }
}
