//! What a log tells of what clients asked for.

use std::collections::BTreeMap;
use std::path::Path;

use keyhole_core::Attempt;

use crate::access_log::{self, Line};

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

// === impl Decisions ===

impl Decisions {
    /// Reads a file, or standard input for `-`.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let mut decisions = Self::default();
        decisions.others = access_log::read(file, |line| decisions.add(&line))?;
        Ok(decisions)
    }

    fn add(&mut self, line: &Line) {
        if let Some(asked) = Asked::of(line) {
            let count = self.asked.entry(asked).or_default();
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn total(&self) -> usize {
        self.asked.values().sum()
    }
}

// === impl Asked ===

impl Asked {
    /// `None` for a request that no policy has judged.
    fn of(line: &Line) -> Option<Self> {
        let client = line.caller.as_ref()?.client.clone();
        let access_log::Asked { method, path, content_type } = line.asked()?;
        Some(Self { client, method, path, content_type, refused: line.is_refused() })
    }

    pub(super) fn attempt(&self) -> Attempt<'_> {
        let Self { method, path, content_type, .. } = self;
        Attempt { method, target: path, content_type: content_type.as_deref(), body: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str =
        r#"{\"client\":\"sql-1\",\"key\":\"9f86d081\",\"policy\":\"1f2e3d4c5b6a\"}"#;

    #[test]
    #[rustfmt::skip]
    fn a_line_tells_who_asked_for_what() {
        for (line, expected) in [
            (r#"{"caller":"CALLER","method":"GET","path":"/version","content_type":null,"decision":null}"#,
             Some(("GET", "/version", None, false))),
            (r#"{"caller":"CALLER","method":"GET","path":"/version","content_type":"-"}"#,
             Some(("GET", "/version", None, false))),
            (r#"{"caller":"CALLER","method":"PATCH","path":"/x","content_type":"application/apply-patch+yaml","decision":null}"#,
             Some(("PATCH", "/x", Some("application/apply-patch+yaml"), false))),
            (r#"{"caller":"CALLER","method":"-","path":"-","decision":"{\"decision\":\"forbidden\",\"method\":\"GET\",\"path\":\"/y\",\"reason\":\"z\"}"}"#,
             Some(("GET", "/y", None, true))),
            (r#"{"caller":"CALLER","method":"GET","path":"/y","decision":"{\"decision\":\"reported\",\"method\":\"GET\",\"path\":\"/y\",\"reason\":\"z\"}"}"#,
             Some(("GET", "/y", None, false))),
            // the answer was lost
            (r#"{"caller":"CALLER","method":"POST","path":"/y","decision":"{\"decision\":\"unavailable\",\"reason\":\"z\"}"}"#,
             Some(("POST", "/y", None, true))),
            // no policy has judged these
            (r#"{"caller":"CALLER","method":"-","path":"-","decision":"{\"decision\":\"limited\",\"reason\":\"z\"}"}"#, None),
            (r#"{"caller":"-","method":"-","path":"-","decision":"{\"decision\":\"unauthorized\",\"reason\":\"z\"}"}"#, None),
            (r#"{"caller":null,"method":"-","path":"-","decision":null}"#, None),
            (r#"{"code":200}"#, None),
        ] {
            let line = line.replace("CALLER", CALLER).replacen('{', r#"{"request_id":"1","#, 1);
            let line = serde_json::from_str(&line).unwrap();
            let asked = Asked::of(&line);
            let asked = asked.as_ref().map(|asked| {
                let Asked { client, method, path, content_type, refused } = asked;
                assert_eq!(client, "sql-1");
                (method.as_str(), path.as_str(), content_type.as_deref(), *refused)
            });
            assert_eq!(asked, expected, "{line:?}");
        }
    }
}
