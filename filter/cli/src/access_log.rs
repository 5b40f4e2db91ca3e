//! Envoy's access log, as envoy/bootstrap.yaml writes it: a JSON object a line. What the
//! filter told Envoy is JSON in a string of it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

/// A request.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    #[serde(flatten)]
    pub(crate) envoy: Envoy,
    /// Whose key it came with, if that was a good one.
    #[serde(default, deserialize_with = "nested")]
    pub(crate) caller: Option<Caller>,
    /// What the filter answered itself, or did not just let pass.
    #[serde(default, deserialize_with = "nested")]
    pub(crate) decision: Option<Decision>,
    #[serde(default, deserialize_with = "nested")]
    pub(crate) claims: Option<Claims>,
    #[serde(flatten)]
    sent: Sent,
}

/// What Envoy knows by itself.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Envoy {
    time: Option<String>,
    /// What has none is a line of another log.
    request_id: String,
    source: Option<String>,
    code: Option<u16>,
    details: Option<String>,
    flags: Option<String>,
    duration_ms: Option<u64>,
    upstream: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Caller {
    pub(crate) client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    policy: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decision {
    pub(crate) decision: String,
    method: Option<String>,
    path: Option<String>,
    content_type: Option<String>,
    pub(crate) reason: Option<String>,
}

/// What SQL Server says of itself.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Claims {
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<String>,
}

/// What went to the apiserver.
#[derive(Debug, Deserialize)]
struct Sent {
    method: Option<String>,
    path: Option<String>,
    content_type: Option<String>,
}

/// What was asked for, as far as it was looked at.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
}

/// Reads a file, or standard input for `-`, and returns how many lines are of something
/// else.
pub(crate) fn read(file: &Path, mut each: impl FnMut(Line)) -> anyhow::Result<usize> {
    let what = || format!("cannot read {}", file.display());
    let reader: Box<dyn BufRead> = match file.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(BufReader::new(File::open(file).with_context(what)?)),
    };
    let mut others = 0_usize;
    for line in reader.split(b'\n') {
        let line = line.with_context(what)?;
        match serde_json::from_slice(&line) {
            Ok(line) => each(line),
            Err(_) => others = others.saturating_add(usize::from(!line.is_empty())),
        }
    }
    Ok(others)
}

/// JSON in a string.
fn nested<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

// === impl Line ===

impl Line {
    /// `allowed`, or what became of it otherwise; `None` if the filter did not judge it.
    pub(crate) fn decision(&self) -> Option<&str> {
        match &self.decision {
            Some(Decision { decision, .. }) => Some(decision),
            None => self.caller.as_ref().map(|_| "allowed"),
        }
    }

    /// It did not get to the apiserver.
    pub(crate) fn is_refused(&self) -> bool {
        !matches!(self.decision(), Some("allowed" | "reported"))
    }

    /// `None` for what was not looked at, or not sent.
    pub(crate) fn asked(&self) -> Option<Asked> {
        let decided = self.decision.as_ref().and_then(|decision| {
            let Decision { method, path, content_type, .. } = decision;
            Asked::new(method.as_ref(), path.as_ref(), content_type.as_ref())
        });
        let Sent { method, path, content_type } = &self.sent;
        decided.or_else(|| Asked::new(method.as_ref(), path.as_ref(), content_type.as_ref()))
    }
}

// === impl Asked ===

impl Asked {
    /// Envoy writes `-` for what is not there.
    fn new(
        method: Option<&String>,
        path: Option<&String>,
        content_type: Option<&String>,
    ) -> Option<Self> {
        let given = |text: Option<&String>| text.filter(|text| *text != "-").cloned();
        let (method, path) = (given(method)?, given(path)?);
        Some(Self { method, path, content_type: given(content_type) })
    }
}
