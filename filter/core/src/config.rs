//! Configuration: from the text that is written to the policy that runs.

mod compile;
mod decode;
mod document;
mod problem;
mod rule;
mod syntax;
mod written;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};

use self::decode::decode;
use self::document::{Node, Value};
use self::problem::{At, Problems};
use crate::policy::Policy;

pub use self::problem::Problem;

/// A policy and the name of its content.
#[derive(Debug)]
pub struct Loaded {
    pub policy: Policy,
    pub revision: Revision,
}

/// The content of a policy document: 12 hex digits of its SHA-256, the same for
/// the same fields and values, however they are laid out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revision(String);

/// Reads a policy document (`apiVersion: keyhole/v1`, `kind: Policy`).
///
/// # Errors
///
/// All problems of the document, by line.
pub fn load_policy(text: &str) -> Result<Loaded, Vec<Problem>> {
    let root = Node::parse(text).map_err(|problem| [problem])?;
    let problems = Problems::new(&root);
    let policy = decode::<written::Policy>(&root, &problems)
        .map(|written| compile::compile(&written, &At::ROOT, &problems));
    let revision = Revision::of(&root);
    problems.into_result(policy).map(|policy| Loaded { policy, revision })
}

/// Reads a plugin configuration: a mapping with the policy under `policy`.
///
/// # Errors
///
/// All problems of the document, by line. Where the policy starts on a line of
/// its own, its lines are counted from there, as in the file that it came from.
pub fn load_plugin_config(text: &str) -> Result<Loaded, Vec<Problem>> {
    let root = Node::parse(text).map_err(|problem| [problem])?;
    let problems = Problems::new(&root);
    let policy = decode::<written::PluginConfig>(&root, &problems).map(|written| {
        let written::PluginConfig { policy } = written;
        compile::compile(&policy, &At::ROOT.field("policy"), &problems)
    });
    let policy_at = root.entry("policy");
    let revision = Revision::of(policy_at.map_or(&root, |entry| &entry.node));
    let own_line = policy_at.filter(|entry| entry.node.line > entry.line);
    let shift = own_line.map_or(0, |entry| entry.line);
    problems.into_result(policy).map(|policy| Loaded { policy, revision }).map_err(|problems| {
        problems.into_iter().map(|problem| problem.shifted("policy", shift)).collect()
    })
}

// === impl Revision ===

impl Revision {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(node: &Node) -> Self {
        let mut digest = Sha256::new();
        feed(&mut digest, node);
        let hex = base16ct::lower::encode_string(&digest.finalize());
        Self(hex.chars().take(12).collect())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Each value starts with its kind and length, so that no two trees feed alike.
fn feed(digest: &mut Sha256, node: &Node) {
    let mut head = |kind: u8, len: usize| {
        digest.update([kind]);
        digest.update(u64::try_from(len).unwrap_or(u64::MAX).to_le_bytes());
    };
    match &node.value {
        Value::Null => head(b'n', 0),
        Value::Scalar(text) => {
            head(b's', text.len());
            digest.update(text);
        }
        Value::Sequence(items) => {
            head(b'l', items.len());
            items.iter().for_each(|item| feed(digest, item));
        }
        Value::Mapping(entries) => {
            head(b'm', entries.len());
            for entry in entries {
                digest.update(u64::try_from(entry.key.len()).unwrap_or(u64::MAX).to_le_bytes());
                digest.update(&entry.key);
                feed(digest, &entry.node);
            }
        }
    }
}
