//! The rows of `tests/cases/*.toml`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use keyhole_core::{Attributes, HeaderList, KeyDigest, Request};
use serde::Deserialize;

use crate::stack::root;

/// One request and what is to come of it; the fields are explained in
/// `tests/cases/README.md`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub request: String,
    #[serde(default)]
    pub headers: Vec<String>,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub policy: String,
    pub expect: Outcome,
    pub core: Option<Outcome>,
    #[serde(default)]
    pub http1: bool,
    pub why: String,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(untagged)]
pub enum Outcome {
    Refused(u16),
    Forwarded(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    policy: String,
    cases: Vec<Case>,
}

/// All rows, by file.
pub fn all() -> Result<Vec<(String, Case)>> {
    let mut cases = Vec::new();
    for name in ["paths", "queries", "methods", "headers"] {
        let text = fs::read_to_string(root().join(format!("tests/cases/{name}.toml")))?;
        let file: File = toml::from_str(&text).with_context(|| name.to_owned())?;
        for mut case in file.cases {
            if case.policy.is_empty() {
                case.policy.clone_from(&file.policy);
            }
            cases.push((name.to_owned(), case));
        }
    }
    Ok(cases)
}

/// One policy in which each named set of rules has a client of its own.
pub fn policy() -> Result<String> {
    let text = fs::read_to_string(root().join("tests/cases/policies.toml"))?;
    let rules: BTreeMap<String, Vec<String>> = toml::from_str(&text)?;
    let mut policy = String::from("apiVersion: keyhole/v1\nkind: Policy\nclients:\n");
    for name in rules.keys() {
        let digest = KeyDigest::of(key(name).as_bytes()).to_hex();
        policy.push_str(&format!(
            "- {{name: {name}, keys: [{{sha256: \"{digest}\"}}], serviceAccount: {{namespace: default, name: api-reader}}, roles: [{name}]}}\n"
        ));
    }
    policy.push_str("roles:\n");
    for (name, rules) in rules {
        policy.push_str(&format!("- {{name: {name}, rules: [{}]}}\n", rules.join(", ")));
    }
    Ok(policy)
}

/// How a request is read, as the rows say it.
pub fn read_as(request: &Request<'_>) -> String {
    match &request.attributes {
        Attributes::NonResource { verb, .. } => {
            let target = request.target().expect("it is well-formed");
            format!("{verb} {target}")
        }
        Attributes::Resource(r) => format!(
            "{} {}/{}/{} {}/{}",
            r.verb, r.group, r.resource, r.subresource, r.namespace, r.name
        ),
    }
}

fn key(policy: &str) -> String {
    format!("keyhole_{policy}_secret")
}

// === impl Case ===

impl Case {
    /// The method and the request target, as bytes.
    pub fn request_line(&self) -> (Vec<u8>, Vec<u8>) {
        let (method, target) = self.request.split_once(' ').expect("METHOD TARGET");
        (unescape(method), unescape(target))
    }

    /// The headers as they are sent, key and length included.
    pub fn headers(&self) -> Vec<(String, Vec<u8>)> {
        let key = key(&self.policy);
        let mut headers: Vec<(String, Vec<u8>)> = self
            .headers
            .iter()
            .map(|header| {
                let (name, value) = header.split_once(':').expect("NAME: VALUE");
                (name.to_owned(), unescape(&value.trim_start().replace("KEY", &key)))
            })
            .collect();
        let names: Vec<String> = headers.iter().map(|(name, _)| name.to_lowercase()).collect();
        let credential = |name: &String| {
            name.contains("authorization") || name.contains("api") || name == "cookie"
        };
        if !names.iter().any(credential) {
            headers.push(("x-api-key".to_owned(), key.into_bytes()));
        }
        if !self.body.is_empty() && !names.contains(&"content-length".to_owned()) {
            headers
                .push(("content-length".to_owned(), self.body.len().to_string().into_bytes()));
        }
        headers
    }

    /// All headers, as Envoy would hand them to the filter.
    pub fn head(&self) -> HeaderList {
        let (method, target) = self.request_line();
        let pseudo = [
            (":method".to_owned(), method),
            (":path".to_owned(), target),
            (":authority".to_owned(), b"keyhole".to_vec()),
            (":scheme".to_owned(), b"https".to_vec()),
        ];
        let own = self.headers().into_iter();
        let own = own.map(|(name, value)| (name.to_lowercase(), value));
        pseudo.into_iter().chain(own).collect()
    }
}

/// `\xNN` is a byte; everything else is itself.
fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(hex, 16).expect("two hex digits"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}
