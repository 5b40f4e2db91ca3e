//! Envoy's access log, as far as it tells what clients asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use keyhole_core::Attempt;
use serde::Deserialize;

/// A request of a client, without what is of no account to a policy.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Asked {
    pub(super) client: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) content_type: Option<String>,
    /// It was refused, by a rule or for the want of one.
    pub(super) refused: bool,
}

/// What a log tells: each request once, with how often it came.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    pub(super) asked: BTreeMap<Asked, usize>,
    /// Lines that are no JSON object: the log of something else.
    pub(super) others: usize,
}

/// A line of the log that envoy/bootstrap.yaml writes. What went to the apiserver is in
/// the line itself; what a rule denied, or would have, in its `decision`.
#[derive(Deserialize)]
struct Line {
    user_agent: Option<String>,
    method: Option<String>,
    path: Option<String>,
    content_type: Option<String>,
    decision: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decision {
    client: String,
    decision: String,
    method: String,
    path: String,
    content_type: Option<String>,
}

// === impl Decisions ===

impl Decisions {
    /// Reads a file, or standard input for `-`.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let what = || format!("cannot read {}", file.display());
        let reader: Box<dyn BufRead> = match file.to_str() {
            Some("-") => Box::new(io::stdin().lock()),
            _ => Box::new(BufReader::new(File::open(file).with_context(what)?)),
        };
        let mut decisions = Self::default();
        for line in reader.split(b'\n') {
            decisions.add(&line.with_context(what)?);
        }
        Ok(decisions)
    }

    fn add(&mut self, line: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            self.others = self.others.saturating_add(usize::from(!line.is_empty()));
            return;
        };
        if let Some(asked) = line.asked() {
            let count = self.asked.entry(asked).or_default();
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn total(&self) -> usize {
        self.asked.values().sum()
    }
}

// === impl Line ===

impl Line {
    /// `None` for a request that no policy has judged.
    fn asked(self) -> Option<Asked> {
        let Self { user_agent, method, path, content_type, decision } = self;
        if let Some(decision) = decision {
            let Decision { client, decision, method, path, content_type } =
                serde_json::from_str(&decision).ok()?;
            let refused = decision == "refused";
            return Some(Asked { client, method, path, content_type, refused });
        }
        let user_agent = user_agent?;
        let client = user_agent.strip_prefix("keyhole/")?.split(' ').next()?.to_owned();
        let (method, path) = (method?, path?);
        Some(Asked { client, method, path, content_type, refused: false })
    }
}

// === impl Asked ===

impl Asked {
    pub(super) fn attempt(&self) -> Attempt<'_> {
        let Self { method, path, content_type, .. } = self;
        Attempt { method, target: path, content_type: content_type.as_deref(), body: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_line_tells_who_asked_for_what() {
        for (line, expected) in [
            (r#"{"user_agent":"keyhole/sql-1 SQL Server","method":"GET","path":"/version","content_type":null,"decision":null}"#,
             Some(("sql-1", "GET", "/version", None, false))),
            (r#"{"user_agent":"keyhole/sql-1","method":"PATCH","path":"/x","content_type":"application/apply-patch+yaml","decision":null}"#,
             Some(("sql-1", "PATCH", "/x", Some("application/apply-patch+yaml"), false))),
            (r#"{"user_agent":"-","method":"-","path":"-","decision":"{\"client\":\"a\",\"decision\":\"refused\",\"method\":\"GET\",\"path\":\"/y\",\"reason\":\"z\"}"}"#,
             Some(("a", "GET", "/y", None, true))),
            (r#"{"user_agent":"keyhole/a","method":"GET","path":"/y","decision":"{\"client\":\"a\",\"decision\":\"reported\",\"method\":\"GET\",\"path\":\"/y\",\"reason\":\"z\"}"}"#,
             Some(("a", "GET", "/y", None, false))),
            // no policy has judged these
            (r#"{"user_agent":"-","method":"-","path":"-","decision":null}"#, None),
            (r#"{"user_agent":"curl/8","method":"GET","path":"/keyhole/livez","decision":null}"#, None),
            (r#"{"user_agent":"curl/8"}"#, None),
        ] {
            let mut decisions = Decisions::default();
            decisions.add(line.as_bytes());
            let asked = decisions.asked.keys().next().map(|asked| {
                let Asked { client, method, path, content_type, refused } = asked;
                (client.as_str(), method.as_str(), path.as_str(), content_type.as_deref(), *refused)
            });
            assert_eq!(asked, expected, "{line}");
            assert_eq!(decisions.others, 0);
        }
    }

    #[test]
    fn other_lines_are_counted() {
        let mut decisions = Decisions::default();
        for line in ["", "[2026-11-21] warning", "42", r#"{"a":"b"}"#] {
            decisions.add(line.as_bytes());
        }
        assert_eq!((decisions.total(), decisions.others), (0, 2));
    }
}
