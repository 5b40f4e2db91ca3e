//! The body of a write, read so that whoever reads it after us sees the same.
//!
//! The apiserver reads JSON, and YAML 1.1. What two readers could take for two
//! things is refused here: duplicate keys, merge keys, anchors, aliases, tags,
//! second documents, and characters that end a line for some readers only.

mod json;
mod quoted;
mod yaml;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

pub(crate) use self::quoted::Quoted;
use crate::request::media;

/// More values are not read: a VM never gives memory back, and each takes a hundred times
/// what it takes in a body like `[[],[],[]]`.
const MOST_VALUES: usize = 100_000;

/// What a body says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content(Value);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    List(Vec<Self>),
    Mapping(BTreeMap<String, Self>),
    Null,
    /// Plain decimal digits.
    Number(u64),
    /// A scalar that is none of the others, or not to every reader: `-1`, `1.5`, and
    /// in YAML `yes`, `0x10`.
    Other(String),
    Text(String),
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    #[error("the body is not UTF-8: send it as UTF-8")]
    Encoding,
    #[error("the body cannot be read as JSON: {0}")]
    Json(String),
    #[error(
        "the body cannot be judged in this type: send it as `Content-Type: application/json`"
    )]
    Type,
    #[error("the body cannot be read as YAML: {0}")]
    Yaml(String),
}

// === impl Content ===

impl Content {
    /// Reads a body of this content type, in the spelling of [`media::content_type`].
    ///
    /// # Errors
    ///
    /// The body cannot be read in exactly one way.
    pub(crate) fn read(content_type: &str, bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = core::str::from_utf8(bytes).map_err(|_| Unreadable::Encoding)?;
        match content_type {
            media::JSON | media::JSON_PATCH | media::MERGE_PATCH | media::STRATEGIC_PATCH => {
                json::read_up_to(MOST_VALUES, text)
            }
            media::APPLY | media::YAML => yaml::read(text),
            _ => Err(Unreadable::Type),
        }
        .map(Self)
    }

    /// Reads JSON with at most so many values in it.
    ///
    /// # Errors
    ///
    /// It cannot be read in exactly one way, or has more.
    pub(crate) fn read_up_to(most: usize, json: &[u8]) -> Result<Self, Unreadable> {
        let text = core::str::from_utf8(json).map_err(|_| Unreadable::Encoding)?;
        json::read_up_to(most, text).map(Self)
    }

    pub(crate) const fn root(&self) -> &Value {
        &self.0
    }
}

#[cfg(test)]
mod tests;
