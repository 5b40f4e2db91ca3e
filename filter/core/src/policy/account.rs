//! The ServiceAccount that a client acts as.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

/// An account, and the kind of token that is asked for it. Equal accounts share
/// a token.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Account {
    /// An RFC 1123 label.
    pub namespace: String,
    /// An RFC 1123 subdomain.
    pub name: String,
    /// The life that is asked for; at least 600 s.
    pub expiration: Duration,
    /// Empty means the apiserver's own.
    pub audiences: Vec<String>,
}

impl Account {
    /// The user that a token of this account authenticates.
    pub fn subject(&self) -> String {
        alloc::format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

impl From<&Self> for Account {
    fn from(account: &Self) -> Self {
        account.clone()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
