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
    /// Where its token lies in shared memory; the number is that of the format.
    pub(crate) fn shared_key(&self) -> String {
        let Self { namespace, name, expiration, audiences } = self;
        let seconds = expiration.as_secs();
        alloc::format!("token/1/{namespace}/{name}/{seconds}/{audiences:?}")
    }

    /// The user that a token of this account authenticates.
    pub fn subject(&self) -> String {
        alloc::format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
