//! An apiserver that misbehaves as it is told: a front between Envoy and the real
//! one, with the real one's certificate.

mod answers;
mod exchange;
mod forgery;
mod front;
mod plan;

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::sync::oneshot;

pub use self::plan::Counts;
use self::plan::Plan;
use crate::process::Restarted;
use crate::stack::Stack;

/// The requests that are told apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    TokenRequests,
    /// For the keys that tokens are signed with.
    Keys,
    /// All others.
    Clients,
}

/// What is done to requests instead of forwarding them.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Forwards, but late.
    Slow(Duration),
    Status {
        code: u16,
        retry_after: Option<u32>,
    },
    /// Says just this; without parts, nothing but the head.
    Reply {
        code: u16,
        headers: Vec<(&'static str, String)>,
        parts: Vec<Vec<u8>>,
    },
    /// Forwards, and drops the answer.
    Lost,
    /// Random bytes, as if they were what was asked for.
    Garbage,
    /// 8 MiB of it.
    Huge,
    /// The stream is reset in the middle of an answer.
    Reset,
    /// The connection is dropped in the middle of an answer.
    HangUp,
    Silence,
    /// 401 for this many requests; then nothing is wrong any more.
    Unauthorized(u32),
    /// 401 for every token that was seen before the fault.
    Revoked,
    /// TokenRequests: a real token, for this account (`NAMESPACE/NAME`).
    AnotherAccount(String),
    /// TokenRequests: the real token, but two hours old.
    Expired,
    /// TokenRequests: the real token, with some bits of its signature flipped.
    BadSignature,
}

/// The front and the Envoy that talks to it; both end with their owner.
#[derive(Debug)]
pub struct Faults {
    /// To be replaced by whoever restarts it.
    pub envoy: Restarted,
    plan: Arc<Plan>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Faults ===

impl Faults {
    /// Puts the front before the apiserver of this stack, and restarts Envoy.
    pub fn before(stack: &Stack) -> Result<Self> {
        let apiserver = stack.apiserver_port()?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let plan = Arc::new(Plan::default());
        let (stop, stopped) = oneshot::channel();
        let thread = front::start(stack, listener, apiserver, Arc::clone(&plan), stopped)?;

        let bootstrap = stack.state().join("keyhole/envoy/bootstrap.yaml");
        let text = fs::read_to_string(&bootstrap).context("no bootstrap")?;
        let old = format!("port_value: {apiserver}}}");
        ensure!(text.contains(&old), "the bootstrap does not name the apiserver's port");
        fs::write(&bootstrap, text.replace(&old, &format!("port_value: {port}}}")))?;
        let envoy = stack.restart("envoy")?;
        Ok(Self { envoy, plan, stop: Some(stop), thread: Some(thread) })
    }

    /// From now on requests of this kind meet this fault.
    pub fn set(&self, kind: Kind, fault: Fault) {
        self.plan.set(kind, Some(fault));
    }

    /// Nothing is wrong any more.
    pub fn lift(&self) {
        for kind in [Kind::TokenRequests, Kind::Keys, Kind::Clients] {
            self.plan.set(kind, None);
        }
    }

    /// The requests so far, those that met a fault among them.
    pub fn counts(&self) -> Counts {
        self.plan.counts()
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the front does not panic");
        }
    }
}
