//! A test double of SQL Server's `sp_invoke_external_rest_endpoint`: the same eight
//! parameters, checks, errors, envelope and return value.
//!
//! It is made from documents, and has not been compared with a real instance. What no
//! document settles is in [`ASSUMED`]; there the double is the stricter one, so that
//! no gateway passes by luck. Nor does it look at a certificate's common name, or
//! trust anybody outside of its own CA directory. The rows are those of `tests/tests/sp_invoke_rows`.
//!
//! ```text
//! Call ──► Request (url, headers, media, credential) ──► retry ──► exchange ──► Response
//!                                                                                  │
//! Answer { envelope, return value, warnings }  ◄──────────────── envelope ◄────────┘
//! ```

mod answer;
mod call;
mod cloud;
mod credential;
mod deadline;
mod envelope;
mod error;
mod exchange;
mod failure;
mod headers;
mod instance;
mod lookup;
mod media;
mod members;
mod pairs;
mod request;
mod response;
mod retry;
mod slots;
mod trust;
mod url;

pub use answer::{Answer, Warning};
pub use call::Call;
pub use cloud::Cloud;
pub use credential::Credential;
pub use error::{Error, Pairs};
pub use failure::Failure;
pub use instance::{Instance, Options};

/// The rows whose truth about the real client is unknown, and what the double does.
pub const ASSUMED: &[(u8, &str)] = &[
    (5, "a Content-Type from @headers is sent bare (switch: with a charset)"),
    (6, "no parameter passes in Accept, so no `;as=Table`"),
    (13, "HTTP/1.1 by ALPN (switch: no ALPN); nothing asks for compression"),
    (14, "each call has a connection of its own (switch: kept alive, never resent when stale)"),
    (18, "every method is resent; a wait that does not fit @timeout is Msg 31629 at once"),
    (20, "an empty body is no JSON, and a text must be UTF-8"),
    (21, "a body that cannot be parsed hides the status, whatever that is"),
    (22, "repeated headers stay repeated; HEAD has no result"),
    (24, "the HRESULTs, except for DNS, an unknown CA and an expired certificate"),
    (26, "too many calls at once are refused on boxed editions too"),
];
