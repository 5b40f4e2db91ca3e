//! Where `scripts/component` puts what it builds.

use std::path::PathBuf;
use std::process::Command;

use crate::stack::root;

/// The component must stay this small; a tenth of it checks what a policy says of tokens.
pub const MOST_BYTES: usize = 660 * 1024;

pub fn component() -> PathBuf {
    root().join("target/component/keyhole.wasm")
}

/// Node with a script of this repository, and arguments.
pub fn node(script: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(root().join(script));
    node
}
