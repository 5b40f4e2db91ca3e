//! Why a request is answered here instead of being forwarded. Closed, so that
//! every refusal has a code, a reason and a sentence.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use serde::Serialize;

use crate::admit::Subject;
use crate::login::{LoginRefused, Why};
use crate::pod::failure::Failure;
use crate::policy::KeyRefused;
use crate::policy::account::Account;
use crate::policy::limits::Exceeded;
use crate::policy::sources::WrongSource;
use crate::reply::{Details, Reply, Status};
use crate::request::attributes::Attributes;
use crate::request::carried::Carried;
use crate::request::content::Unreadable;
use crate::request::head::{Body, Head, HeadError};
use crate::request::media::{self, Unsupported};
use crate::request::{Request, RequestError};
use crate::wait::Unwanted;

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";

/// A refusal, and whom it is addressed to.
#[derive(Clone, Debug)]
pub struct Refused {
    pub subject: Subject,
    pub refusal: Refusal,
    /// What the policy was asked, if it was.
    pub asked: Option<Box<Asked>>,
}

/// A request as it can be judged again.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    pub method: &'static str,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<&'static str>,
}

/// What the decision log says of a request, beside who sent it. What Envoy itself knows
/// of a request that went on is not in it.
#[derive(Serialize)]
struct Record<'a> {
    decision: &'static str,
    #[serde(flatten)]
    asked: Option<&'a Asked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// `Display` is the sentence for the operator's log. It never contains a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("a rule asks something of the body, but there is none: send the object")]
    BodyMissing,
    #[error("a GET request has a body: leave it out")]
    BodyOnGet,
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    #[error("{}", .0.message)]
    Forbidden(Box<Forbidden>),
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error("the gateway could not read or write the request: look at its log")]
    Host,
    #[error("{0}")]
    Key(#[from] KeyRefused),
    #[error("{0}")]
    Login(#[from] LoginRefused),
    #[error("the apiserver did not answer in time")]
    NoAnswer,
    #[error("not ready: {0}")]
    NotReady(String),
    #[error("the answer cannot be shown as it was asked for: ask for `view=full`")]
    NoView,
    /// A change may have been carried out, or not.
    #[error(
        "{0}; whether the change was carried out is not known: look at the object before you send it again"
    )]
    OutcomeUnknown(String),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("no token for the ServiceAccount {account} can be had: {failure}")]
    Token { account: Arc<Account>, failure: Failure, retry_after: u32 },
    #[error(
        "the apiserver answered 401 to the token of the ServiceAccount {0}: try again; if it stays so, look at what stands behind this resource, and at the client's `audiences`"
    )]
    TokenRejected(Arc<Account>),
    #[error("the answer is larger than 4 MiB, or was lost: ask for less, with `limit`")]
    TooLarge,
    #[error("too many requests are waiting for a token of the ServiceAccount {0}")]
    TooManyWaiting(Arc<Account>),
    #[error("too many requests wait for a condition already: try again")]
    TooManyWaits,
    #[error("the view is none of `table`, `compact`, `full`: write one of them")]
    UnknownView,
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error(transparent)]
    Unwanted(#[from] Unwanted),
    #[error("no token for the ServiceAccount {0} came in time: try again")]
    WaitedTooLong(Arc<Account>),
    #[error(transparent)]
    WrongSource(#[from] WrongSource),
}

/// A denial in the apiserver's own words.
#[derive(Clone, Debug)]
pub struct Forbidden {
    message: String,
    details: Details,
}

/// A denial that lacks its reason.
#[derive(Clone, Debug)]
pub(crate) struct Denial {
    sentence: String,
    details: Details,
}

// === impl Refused ===

impl Refused {
    pub(crate) const fn new(subject: Subject, refusal: Refusal) -> Self {
        Self { subject, refusal, asked: None }
    }

    /// The policy was asked about this request.
    pub(crate) fn asked(
        subject: Subject,
        refusal: Refusal,
        request: &Request<'_>,
        head: &Head<'_>,
    ) -> Self {
        Self { subject, refusal, asked: Some(Box::new(Asked::new(request, head))) }
    }

    /// What the log of decisions says: a JSON object.
    pub fn record(&self) -> Option<String> {
        self.record_as(self.refusal.outcome())
    }

    /// The same, of a request that goes on nevertheless.
    pub fn report(&self) -> Option<String> {
        self.record_as("reported")
    }

    fn record_as(&self, decision: &'static str) -> Option<String> {
        let reason = Some(self.refusal.to_string());
        Record { decision, asked: self.asked.as_deref(), reason }.write()
    }
}

// === impl Record ===

impl Record<'_> {
    fn write(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

// === impl Asked ===

impl Asked {
    pub(crate) fn new(request: &Request<'_>, head: &Head<'_>) -> Self {
        let given = head.content_type.filter(|_| head.body == Body::Follows);
        let content_type = match media::content_type(request.method, head) {
            Ok(carried) => carried.map(Carried::content_type),
            // It may be anything, a key among it.
            Err(_) => given.map(|_| "unknown/unknown"),
        };
        Self {
            method: request.method.as_str(),
            // What is not text, or has a key in it, has been refused.
            path: String::from_utf8_lossy(head.target).into_owned(),
            content_type,
        }
    }

    /// What the log says of it if it is allowed.
    pub(crate) fn record(&self) -> Option<String> {
        Record { decision: "allowed", asked: Some(self), reason: None }.write()
    }
}

// === impl Denial ===

impl Denial {
    /// `responsewriters/errors.go` and `NewForbidden` in `apimachinery/pkg/api/errors`.
    pub(crate) fn new(client: &str, attributes: &Attributes<'_>) -> Self {
        let (subject, details) = match attributes {
            Attributes::NonResource { .. } => (String::new(), Details::default()),
            Attributes::Resource(resource) => {
                let kind = match resource.group {
                    "" => resource.resource.to_owned(),
                    group => format!("{}.{group}", resource.resource),
                };
                let subject = match &*resource.name {
                    "" => format!("{kind} is "),
                    name => format!("{kind} \"{name}\" is "),
                };
                (subject, Details::of(resource))
            }
        };
        let sentence = format!("{subject}forbidden: User \"keyhole:{client}\" {attributes}");
        Self { sentence, details }
    }

    pub(crate) fn because(&self, why: &dyn fmt::Display) -> Refusal {
        let Self { sentence, details } = self;
        let message = format!("{sentence}: keyhole: {why}");
        Refusal::Forbidden(Box::new(Forbidden { message, details: details.clone() }))
    }
}

// === impl Refusal ===

impl Refusal {
    /// There will be no token for this long.
    pub(crate) fn token(account: Arc<Account>, failure: Failure, wait: Duration) -> Self {
        Self::Token { account, failure, retry_after: seconds(wait) }
    }

    /// What the client gets: exactly one JSON document, a Kubernetes `Status`.
    ///
    /// Its message is what the apiserver would say, then `: keyhole: ` and why.
    pub fn reply(&self) -> Reply {
        match self {
            Self::Request(RequestError::Method) => {
                let sentence =
                    "the server does not allow this method on the requested resource";
                self.status(405, "MethodNotAllowed", sentence).reply().header("allow", METHODS)
            }
            Self::BodyMissing
            | Self::BodyOnGet
            | Self::Head(_)
            | Self::Request(_)
            | Self::UnknownView
            | Self::Unreadable(_)
            | Self::Unwanted(_) => self.status(400, "BadRequest", "bad request").reply(),
            Self::Exceeded(exceeded) => self.too_much(exceeded),
            Self::Forbidden(forbidden) => {
                let Forbidden { message, details } = (**forbidden).clone();
                Status::new(403, "Forbidden", message).details(details).reply()
            }
            Self::TooLarge => {
                let sentence = "request entity too large";
                self.status(413, "RequestEntityTooLarge", sentence).reply()
            }
            Self::Host | Self::NoView => {
                self.status(500, "InternalError", "internal error").reply()
            }
            Self::Key(_) => unauthorized(),
            Self::Login(login) => match login.why {
                Why::Keys { wait } => {
                    let sentence =
                        "service unavailable: keyhole: tokens cannot be checked now: try again";
                    Status::new(503, "ServiceUnavailable", sentence.to_owned())
                        .retry_after(seconds(wait))
                        .reply()
                }
                Why::TooMany => {
                    let sentence = "too many requests: keyhole: too many new tokens come at once: try again";
                    Status::new(429, "TooManyRequests", sentence.to_owned())
                        .retry_after(1)
                        .reply()
                }
                _ => unauthorized(),
            },
            // SQL Server does not send it again on this code.
            Self::OutcomeUnknown(_) => {
                self.status(409, "OutcomeUnknown", "outcome unknown").reply()
            }
            Self::NoAnswer => self.status(504, "Timeout", "timeout").reply(),
            Self::NotReady(_) | Self::TokenRejected(_) | Self::WaitedTooLong(_) => {
                self.unavailable(1)
            }
            Self::Token { retry_after, .. } => self.unavailable(*retry_after),
            Self::TooManyWaiting(_) | Self::TooManyWaits => {
                self.status(429, "TooManyRequests", "too many requests").retry_after(1).reply()
            }
            Self::WrongSource(_) => self.status(403, "Forbidden", "forbidden").reply(),
            Self::Unsupported(_) => {
                self.status(415, "UnsupportedMediaType", "unsupported media type").reply()
            }
        }
    }

    /// A word for metrics.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::Exceeded(_) => "limited",
            Self::Forbidden(_) | Self::WrongSource(_) => "forbidden",
            Self::Host | Self::NoView => "error",
            Self::Key(_) => "unauthorized",
            Self::Login(login) => match login.why {
                Why::Keys { .. } => "unavailable",
                Why::TooMany => "limited",
                _ => "unauthorized",
            },
            Self::NoAnswer
            | Self::NotReady(_)
            | Self::OutcomeUnknown(_)
            | Self::Token { .. }
            | Self::TokenRejected(_)
            | Self::TooManyWaiting(_)
            | Self::TooManyWaits
            | Self::WaitedTooLong(_) => "unavailable",
            Self::BodyMissing
            | Self::BodyOnGet
            | Self::Head(_)
            | Self::Request(_)
            | Self::TooLarge
            | Self::UnknownView
            | Self::Unreadable(_)
            | Self::Unsupported(_)
            | Self::Unwanted(_) => "invalid",
        }
    }

    fn too_much(&self, exceeded: &Exceeded) -> Reply {
        let seconds = match exceeded {
            Exceeded::Body(_) => {
                let sentence = "request entity too large";
                return self.status(413, "RequestEntityTooLarge", sentence).reply();
            }
            Exceeded::Rate { wait, .. } => seconds(*wait),
            Exceeded::InFlight(_) | Exceeded::Uncounted => 1,
        };
        self.status(429, "TooManyRequests", "too many requests").retry_after(seconds).reply()
    }

    fn unavailable(&self, retry_after: u32) -> Reply {
        self.status(503, "ServiceUnavailable", "service unavailable")
            .retry_after(retry_after)
            .reply()
    }

    fn status(&self, code: u16, reason: &'static str, sentence: &str) -> Status {
        Status::new(code, reason, format!("{sentence}: keyhole: {self}"))
    }
}

/// One sentence for all, so that nobody learns which keys exist, or what a token lacks.
fn unauthorized() -> Reply {
    let message = "Unauthorized: keyhole: the request has no valid API key or token: send a \
                   key as the header x-api-key, a token as Authorization: Bearer";
    Status::new(401, "Unauthorized", message.to_owned()).reply()
}

/// For `Retry-After`: whole seconds, at least one.
fn seconds(wait: Duration) -> u32 {
    wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u32::MAX)
}
