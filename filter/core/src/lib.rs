//! Judges requests for kube-apiserver.
//!
//! ```text
//!  headers (bytes, from the host)
//!    │  Head::parse           one credential, single-valued headers     400
//!    │  Policy::identify      key digest -> client                      401
//!    │  Request::parse        method, path, query -> Attributes         400 405
//!    │  Policy::authorize     Attributes -> Permit                      403
//!    │  upstream::headers     a new header list, from an allowlist      415
//!    │  Tokens::get           the account's token, or a wait            503
//!    ▼
//!  Verdict::Forward  or  Verdict::Refuse  or  Pending (resumed by Waiting)
//! ```
//!
//! This crate knows no host, no clock and no I/O: time and bytes come in, what
//! to do goes out. Deny is where everything starts.

#![no_std]

extern crate alloc;

mod admit;
mod config;
mod policy;
mod refusal;
mod reply;
mod request;
mod time;
mod token;
mod upstream;

pub use admit::{Forward, Pending, Progress, Verdict, admit};
pub use config::{Loaded, Problem, Revision, load_plugin_config, load_policy};
pub use policy::account::Account;
pub use policy::key::{KEY_PREFIX, KeyDigest, KeyInUrl, format_key};
pub use policy::{Client, KeyRefused, NoRule, Permit, Policy};
pub use refusal::{Forbidden, Refusal, Refused};
pub use reply::Reply;
pub use request::attributes::{Attributes, ResourceAttributes};
pub use request::head::{Body, HeadError, Header};
pub use request::media::Unsupported;
pub use request::path::PathError;
pub use request::query::QueryError;
pub use request::verb::{Verb, VerbSet};
pub use request::{Method, Request, RequestError};
pub use time::UnixTime;
pub use token::tokens::{REQUEST_TIMEOUT, Tokens};
pub use token::waiting::Waiting;
pub use token::{Answer, MAX_ANSWER_BYTES, Token, TokenFailure, TokenRequest};
