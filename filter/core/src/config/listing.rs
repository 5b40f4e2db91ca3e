//! A policy as it is written, with its lines: for those who explain policies to
//! people. The filter never makes one.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::decode::decode;
use super::document::{Mark, Node};
use super::problem::{At, Problem, Problems};
use super::text::RuleText;
use super::written::List;
use super::{Loaded, Revision, compile, rule, written};
use crate::policy::grant::{Enforcement, Terms};
use crate::policy::hours::Hours;
use crate::policy::key::KeyDigest;
use crate::policy::names::Names;
use crate::policy::rules::near::Dimension;
use crate::policy::rules::{Question, Rules};
use crate::policy::{Client, Key, Policy};
use crate::request::attributes::Attributes;
use crate::time::UnixTime;

/// A valid policy, compiled and as it is written.
#[derive(Debug)]
pub struct Listing {
    pub loaded: Loaded,
    pub clients: Vec<ListedClient>,
    /// In the order of the compiled policy's roles.
    pub roles: Vec<ListedRole>,
}

#[derive(Debug)]
pub struct ListedClient {
    pub line: usize,
    pub column: usize,
    pub field: String,
    pub name: String,
    pub keys: Vec<ListedKey>,
    /// What its tokens say, in words.
    pub tokens: Vec<String>,
    pub roles: Vec<String>,
}

#[derive(Debug)]
pub struct ListedKey {
    pub line: usize,
    pub column: usize,
    pub field: String,
    pub digest: KeyDigest,
    pub not_before: Option<UnixTime>,
    pub not_after: Option<UnixTime>,
    pub hours: Option<Hours>,
}

#[derive(Debug)]
pub struct ListedRole {
    pub name: String,
    pub rules: Vec<ListedRule>,
}

/// A rule, compiled by itself, so that it can be asked what it allows alone.
#[derive(Debug)]
pub struct ListedRule {
    pub line: usize,
    pub column: usize,
    /// As in `roles[0].rules[1]`.
    pub field: String,
    pub text: RuleText,
    terms: Terms,
    names: Names,
    alone: Rules,
}

/// Reads a policy document as [`super::load_policy`] does, and keeps what is written.
///
/// # Errors
///
/// All problems of the document, by line.
pub fn list_policy(text: &str) -> Result<Listing, Vec<Problem>> {
    let root = Node::parse(text).map_err(|problem| [problem])?;
    let problems = Problems::new(&root);
    let listing = decode::<written::Policy>(&root, &problems).map(|written| {
        let revision = Revision::of(&root);
        let policy = compile::compile(&written, &revision, &At::ROOT, &problems);
        let lister = Lister { root: &root, problems: &problems };
        let clients = lister.clients(&written, &policy);
        let roles = lister.roles(&written);
        Listing { loaded: Loaded { policy, revision }, clients, roles }
    });
    problems.into_result(listing)
}

struct Lister<'p, 'n> {
    root: &'n Node,
    problems: &'p Problems<'n>,
}

// === impl Listing ===

impl Listing {
    /// The rules of a client, with the names of their roles.
    pub(crate) fn rules_of(
        &self,
        client: &Client,
    ) -> impl Iterator<Item = (&str, &ListedRule)> {
        let roles = client.roles.iter().filter_map(|role| self.roles.get(*role));
        roles.flat_map(|role| role.rules.iter().map(|rule| (&*role.name, rule)))
    }

    pub fn client(&self, name: &str) -> Option<&Client> {
        self.loaded.policy.client(name)
    }

    pub fn client_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.loaded.policy.clients().iter().map(Client::name)
    }
}

// === impl ListedRule ===

