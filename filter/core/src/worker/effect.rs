//! What the host is to do.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::identity;
use super::notice::Notice;
use crate::admit::{Sent, Verdict};
use crate::config::Loaded;
use crate::live::config_map::Event;
use crate::pod::lifecycle::{CALL_TIMEOUT, Flight};
use crate::policy::issuer::Remote;
use crate::resend::Ready;
use crate::token;
use crate::token::keys::{DISCOVERY_PATH, KEYS_PATH};
use crate::token::tokens::Wanted;
use crate::upstream::AUTHORITY;

/// As long as the route of envoy/bootstrap.yaml lets a request take.
const RESEND_TIMEOUT: Duration = Duration::from_secs(65);
pub(crate) const RESEND_LOST_AFTER: Duration = Duration::from_secs(66);

#[derive(Debug)]
pub enum Effect {
    /// Send this, and hand the answer to [`answered`](crate::Worker::answered).
    Call(Call),
    /// Write this to the log.
    Notice(Notice),
    /// Put this policy in force.
    Policy(Box<Loaded>),
    /// A policy was refused: count it.
    PolicyRefused,
    /// Do this to a stream that waited.
    Resume { stream: u32, verdict: Verdict<'static> },
}

/// A request of the gateway's own making.
#[derive(Debug)]
pub struct Call {
    pub purpose: Purpose,
    pub upstream: Upstream,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub timeout: Duration,
}

/// A header list; one of the values may be a token.
pub struct Headers(pub Vec<(&'static str, String)>);

/// The cluster that carries a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Upstream {
    /// With the credential of a client's account.
    Clients,
    /// Envoy adds the gateway's own credential.
    Gateway,
    /// One that the policy names.
    Named(String),
}

/// What an answer is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    Discovery(Flight),
    /// Nothing: whether an Event was made is of no consequence.
    Event,
    Identity(Flight),
    Keys {
        flight: Flight,
        issuer: String,
    },
    IssuerKeys {
        flight: Flight,
        remote: Arc<Remote>,
    },
    Policy(Flight),
    Resend {
        stream: u32,
        sent: Sent,
    },
    Token(Wanted),
    Wait {
        stream: u32,
        sent: Sent,
    },
}

// === impl Call ===

impl Call {
    pub(crate) fn discovery(flight: Flight) -> Self {
        Self::get(Purpose::Discovery(flight), DISCOVERY_PATH, "application/json")
    }

    pub(crate) fn keys(flight: Flight, issuer: String) -> Self {
        // RFC 7517, 8.5.2; the apiserver gives nothing else.
        Self::get(Purpose::Keys { flight, issuer }, KEYS_PATH, "application/jwk-set+json")
    }

    pub(crate) fn issuer_keys(flight: Flight, remote: Arc<Remote>) -> Self {
        const JSON: &str = "application/jwk-set+json, application/json";
        let (path, authority) = (remote.path.clone(), remote.authority.clone());
        let upstream = Upstream::Named(remote.cluster.clone());
        let purpose = Purpose::IssuerKeys { flight, remote };
        let mut call = Self::of_gateway(purpose, "GET", path, JSON, Vec::new());
        for (_, value) in call.headers.0.iter_mut().filter(|(name, _)| *name == ":authority") {
            value.clone_from(&authority);
        }
        Self { upstream, ..call }
    }

    pub(crate) fn policy(flight: Flight, path: &str) -> Self {
        Self::get(Purpose::Policy(flight), path, "application/json")
    }

    pub(crate) fn event(Event { path, body }: Event) -> Self {
        Self::post(Purpose::Event, path, body)
    }

    pub(crate) fn identity(flight: Flight) -> Self {
        let (path, body) = identity::request();
        Self::post(Purpose::Identity(flight), path.to_string(), body)
    }

    pub(crate) fn token(wanted: Wanted) -> Self {
        let (path, body) = token::request(&wanted.account);
        Self::post(Purpose::Token(wanted), path, body)
    }

    pub(crate) fn resend(stream: u32, Ready { sent, headers, body }: Ready) -> Self {
        Self {
            purpose: Purpose::Resend { stream, sent },
            upstream: Upstream::Clients,
            headers: Headers(headers),
            body,
            timeout: RESEND_TIMEOUT,
        }
    }

    pub(crate) fn wait(
        stream: u32,
        sent: Sent,
        headers: Vec<(&'static str, String)>,
        timeout: Duration,
    ) -> Self {
        let purpose = Purpose::Wait { stream, sent };
        let (upstream, headers) = (Upstream::Clients, Headers(headers));
        Self { purpose, upstream, headers, body: Vec::new(), timeout }
    }

    fn get(purpose: Purpose, path: &str, accept: &str) -> Self {
        Self::of_gateway(purpose, "GET", path.to_string(), accept, Vec::new())
    }

    fn post(purpose: Purpose, path: String, body: Vec<u8>) -> Self {
        const JSON: &str = "application/json";
        let mut call = Self::of_gateway(purpose, "POST", path, JSON, body);
        call.headers.0.push(("content-type", JSON.to_string()));
        call
    }

    fn of_gateway(
        purpose: Purpose,
        method: &str,
        path: String,
        accept: &str,
        body: Vec<u8>,
    ) -> Self {
        let headers = alloc::vec![
            (":method", method.to_string()),
            (":path", path),
            (":authority", AUTHORITY.to_string()),
            ("accept", accept.to_string()),
            ("user-agent", concat!("keyhole/", env!("CARGO_PKG_VERSION")).to_string()),
        ];
        let (upstream, headers) = (Upstream::Gateway, Headers(headers));
        Self { purpose, upstream, headers, body, timeout: CALL_TIMEOUT }
    }
}

impl core::fmt::Debug for Headers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
