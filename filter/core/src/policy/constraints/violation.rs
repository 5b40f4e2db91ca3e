//! What in a body is not allowed, in sentences for who sent it.

use alloc::string::{String, ToString};
use core::fmt;

use super::Label;
use crate::request::content::{Quoted, Value};

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("`{0}` cannot be judged: leave it out, or send a merge patch or server-side apply")]
    Directive(Quoted),
    #[error("{place} {found}, which this client may not ask for: leave it out")]
    Forbidden { place: String, found: Found },
    #[error(
        "a JSON patch cannot be judged: send a merge patch (`application/merge-patch+json`) or server-side apply (`application/apply-patch+yaml`)"
    )]
    JsonPatch,
    #[error("the label `{}` {found}: this client's objects have `{label}`", .label.key)]
    Label { found: Found, label: Label },
    #[error("{place} {found}: names of this client's objects start with `{prefix}`")]
    Name { place: String, found: Found, prefix: String },
    #[error("{place} {found}: this client may use {allowed}")]
    NotListed { place: String, found: Found, allowed: Words },
    #[error("only a rule that is not enforced allows it")]
    NotEnforced,
    #[error("{place} {found}, but the path is about {expected}")]
    Other { place: String, found: Found, expected: String },
    #[error("{place} {found}: this client may have at most {most}")]
    Replicas { place: String, found: Found, most: u64 },
    #[error("{place} {found}: write {expected}")]
    Type { place: String, found: Found, expected: &'static str },
    #[error("this kind of object cannot be judged here")]
    Unknown,
}

/// What a body says at a place, after the place's name. Text has quotes, so that
/// `false` and "false" differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    /// Nothing, which stands for this name.
    Default(&'static str),
    List,
    Mapping,
    Missing,
    Null,
    Other(Quoted),
    Text(Quoted),
}

/// "`a`, `b`"
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Words(String);

// === impl Found ===

impl Found {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Quoted::new(text))
    }

    pub(super) fn value(value: &Value) -> Self {
        match value {
            Value::Bool(bool) => Self::Other(Quoted::new(&bool.to_string())),
            Value::List(_) => Self::List,
            Value::Mapping(_) => Self::Mapping,
            Value::Null => Self::Null,
            Value::Number(number) => Self::Other(Quoted::new(&number.to_string())),
            Value::Other(text) => Self::Other(Quoted::new(text)),
            Value::Text(text) => Self::text(text),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(name) => write!(f, "is missing, which stands for `{name}`"),
            Self::List => f.write_str("is a list"),
            Self::Mapping => f.write_str("is a mapping"),
            Self::Missing => f.write_str("is missing"),
            Self::Null => f.write_str("is nothing"),
            Self::Other(text) => write!(f, "is {text}"),
            Self::Text(text) => write!(f, "is `{text}`"),
        }
    }
}

// === impl Words ===

impl Words {
    pub(super) fn new<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        for word in words {
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push('`');
            text.push_str(word);
            text.push('`');
        }
        Self(text)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
