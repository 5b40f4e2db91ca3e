//! What is asked of the core wherever it runs, and what it answers: as JSON, for Node.

use std::{fs, io};

use keyhole_tests::cases::{Case, Outcome};
use keyhole_tests::stack::root;
use serde::{Deserialize, Serialize};

/// Seconds since 1970, for keys and their ends.
pub const NOW: u64 = 1_800_000_000;

#[derive(Debug, Serialize)]
pub struct Rows {
    pub now: u64,
    pub policy: String,
    pub rows: Vec<Row>,
}

/// A row of `tests/cases/*.toml`; bytes are in hex.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    /// Who asks for what, to be explained; `None` if it is not text.
    pub asked: Option<Asked>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    pub client: String,
    pub method: String,
    pub target: String,
    pub content_type: Option<String>,
}

/// What a row comes to.
#[derive(Debug, Deserialize, Eq, PartialEq)]
pub struct Judged {
    /// The code it is refused with.
    pub status: Option<u16>,
    /// How it is read.
    pub attributes: Option<String>,
    /// All that is sent on, or answered.
    pub message: String,
    /// The explanation, in words.
    pub words: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Documents {
    pub now: u64,
    pub documents: Vec<String>,
}

#[derive(Debug, Deserialize, Eq, PartialEq)]
pub struct Read {
    /// What is said of each document.
    pub checked: Vec<String>,
    /// What a change from each valid one to each other changes.
    pub diffs: Vec<String>,
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

// === impl Rows ===

impl Rows {
    pub fn of(policy: &str, cases: &[(String, Case)]) -> Self {
        let rows = cases.iter().map(|(_, case)| Row::of(case)).collect();
        Self { now: NOW, policy: policy.to_owned(), rows }
    }
}

// === impl Row ===

impl Row {
    fn of(case: &Case) -> Self {
        let (method, target) = case.request_line();
        let headers = case.head();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let content_type = headers.get("content-type").map(text);
        let asked = String::from_utf8(method).ok().zip(String::from_utf8(target).ok());
        let asked = asked.map(|(method, target)| Asked {
            client: case.policy.clone(),
            method,
            target,
            content_type: content_type.filter(|_| !case.body.is_empty()),
        });
        let headers = headers.iter().map(|(name, value)| (text(name), hex(value))).collect();
        let body = (!case.body.is_empty()).then(|| hex(case.body.as_bytes()));
        Self { headers, body, asked }
    }
}

// === impl Judged ===

impl Judged {
    pub fn outcome(&self) -> Outcome {
        match (self.status, &self.attributes) {
            (Some(status), _) => Outcome::Refused(status),
            (None, attributes) => Outcome::Forwarded(attributes.clone().unwrap()),
        }
    }
}

// === impl Documents ===

impl Documents {
    /// The policies of the commands' transcripts, wrong ones among them.
    pub fn of_commands() -> io::Result<Self> {
        let folder = fs::read_dir(root().join("tests/cases/commands"))?;
        let mut files =
            folder.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        files.sort();
        let texts = files.iter().filter(|file| file.extension().is_some_and(|e| e == "yaml"));
        let documents = texts.map(fs::read_to_string).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { now: NOW, documents })
    }
}
