//! Tests of a policy as they are written: requests, and what must become of them.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use hashbrown::HashSet;
use serde::Deserialize;

use super::decode::decode;
use super::document::Node;
use super::problem::{At, Problem, Problems};
use super::written::List;
use crate::explain::Attempt;

/// A request of a client, and what the gateway must make of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyTest {
    pub line: usize,
    pub name: Option<String>,
    pub client: String,
    pub method: String,
    pub target: String,
    pub content_type: Option<String>,
    pub body: Option<String>,
    pub expect: Expected,
}

/// What must become of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expected {
    Allow,
    /// It is let through, but would be denied if all rules were enforced.
    Report,
    /// It is answered with this code instead of being forwarded.
    Refuse(u16),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    name: Option<String>,
    client: String,
    request: String,
    content_type: Option<String>,
    body: Option<String>,
    expect: String,
}

/// The codes that a request can be refused with before a token is needed, but for
/// 401: a test names its client instead of sending a key.
const CODES: [u16; 4] = [400, 403, 405, 415];

/// Reads a list of tests.
///
/// # Errors
///
/// All problems of the document, by line.
pub fn read_tests(text: &str) -> Result<Vec<PolicyTest>, Vec<Problem>> {
    let root = Node::parse(text).map_err(|problem| [problem])?;
    let problems = Problems::new(&root);
    let tests = decode::<List<Written>>(&root, &problems).map(|written| {
        if written.is_empty() {
            problems.add(&At::ROOT, "there is no test: write one like {client: sql-prod-01, request: GET /version, expect: allow}");
        }
        let mut names: HashSet<&str> = HashSet::new();
        let tests = written.iter().filter_map(|(index, test)| {
            let at = At::ROOT.index(index);
            if let Some(name) = &test.name && !names.insert(name) {
                let message = format!("`{name}` is the name of another test: give each its own");
                problems.add(&at.field("name"), message);
            }
            read(test, &at, &root, &problems)
        });
        tests.collect()
    });
    problems.into_result(tests)
}

fn read(
    written: &Written,
    at: &At<'_>,
    root: &Node,
    problems: &Problems<'_>,
) -> Option<PolicyTest> {
    let Written { name, client, request, content_type, body, expect } = written;
    let line = request.split_once(' ').filter(|(method, target)| {
        !method.is_empty() && target.starts_with('/') && !target.contains(' ')
    });
    if line.is_none() {
        let message = format!(
            "`{request}` is not a request: write a method and a path, as in `GET /version`"
        );
        problems.add(&at.field("request"), message);
    }
    let expected = Expected::parse(expect);
    if expected.is_none() {
        let message = format!(
            "is `{expect}`: write `allow`, `deny` (by the rules: a 403), `report` (allowed, but not by what is enforced), or the code of another refusal, 400, 405 or 415"
        );
        problems.add(&at.field("expect"), message);
    }
    let (method, target) = line?;
    Some(PolicyTest {
        line: at.locate(root).mark.line,
        name: name.clone(),
        client: client.clone(),
        method: method.to_owned(),
        target: target.to_owned(),
        content_type: content_type.clone(),
        body: body.clone(),
        expect: expected?,
    })
}

// === impl PolicyTest ===

impl PolicyTest {
    pub fn attempt(&self) -> Attempt<'_> {
        let Self { method, target, content_type, body, .. } = self;
        let (content_type, body) = (content_type.as_deref(), body.as_deref());
        Attempt { method, target, content_type, body: body.map(str::as_bytes) }
    }
}

// === impl Expected ===

impl Expected {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "allow" => Some(Self::Allow),
            "report" => Some(Self::Report),
            "deny" => Some(Self::Refuse(403)),
            code => {
                let code = code.parse().ok().filter(|code| CODES.contains(code));
                code.map(Self::Refuse)
            }
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Report => f.write_str("report"),
            Self::Refuse(403) => f.write_str("deny"),
            Self::Refuse(code) => code.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_test_is_a_request_and_what_must_become_of_it() {
        let text = "- {client: a, request: GET /version, expect: allow}\n\
                    - name: n\n  client: b\n  request: PATCH /x?y=z\n  contentType: text/plain\n  expect: 415\n";
        let tests = read_tests(text).unwrap();
        let lines: Vec<_> = tests.iter().map(|test| (test.line, test.expect)).collect();
        assert_eq!(lines, [(1, Expected::Allow), (2, Expected::Refuse(415))]);
        let Attempt { method, target, content_type, .. } = tests[1].attempt();
        assert_eq!((method, target, content_type), ("PATCH", "/x?y=z", Some("text/plain")));
    }

    #[test]
    #[rustfmt::skip]
    fn each_mistake_says_what_to_write() {
        for (text, expected) in [
            ("",     "line 1: the document is empty"),
            ("[]",   "line 1: there is no test: write one like {client: sql-prod-01, request: GET /version, expect: allow}"),
            ("a: b", "line 1: is a mapping: write a list"),
            ("- {client: a, request: GET /, expect: yes}",         "line 1: [0].expect: is `yes`: write `allow`, `deny` (by the rules: a 403), `report` (allowed, but not by what is enforced), or the code of another refusal, 400, 405 or 415"),
            ("- {client: a, request: GET /, expect: 401}",         "line 1: [0].expect: is `401`: write `allow`, `deny` (by the rules: a 403), `report` (allowed, but not by what is enforced), or the code of another refusal, 400, 405 or 415"),
            ("- {client: a, request: /version, expect: allow}",    "line 1: [0].request: `/version` is not a request: write a method and a path, as in `GET /version`"),
            ("- {client: a, request: GET version, expect: allow}", "line 1: [0].request: `GET version` is not a request: write a method and a path, as in `GET /version`"),
            ("- {client: a, expect: allow}",                       "line 1: [0]: `request` is missing: add it"),
            ("- {client: a, request: GET /, expect: allow, x: y}", "line 1: [0].x: unknown field: write `name`, `client`, `request`, `contentType`, `body` or `expect`"),
            ("- {name: n, client: a, request: GET /, expect: allow}\n- {name: n, client: a, request: GET /, expect: allow}",
             "line 2: [1].name: `n` is the name of another test: give each its own"),
        ] {
            let problems = read_tests(text).unwrap_err();
            let said: Vec<_> = problems.iter().map(Problem::to_string).collect();
            assert_eq!(said, [expected], "{text}");
        }
    }
}
