//! Issuers of tokens that clients may present instead of API keys, and whose is which.
//!
//! A token is found by its issuer and its subject, whatever the number of clients. Claims
//! are compared one after the other, so an issuer has few of those ([`MOST_DEMANDS`]).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};
use serde_json::json;

use super::Holder;
use crate::jwks::KeySet;

/// Entries with `claims` that one issuer may have.
pub(crate) const MOST_DEMANDS: usize = 32;

/// All issuers of a policy, by their names.
#[derive(Debug, Default)]
pub(crate) struct Issuers(pub(crate) HashMap<Arc<str>, Issuer>);

#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) name: Arc<str>,
    /// `None` only while the policy is compiled.
    pub(crate) source: Option<KeySource>,
    /// For whom a token is, whosesoever it is.
    pub(crate) audiences: HashSet<String>,
    /// By subject: for whom it is if the audience is this.
    pub(crate) subjects: HashMap<String, Vec<(String, Owner)>>,
    pub(crate) demands: Vec<Demand>,
}

/// What a token must say to be of this client.
#[derive(Debug)]
pub(crate) struct Demand {
    pub(crate) audience: String,
    pub(crate) claims: Vec<(String, String)>,
    pub(crate) owner: Owner,
}

/// Whose a token is.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// An index in the policy.
    pub(crate) client: usize,
    pub(crate) holder: Arc<Holder>,
}

/// Where the keys of an issuer come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum KeySource {
    Remote(Arc<Remote>),
    Written(Arc<KeySet>),
}

/// Keys that are fetched, by an Envoy cluster.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Remote {
    pub(crate) issuer: Arc<str>,
    pub(crate) cluster: String,
    pub(crate) authority: String,
    /// With the query.
    pub(crate) path: String,
}

/// What a token says of whom it is of.
pub(crate) trait Bearer {
    fn subject(&self) -> Option<&str>;
    fn is_for(&self, audience: &str) -> bool;
    /// Whether the claim is this text, or a list with it.
    fn says(&self, claim: &str, text: &str) -> bool;
}

/// It does not fit exactly one client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoClient {
    None,
    Several,
}

// === impl Issuers ===

impl Issuers {
    pub(crate) fn get(&self, name: &str) -> Option<&Issuer> {
        self.0.get(name)
    }

    /// The keys that are to be fetched.
    pub(crate) fn remotes(&self) -> impl Iterator<Item = &Arc<Remote>> {
        self.0.values().filter_map(|issuer| match issuer.source.as_ref()? {
            KeySource::Remote(remote) => Some(remote),
            KeySource::Written(_) => None,
        })
    }
}

// === impl Issuer ===

impl Issuer {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            source: None,
            audiences: HashSet::new(),
            subjects: HashMap::new(),
            demands: Vec::new(),
        }
    }

    /// Whether it can be anybody's, by what costs nothing to look at.
    pub(crate) fn may_know(&self, token: &dyn Bearer) -> bool {
        let subject = token.subject();
        !self.demands.is_empty() || subject.is_some_and(|own| self.subjects.contains_key(own))
    }

    /// Whose token it is. A token that fits two clients is nobody's: who wrote the policy
    /// has not said which.
    pub(crate) fn owner(&self, token: &dyn Bearer) -> Result<&Owner, NoClient> {
        let by_subject = token.subject().and_then(|subject| self.subjects.get(subject));
        let by_subject = by_subject
            .into_iter()
            .flatten()
            .filter(|(audience, _)| token.is_for(audience))
            .map(|(_, owner)| owner);
        let by_claims = self.demands.iter().filter(|demand| demand.is_met(token));
        let mut owners = by_subject.chain(by_claims.map(|demand| &demand.owner));
        let owner = owners.next().ok_or(NoClient::None)?;
        match owners.all(|other| other.client == owner.client) {
            true => Ok(owner),
            false => Err(NoClient::Several),
        }
    }
}

// === impl Owner ===

impl Owner {
    pub(crate) fn new(client: usize, name: &Arc<str>, issuer: &str, revision: &str) -> Self {
        let record = json!({ "client": &**name, "issuer": issuer, "policy": revision });
        let record = record.to_string().into_boxed_str();
        Self { client, holder: Arc::new(Holder { client: Arc::clone(name), record }) }
    }
}

// === impl Demand ===

impl Demand {
    fn is_met(&self, token: &dyn Bearer) -> bool {
        token.is_for(&self.audience)
            && self.claims.iter().all(|(claim, text)| token.says(claim, text))
    }
}

// === impl Remote ===

impl Remote {
    /// Where the keys lie in shared memory; the number is that of the format.
    pub(crate) fn shared_key(&self) -> String {
        let Self { issuer, cluster, authority, path } = self;
        format!("issuer/2/{issuer} {cluster} {authority}{path}")
    }
}
