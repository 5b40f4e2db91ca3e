//! A rule as it is written, for those who show or write rules.

mod constraints;

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::written::{List, Rule};
use crate::policy::grant::Terms;

/// The words of a valid rule. `Display` writes them on one line of YAML.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RuleText {
    NonResource {
        urls: Vec<String>,
        verbs: Vec<String>,
        /// Of the rule's end, as in `enforcement: report`; mostly nothing.
        terms: String,
    },
    Resource {
        scope: RuleScope,
        groups: Vec<String>,
        resources: Vec<String>,
        names: Option<Vec<String>>,
        verbs: Vec<String>,
        terms: String,
    },
}

/// Where a resource rule holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RuleScope {
    Cluster,
    Namespaces(Vec<String>),
}

/// A rule as Kubernetes RBAC has it: its binding says where it holds.
struct Rbac<'a>(&'a RuleText);

/// A list in YAML's flow style.
struct Flow<'a>(&'a [String]);

/// Text as a YAML scalar: quoted where some reader could take it for something else.
struct Scalar<'a>(&'a str);

// === impl RuleText ===

impl RuleText {
    /// The words of a rule that has been compiled without a problem.
    pub(super) fn of(rule: &Rule, terms: &Terms) -> Self {
        let Rule {
            namespaces,
            cluster_scope: _,
            api_groups,
            resources,
            resource_names,
            non_resource_urls,
            verbs,
            constraints: _,
            enforcement: _,
        } = rule;
        let terms = terms.to_string();
        let verbs = words(verbs.as_ref());
        if non_resource_urls.is_some() {
            let urls = words(non_resource_urls.as_ref());
            return Self::NonResource { urls, verbs, terms };
        }
        let scope = match namespaces {
            Some(_) => RuleScope::Namespaces(words(namespaces.as_ref())),
            None => RuleScope::Cluster,
        };
        let groups = words(api_groups.as_ref());
        let resources = words(resources.as_ref());
        let names = resource_names.as_ref().map(|names| words(Some(names)));
        Self::Resource { scope, groups, resources, names, verbs, terms }
    }

    /// What Keyhole's rules and those of Kubernetes have in common.
    fn common(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonResource { urls, verbs, .. } => {
                write!(f, "nonResourceURLs: {}, verbs: {}", Flow(urls), Flow(verbs))
            }
            Self::Resource { groups, resources, names, verbs, .. } => {
                write!(f, "apiGroups: {}, resources: {}", Flow(groups), Flow(resources))?;
                if let Some(names) = names {
                    write!(f, ", resourceNames: {}", Flow(names))?;
                }
                write!(f, ", verbs: {}", Flow(verbs))
            }
        }
    }

    /// The same rule for a Kubernetes Role or ClusterRole, on one line of YAML. Stars
    /// are not translated; constraints are left out, for RBAC knows none.
    pub fn rbac(&self) -> impl fmt::Display {
        Rbac(self)
    }

    pub fn verbs(&self) -> &[String] {
        match self {
            Self::NonResource { verbs, .. } | Self::Resource { verbs, .. } => verbs,
        }
    }

    fn terms(&self) -> &str {
        match self {
            Self::NonResource { terms, .. } | Self::Resource { terms, .. } => terms,
        }
    }
}

fn words(list: Option<&List<String>>) -> Vec<String> {
    list.into_iter().flat_map(List::iter).map(|(_, word)| word.to_owned()).collect()
}

impl fmt::Display for RuleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        match self {
            Self::NonResource { .. } => {}
            Self::Resource { scope: RuleScope::Cluster, .. } => {
                f.write_str("clusterScope: true, ")?;
            }
            Self::Resource { scope: RuleScope::Namespaces(list), .. } => {
                write!(f, "namespaces: {}, ", Flow(list))?;
            }
        }
        self.common(f)?;
        match self.terms() {
            "" => {}
            terms => write!(f, ", {terms}")?,
        }
        f.write_str("}")
    }
}

// === impl Rbac ===

impl fmt::Display for Rbac<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        self.0.common(f)?;
        f.write_str("}")
    }
}

// === impl Flow ===

impl fmt::Display for Flow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, word) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", Scalar(word))?;
        }
        f.write_str("]")
    }
}

// === impl Scalar ===

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        match is_plain(text) {
            true => f.write_str(text),
            false => write!(f, "{text:?}"),
        }
    }
}

/// Whether every YAML reader takes this for text, also where `[`, `{`, `,` mean
/// something.
fn is_plain(text: &str) -> bool {
    let word =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '/')
        && text.bytes().all(word)
        && !["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&text)
}

#[cfg(test)]
mod tests {
    use crate::config::listing::ListedRule;
    use alloc::string::ToString;

    #[test]
    fn a_rule_is_written_as_it_was_read() {
        for line in [
            r#"{namespaces: [default, "*"], apiGroups: ["", apps], resources: [pods, pods/log], verbs: [get, watch]}"#,
            r#"{namespaces: ["7", "null"], apiGroups: ["*"], resources: ["*"], resourceNames: [a.b, "a:b", "A-1"], verbs: [get]}"#,
            r#"{namespaces: [default], apiGroups: [batch], resources: [jobs], verbs: [create], constraints: {images: [registry.example.com/team/, "busybox:1.36"], forbid: [privileged, hostPath], serviceAccounts: [worker], namePrefix: sql-, labels: ["team=db", app], maxReplicas: 5}}"#,
            r#"{namespaces: [default], apiGroups: [apps], resources: [deployments/scale], verbs: [update], constraints: {maxReplicas: 5}}"#,
            r#"{clusterScope: true, apiGroups: [""], resources: [nodes], verbs: [list]}"#,
            r#"{nonResourceURLs: [/version, "/healthz/*"], verbs: [get]}"#,
            r#"{nonResourceURLs: [/version], verbs: [get], enforcement: report}"#,
        ] {
            assert_eq!(ListedRule::read(line).unwrap().text.to_string(), line);
        }
    }

    #[test]
    fn rbac_knows_no_constraints() {
        let line = r#"{namespaces: [d], apiGroups: [""], resources: [pods], verbs: [create], constraints: {namePrefix: sql-}}"#;
        let rbac = r#"{apiGroups: [""], resources: [pods], verbs: [create]}"#;
        assert_eq!(ListedRule::read(line).unwrap().text.rbac().to_string(), rbac);
    }
}
