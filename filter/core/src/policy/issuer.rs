//! Issuers of tokens that clients may present instead of API keys, and whose is which.
//!
//! A token is found by its issuer and its subject, whatever the number of clients. Claims
//! are compared one after the other, so an issuer has few of those ([`MOST_DEMANDS`]).

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

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
    pub(crate) subjects: HashMap<String, Vec<(String, usize)>>,
    pub(crate) demands: Vec<Demand>,
}

/// What a token must say to be of this client.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Demand {
    pub(crate) audience: String,
    pub(crate) claims: Vec<(String, String)>,
    pub(crate) client: usize,
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

    /// Whose token it is. A token that fits two clients is nobody's: who wrote the policy
    /// has not said which.
    pub(crate) fn client(&self, token: &dyn Bearer) -> Result<usize, NoClient> {
        let by_subject = token.subject().and_then(|subject| self.subjects.get(subject));
        let by_subject = by_subject
            .into_iter()
            .flatten()
            .filter(|(audience, _)| token.is_for(audience))
            .map(|(_, client)| *client);
        let by_claims = self.demands.iter().filter(|demand| demand.is_met(token));
        let mut clients = by_subject.chain(by_claims.map(|demand| demand.client));
        let client = clients.next().ok_or(NoClient::None)?;
        match clients.all(|other| other == client) {
            true => Ok(client),
            false => Err(NoClient::Several),
        }
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
        format!("issuer/1/{issuer}/{cluster}/{authority}{path}")
    }
}
