//! The component, by jco under Node.

use std::io::Write;
use std::process::Stdio;

use keyhole_tests::component::node;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::question::{Documents, Judged, Read, Rows};

pub fn judged(rows: &Rows) -> Vec<Judged> {
    asked(rows)
}

pub fn read(documents: &Documents) -> Read {
    asked(documents)
}

/// What `tests/component/answer.mjs` answers.
fn asked<T: DeserializeOwned>(question: &impl Serialize) -> T {
    let mut node = node("tests/component/answer.mjs");
    node.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = node.spawn().unwrap();
    let question = serde_json::to_vec(question).unwrap();
    child.stdin.take().unwrap().write_all(&question).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}
