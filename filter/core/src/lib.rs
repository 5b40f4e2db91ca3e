//! Judges requests for kube-apiserver.
//!
//! ```text
//!  headers (bytes, from the host)
//!    │  Head::parse           one credential, single-valued headers     400
//!    │  Policy::identify      key digest -> client                      401
//!    │  Logins::identify      or token -> client                        401 429 503
//!    │  Request::parse        method, path, query -> Attributes         400 405
//!    │  Policy::authorize     Attributes -> Permit                      403
//!    │  upstream::headers     a new header list, from an allowlist      415
//!    │  Tokens::get           the account's token, or a wait            503
//!    ▼
//!  Verdict::Forward  or  Verdict::Refuse  or  Pending
//! ```
//!
//! [`Worker`] is that over time: it looks after tokens, resumes who waits for one,
//! and shares with the pod's other workers what it got.
//!
//! This crate knows no host, no clock and no I/O: time and bytes come in, what
//! to do goes out. Deny is where everything starts.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")
)]

extern crate alloc;

mod admit;
mod answer;
mod body;
mod config;
pub mod diff;
mod explain;
mod headers;
mod inspection;
mod jwks;
mod live;
mod login;
mod pod;
mod policy;
mod refusal;
mod reply;
mod request;
mod resend;
pub mod response;
mod time;
mod token;
mod upstream;
mod wait;
mod warnings;
mod worker;

pub use admit::{Arrival, Forward, Passed, Sent, Subject, Verdict, pass};
pub use answer::{Answer, MAX_ANSWER_BYTES};
pub use body::{Judged, Step};
pub use config::listing::{
    ListedClient, ListedKey, ListedRole, ListedRule, Listing, list_policy,
};
pub use config::resource::is_cluster_scoped;
#[cfg(feature = "schema")]
pub use config::schema::policy_schema;
pub use config::suite::{Expected, PolicyTest, read_tests};
pub use config::text::{RuleScope, RuleText};
pub use config::{
    Loaded, PluginConfig, Problem, Revision, Source, load_plugin_config, load_policy,
};
pub use explain::{
    Attempt, Difference, Explanation, Miss, Need, RuleAt, Words, explain, judge, needs,
};
pub use headers::{HeaderList, Malformed};
pub use live::LivePolicy;
pub use login::LoginRefused;
pub use pod::failure::Failure;
pub use pod::shared::{Changed, Seen, Shared, Unshared};
pub use policy::account::Account;
pub use policy::grant::Enforcement;
pub use policy::hours::Hours;
pub use policy::key::{KEY_PREFIX, KeyDigest, SecretInUrl, format_key};
pub use policy::limits::{Exceeded, Limits, Rate};
pub use policy::permissions::{PathTerm, Permission, Permissions, ResourceTerm, Scope, Term};
pub use policy::rules::near::Dimension;
pub use policy::sources::{Sources, WrongSource};
pub use policy::{Client, Gateway, Holder, KeyRefused, NoRule, Permit, Policy};
pub use refusal::{Asked, Forbidden, Refusal, Refused};
pub use reply::Reply;
pub use request::attributes::{Attributes, ResourceAttributes};
pub use request::claims::claims;
pub use request::content::Unreadable;
pub use request::head::{Body, HeadError};
pub use request::media::Unsupported;
pub use request::path::PathError;
pub use request::query::QueryError;
pub use request::verb::{Verb, VerbSet};
pub use request::{Method, Request, RequestError};
pub use resend::{MAX_KEPT_BODY_BYTES, Original};
pub use time::{Now, Steady, UnixTime};
pub use token::{Token, Verification};
pub use upstream::GATEWAY_CLUSTER;
pub use warnings::warnings;
pub use worker::Worker;
pub use worker::effect::{Call, Effect, Headers, Purpose, Upstream};
pub use worker::metrics::{Change, Sample};
pub use worker::notice::{Notice, Severity};
