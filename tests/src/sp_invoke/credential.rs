//! Database scoped credentials (row 8).

use std::fmt;

use super::error::{Error, Pairs};
use super::pairs;
use super::url::Url;

/// What `CREATE DATABASE SCOPED CREDENTIAL` stores.
#[derive(Clone, Debug)]
pub struct Credential {
    name: String,
    identity: String,
    secret: Secret,
    /// Whether the caller has REFERENCES on it.
    pub(super) granted: bool,
}

#[derive(Clone)]
struct Secret(String);

/// What a credential adds to a request.
pub(super) enum Addition {
    Headers(Vec<(String, String)>),
    Query(Vec<(String, String)>),
}

const MAX_NAME: usize = 128;

// === impl Credential ===

impl Credential {
    pub fn new(name: &str, identity: &str, secret: &str) -> Self {
        let (name, identity) = (name.to_owned(), identity.to_owned());
        Self { name, identity, secret: Secret(secret.to_owned()), granted: true }
    }

    /// A credential for all of a URL's host that adds these headers.
    pub fn for_host(url: &str, secret: &str) -> Self {
        let host = url.match_indices('/').nth(2).and_then(|(end, _)| url.get(..end));
        Self::new(host.unwrap_or(url), "HTTPEndpointHeaders", secret)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same one, of which the caller may know nothing.
    pub fn without_references(self) -> Self {
        Self { granted: false, ..self }
    }

    /// What it adds to a call of this URL.
    pub(super) fn addition(&self, url: &Url) -> Result<Addition, Error> {
        if self.identity == "SHARED ACCESS SIGNATURE" {
            return Err(Error::SignatureNotAllowed(url.host.clone()));
        }
        let name = Some(&self.name).filter(|name| name.encode_utf16().count() <= MAX_NAME);
        let name = name.and_then(|name| Url::parse(name).ok());
        if !name.is_some_and(|name| name.query.is_none() && name.covers(url)) {
            return Err(Error::CredentialMismatch(self.name.clone()));
        }
        let pairs = || pairs::parse(&self.secret.0, Pairs::Secret);
        match self.identity.as_str() {
            "HTTPEndpointHeaders" => pairs().map(Addition::Headers),
            "HTTPEndpointQueryString" => pairs().map(Addition::Query),
            "Managed Identity" => Err(Error::ManagedIdentityDisabled),
            other => Err(Error::InvalidIdentity(self.name.clone(), other.to_owned())),
        }
    }
}

// === impl Secret ===

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
