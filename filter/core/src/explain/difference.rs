//! In what a rule and a request differ, in words.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::Need;
use crate::config::text::{RuleScope, RuleText};
use crate::policy::rules::near::Dimension;
use crate::request::attributes::Attributes;

/// What was asked, and what the nearest rule has instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    pub dimension: Dimension,
    pub asked: String,
    pub has: Vec<String>,
    /// Why a star of the rule does not help; nothing if it has none.
    pub note: &'static str,
}

// === impl Need ===

impl Need<'_, '_> {
    /// In what the nearest rule differs; nothing if there is none.
    pub fn differences(&self) -> Vec<Difference> {
        let miss = self.nearest.iter();
        let differences = miss.flat_map(|miss| {
            let of =
                |own: &Dimension| Difference::new(*own, &self.attributes, &miss.at.rule.text);
            miss.differing.iter().map(of)
        });
        differences.collect()
    }
}

// === impl Difference ===

impl Difference {
    fn new(dimension: Dimension, attributes: &Attributes<'_>, rule: &RuleText) -> Self {
        let (asked, has) = (asked(dimension, attributes), has(dimension, rule));
        let note = match dimension {
            _ if !has.iter().any(|word| word == "*") => "",
            Dimension::Verb => "`*` does not cover `watch`",
            Dimension::Resource => "`*` covers no subresource, and no namespace itself",
            Dimension::Namespace => {
                "`*` covers neither the cluster scope nor a namespace itself"
            }
            _ => "",
        };
        Self { dimension, asked, has, note }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dimension, asked, has, note } = self;
        write!(f, "{dimension}: asked for {asked}, the rule has {}", has.join(", "))?;
        match *note {
            "" => Ok(()),
            note => write!(f, " ({note})"),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiGroup => "apiGroup",
            Self::Namespace => "namespace",
            Self::Path => "path",
            Self::Resource => "resource",
            Self::ResourceName => "resourceName",
            Self::Verb => "verb",
        })
    }
}

fn asked(dimension: Dimension, attributes: &Attributes<'_>) -> String {
    let text = match attributes {
        Attributes::NonResource { path, verb } => match dimension {
            Dimension::Verb => verb.as_str(),
            _ => path,
        },
        Attributes::Resource(resource) => match dimension {
            Dimension::ApiGroup => or(resource.group, "\"\""),
            Dimension::Namespace => or(resource.namespace, "the cluster scope"),
            Dimension::Path | Dimension::Resource if resource.subresource.is_empty() => {
                resource.resource
            }
            Dimension::Path | Dimension::Resource => {
                return format!("{}/{}", resource.resource, resource.subresource);
            }
            Dimension::ResourceName => or(&resource.name, "none"),
            Dimension::Verb => resource.verb.as_str(),
        },
    };
    text.to_owned()
}

fn has(dimension: Dimension, rule: &RuleText) -> Vec<String> {
    match (rule, dimension) {
        (_, Dimension::Verb) => rule.verbs().to_vec(),
        (RuleText::NonResource { urls, .. }, _) => urls.clone(),
        (RuleText::Resource { groups, .. }, Dimension::ApiGroup) => {
            groups.iter().map(|group| or(group, "\"\"").to_owned()).collect()
        }
        (RuleText::Resource { scope, .. }, Dimension::Namespace) => match scope {
            RuleScope::Cluster => ["the cluster scope".to_owned()].into(),
            RuleScope::Namespaces(namespaces) => namespaces.clone(),
        },
        (RuleText::Resource { names, .. }, Dimension::ResourceName) => {
            names.clone().unwrap_or_default()
        }
        (RuleText::Resource { resources, .. }, _) => resources.clone(),
    }
}

pub(super) fn or<'a>(text: &'a str, empty: &'a str) -> &'a str {
    if text.is_empty() { empty } else { text }
}
