//! Why a request is answered here instead of being forwarded. Closed, so that
//! every refusal has a code, a reason and a sentence.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};

use crate::account::Account;
use crate::attributes::Attributes;
use crate::head::HeadError;
use crate::media::Unsupported;
use crate::policy::KeyRefused;
use crate::reply::{Details, Reply, Status};
use crate::request::RequestError;
use crate::streaming::Streaming;
use crate::token::TokenFailure;

/// A refusal, and the client it is addressed to, where one was identified.
#[derive(Clone, Debug)]
pub struct Refused {
    pub client: Option<String>,
    pub refusal: Refusal,
}

/// `Display` is the sentence for the operator's log. It never contains a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("a GET request has a body: leave it out")]
    BodyOnGet,
    #[error("{}", .0.message)]
    Forbidden(Box<Forbidden>),
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error("the gateway could not read or write the request: look at its log")]
    Host,
    #[error("{0}")]
    Key(#[from] KeyRefused),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("no token for the ServiceAccount {account} can be had: {failure}")]
    Token { account: Box<Account>, failure: TokenFailure },
    #[error("too many requests are waiting for a token of the ServiceAccount {0}")]
    TooManyWaiting(Box<Account>),
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

/// A denial in the apiserver's own words.
#[derive(Clone, Debug)]
pub struct Forbidden {
    message: String,
    details: Details,
}

/// Why the policy denies something that it understands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    NoRule,
    Streaming(Streaming),
}

// === impl Forbidden ===

impl Forbidden {
    /// `responsewriters/errors.go` and `NewForbidden` in `apimachinery/pkg/api/errors`.
    pub(crate) fn new(client: &str, attributes: &Attributes<'_>, why: Why) -> Self {
        let denial = format!("User \"keyhole:{client}\" {attributes}");
        let why = match why {
            Why::NoRule => "no rule of this client allows it".to_owned(),
            Why::Streaming(streaming) => streaming.to_string(),
        };
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
        Self { message: format!("{subject}forbidden: {denial}: keyhole: {why}"), details }
    }
}

// === impl Refusal ===

impl Refusal {
    /// What the client gets: exactly one JSON document, a Kubernetes `Status`.
    pub fn reply(&self) -> Reply {
        let sentence = || format!("{self}: keyhole");
        match self {
            Self::BodyOnGet | Self::Head(_) => Status::bad_request(sentence()).reply(),
            Self::Forbidden(forbidden) => {
                let Forbidden { message, details } = (**forbidden).clone();
                Status::new(403, "Forbidden", message).details(details).reply()
            }
            Self::Host => Status::new(500, "InternalError", sentence()).reply(),
            // One sentence for all, so that nobody learns which keys exist.
            Self::Key(_) => Status::new(
                401,
                "Unauthorized",
                "Unauthorized: keyhole: the request has no valid API key: send one as the header x-api-key"
                    .to_owned(),
            )
            .reply(),
            Self::Request(RequestError::Method) => {
                let sentence = format!("{self}: keyhole: use GET, POST, PUT, PATCH or DELETE");
                Status::new(405, "MethodNotAllowed", sentence)
                    .reply()
                    .header("allow", "GET, POST, PUT, PATCH, DELETE".to_owned())
            }
            Self::Request(_) => Status::bad_request(sentence()).reply(),
            Self::Token { failure, .. } => Status::new(503, "ServiceUnavailable", sentence())
                .retry_after(failure.retry_after())
                .reply(),
            Self::TooManyWaiting(_) => {
                Status::new(429, "TooManyRequests", sentence()).retry_after(1).reply()
            }
            Self::Unsupported(_) => Status::new(415, "UnsupportedMediaType", sentence()).reply(),
        }
    }
}
