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

mod account;
mod admit;
mod attributes;
mod config;
mod head;
mod key;
mod media;
mod names;
mod parameters;
mod path;
mod policy;
mod query;
mod refusal;
mod reply;
mod request;
mod rules;
mod selector;
mod streaming;
mod time;
mod token;
mod tokens;
mod upstream;
mod verb;
mod waiting;

pub use account::Account;
pub use admit::{Forward, Pending, Progress, Verdict, admit};
pub use attributes::{Attributes, ResourceAttributes};
pub use config::{Loaded, Problem, Revision, load_plugin_config, load_policy};
pub use head::{Body, HeadError, Header};
pub use key::{KEY_PREFIX, KeyDigest, format_key};
pub use media::Unsupported;
pub use path::PathError;
pub use policy::{Client, KeyRefused, NoRule, Permit, Policy};
pub use query::QueryError;
pub use refusal::{Forbidden, Refusal, Refused};
pub use reply::Reply;
pub use request::{Method, Request, RequestError};
pub use time::UnixTime;
pub use token::{Answer, MAX_ANSWER_BYTES, Token, TokenFailure, TokenRequest};
pub use tokens::{REQUEST_TIMEOUT, Tokens};
pub use verb::{Verb, VerbSet};
pub use waiting::Waiting;
