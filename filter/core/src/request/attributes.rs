//! What an authorizer looks at: a request in Kubernetes terms.

use alloc::borrow::Cow;
use core::fmt;

use crate::request::verb::Verb;

/// A request as kube-apiserver's `RequestInfo` describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Attributes<'a> {
    NonResource { path: &'a str, verb: Verb },
    Resource(ResourceAttributes<'a>),
}

/// The attributes of a resource request. An empty string means "none", as it
/// does in Kubernetes: no namespace is cluster scope, the core group is `""`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResourceAttributes<'a> {
    pub verb: Verb,
    pub group: &'a str,
    pub version: &'a str,
    pub namespace: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub name: Cow<'a, str>,
}

// === impl Attributes ===

impl Attributes<'_> {
    /// The same object with another verb; a path keeps its own.
    #[must_use]
    pub(crate) fn with_verb(&self, verb: Verb) -> Self {
        match self {
            Self::NonResource { .. } => self.clone(),
            Self::Resource(resource) => {
                Self::Resource(ResourceAttributes { verb, ..resource.clone() })
            }
        }
    }

    pub fn verb(&self) -> Verb {
        match self {
            Self::NonResource { verb, .. } => *verb,
            Self::Resource(resource) => resource.verb,
        }
    }
}

/// The sentence that kube-apiserver uses for the same attributes
/// (`responsewriters/errors.go`, `forbiddenMessage`), after the user's name.
impl fmt::Display for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonResource { path, verb } => write!(f, "cannot {verb} path \"{path}\""),
            Self::Resource(resource) => resource.fmt(f),
        }
    }
}

impl fmt::Display for ResourceAttributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, group, namespace, resource, subresource, .. } = self;
        write!(f, "cannot {verb} resource \"{resource}")?;
        if !subresource.is_empty() {
            write!(f, "/{subresource}")?;
        }
        write!(f, "\" in API group \"{group}\" ")?;
        match *namespace {
            "" => f.write_str("at the cluster scope"),
            namespace => write!(f, "in the namespace \"{namespace}\""),
        }
    }
}
