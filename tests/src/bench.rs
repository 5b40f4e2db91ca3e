//! What the filter costs beside what else could do its job: all in one run, with the same
//! Envoy, one worker each, the same upstream and the same load, round by round in turn.
//!
//! Gateways run on the first core, the load and the upstream on the second.

pub mod apiserver;
pub mod authz;
pub mod chart;
pub mod contestant;
pub mod gateway;
pub mod load;
pub mod report;
pub mod scale;
pub mod server;

use std::net::TcpListener;

use anyhow::Result;

/// Of the client `c0`, as long as `keyhole key new` makes them.
pub const KEY: &str =
    "keyhole_c0_5555555555555555555555555555555555555555555555555555555555555555";
/// What is asked for: one of two rules allows it. Nobody has to change the reply.
pub const POD: &str = "/api/v1/namespaces/d0/pods/web-0";
/// Of a list, Keyhole leaves out what nobody reads in SQL.
pub const LIST: &str = "/api/v1/namespaces/d0/pods";
/// The same, which the demo's policy allows.
pub const DEMO_LIST: &str = "/api/v1/namespaces/default/pods";
/// A list of 4 MB, as it is.
pub const LARGE_LIST: &str = "/api/v1/namespaces/d1/pods?view=full";
/// What no rule allows.
pub const DENIED: &str = "/api/v1/namespaces/dx/pods";

/// Where a process runs.
#[derive(Clone, Copy, Debug)]
pub enum Core {
    Gateway = 0,
    Load = 1,
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
