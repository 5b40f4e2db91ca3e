//! The compiled policy: who may do what, as whom.

use alloc::string::String;
use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::account::Account;
use crate::attributes::Attributes;
use crate::key::KeyDigest;
use crate::names::Names;
use crate::rules::{Question, Rules};
use crate::time::UnixTime;

/// All clients and roles, compiled. The empty policy denies everything.
///
/// Neither [`identify`](Self::identify) nor [`authorize`](Self::authorize) costs
/// more with more clients or more rules; `authorize` grows with the number of
/// roles of the one client.
#[derive(Debug, Default)]
pub struct Policy {
    pub(crate) keys: HashMap<KeyDigest, Key>,
    pub(crate) clients: Vec<Client>,
    pub(crate) roles: Vec<Rules>,
    pub(crate) names: Names,
}

/// A key's owner and the time in which it is valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) client: usize,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) not_after: Option<UnixTime>,
}

/// The holder of an API key.
#[derive(Debug)]
pub struct Client {
    pub(crate) name: String,
    pub(crate) account: Account,
    pub(crate) roles: Vec<usize>,
}

/// Proof that the policy allowed a request; only [`Policy::authorize`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Permit<'p> {
    client: &'p Client,
}

/// Why a key was not accepted. For the log only: a client never learns which.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyRefused {
    #[error("the key has expired")]
    Expired,
    #[error("no key was sent")]
    Missing,
    #[error("the key is not valid yet")]
    NotYetValid,
    #[error("the key is not in the policy")]
    Unknown,
}

/// No rule of the client's roles covers the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRule;

// === impl Policy ===

impl Policy {
    pub fn identify(&self, key: &[u8], now: UnixTime) -> Result<&Client, KeyRefused> {
        let key = self.keys.get(&KeyDigest::of(key)).ok_or(KeyRefused::Unknown)?;
        if key.not_before.is_some_and(|start| now < start) {
            return Err(KeyRefused::NotYetValid);
        }
        if key.not_after.is_some_and(|end| now >= end) {
            return Err(KeyRefused::Expired);
        }
        self.clients.get(key.client).ok_or(KeyRefused::Unknown)
    }

    pub fn authorize<'p>(
        &self,
        client: &'p Client,
        attributes: &Attributes<'_>,
    ) -> Result<Permit<'p>, NoRule> {
        let question = Question::new(&self.names, attributes);
        let mut roles = client.roles.iter().filter_map(|role| self.roles.get(*role));
        match roles.any(|rules| rules.allow(&question)) {
            true => Ok(Permit { client }),
            false => Err(NoRule),
        }
    }

    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    pub fn role_count(&self) -> usize {
        self.roles.len()
    }
}

// === impl Client ===

impl Client {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn account(&self) -> &Account {
        &self.account
    }
}

// === impl Permit ===

impl<'p> Permit<'p> {
    pub fn client(&self) -> &'p Client {
        self.client
    }
}
