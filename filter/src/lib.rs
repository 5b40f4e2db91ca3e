//! The Proxy-Wasm adaptor: it decides nothing.
//!
//! `Http` hands a request's headers to the core and does what the verdict says;
//! `Root` sends TokenRequests and resumes the streams that wait for them; both
//! share what [`worker`] keeps, and touch Envoy only through [`host`].

mod body;
mod host;
mod http;
mod metrics;
mod root;
mod shared;
mod worker;

use proxy_wasm::types::LogLevel;

use crate::root::Root;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(Root::new(id)));
}}