impl ListedRule {
    /// Reads a rule that stands by itself.
    ///
    /// # Errors
    ///
    /// All problems of the rule, by line.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let root = Node::parse(text).map_err(|problem| [problem])?;
        let problems = Problems::new(&root);
        let rule = decode::<written::Rule>(&root, &problems)
            .map(|rule| Lister { root: &root, problems: &problems }.rule(&rule, &At::ROOT));
        problems.into_result(rule)
    }

    pub fn allows(&self, attributes: &Attributes<'_>) -> bool {
        let question = Question::new(&self.names, attributes);
        self.alone.allow(&question) || !self.alone.terms(&question).is_empty()
    }

    pub const fn enforcement(&self) -> Enforcement {
        self.terms.enforcement
    }

    /// In what the rule differs from a request; `None` if it is about another kind
    /// of request.
    pub fn differing(&self, attributes: &Attributes<'_>) -> Option<Vec<Dimension>> {
        self.alone.differing(&Question::new(&self.names, attributes))
    }
}

// === impl Lister ===

impl Lister<'_, '_> {
    fn roles(&self, written: &written::Policy) -> Vec<ListedRole> {
        let at = At::ROOT.field("roles");
        let roles = written.roles.iter().flat_map(|roles| roles.iter());
        roles
            .map(|(index, role)| {
                let at = at.index(index);
                let at = at.field("rules");
                let rules = role.rules.iter();
                let rules = rules.map(|(index, rule)| self.rule(rule, &at.index(index)));
                ListedRole { name: role.name.clone(), rules: rules.collect() }
            })
            .collect()
    }

    fn rule(&self, written: &written::Rule, at: &At<'_>) -> ListedRule {
        let (mut names, mut alone, mut entries) = (Names::default(), Rules::default(), 0);
        let (problems, entries) = (self.problems, &mut entries);
        let terms = rule::compile(written, at, problems, &mut names, &mut alone, entries);
        let (Mark { line, column }, field) = self.place(at);
        let text = RuleText::of(written, &terms);
        ListedRule { line, column, field, text, terms, names, alone }
    }

    fn clients(&self, written: &written::Policy, policy: &Policy) -> Vec<ListedClient> {
        let at = At::ROOT.field("clients");
        let clients = written.clients.iter();
        clients
            .map(|(index, client)| {
                let at = at.index(index);
                let (Mark { line, column }, field) = self.place(&at);
                let at = at.field("keys");
                let keys = client.keys.iter().flat_map(List::iter);
                let keys = keys.filter_map(|(i, key)| self.key(key, &at.index(i), policy));
                let tokens = client.tokens.iter().flat_map(List::iter);
                let roles = client.roles.iter().map(|(_, role)| role.clone());
                ListedClient {
                    line,
                    column,
                    field,
                    name: client.name.clone(),
                    keys: keys.collect(),
                    tokens: tokens.map(|(_, token)| described(token)).collect(),
                    roles: roles.collect(),
                }
            })
            .collect()
    }

    fn key(&self, written: &written::Key, at: &At<'_>, policy: &Policy) -> Option<ListedKey> {
        let digest = KeyDigest::parse(&written.sha256)?;
        let key = policy.keys.get(&digest)?;
        let (Mark { line, column }, field) = self.place(at);
        let Key { client: _, not_before, not_after, hours, holder: _ } = *key;
        Some(ListedKey { line, column, field, digest, not_before, not_after, hours })
    }

    fn place(&self, at: &At<'_>) -> (Mark, String) {
        (at.locate(self.root).mark, at.to_string())
    }
}

/// Where its keys are is said, too: whoever has those makes its tokens.
fn described(token: &written::Token) -> String {
    let written::Token { issuer, audience, subject, claims, jwks, jwks_uri, cluster } = token;
    let mut text = format!("of {issuer} for {audience}");
    if let Some(subject) = subject {
        text.push_str(&format!(", subject {subject}"));
    }
    for (name, value) in claims.iter().flat_map(|claims| &claims.0).flatten() {
        text.push_str(&format!(", {name} {value}"));
    }
    match (jwks, jwks_uri, cluster) {
        (Some(jwks), ..) => {
            let digest = KeyDigest::of(jwks.as_bytes()).to_hex();
            let start: String = digest.chars().take(12).collect();
            text.push_str(&format!(", keys {start}... of the policy"));
        }
        (None, Some(uri), Some(cluster)) => {
            text.push_str(&format!(", keys at {uri} by {cluster}"));
        }
        _ => {}
    }
    text
}
