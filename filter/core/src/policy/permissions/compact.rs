//! Permissions as few rules: what differs in one dimension only becomes a list.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use super::{PathTerm, Permission, Permissions, ResourceTerm, Scope, Term};
use crate::config::text::{RuleScope, RuleText};
use crate::request::verb::VerbSet;

type Words = BTreeSet<String>;

/// A product of lists. No namespaces are the cluster scope, no names are any name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Product {
    namespaces: Words,
    groups: Words,
    resources: Words,
    names: Words,
    verbs: Vec<String>,
}

// === impl Permissions ===

impl Permissions {
    /// Rules that allow exactly this, with all verbs named, on these terms.
    pub fn rules(&self, terms: &str) -> Vec<RuleText> {
        let mut products = Vec::new();
        let mut paths: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        for (permission, verbs) in self.iter() {
            let verbs = words(verbs);
            match permission {
                Permission::Path(path) => paths.entry(verbs).or_default().push(url(path)),
                Permission::Resource(term) => products.push(Product::of(term, verbs)),
            }
        }
        let products = merged(products, |product| &mut product.names);
        let products = merged(products, |product| &mut product.resources);
        let products = merged(products, |product| &mut product.groups);
        let products = merged(products, |product| &mut product.namespaces);
        let paths = paths.into_iter().map(|(verbs, urls)| RuleText::NonResource {
            urls,
            verbs,
            terms: terms.to_string(),
        });
        products.into_iter().map(|product| product.into_rule(terms)).chain(paths).collect()
    }
}

/// Joins the products that differ only in one list. An empty list is not joined,
/// for it stands for something else than its words.
fn merged(products: Vec<Product>, list: impl Fn(&mut Product) -> &mut Words) -> Vec<Product> {
    let mut joined: BTreeMap<(Product, bool), Words> = BTreeMap::new();
    for mut product in products {
        let words = mem::take(list(&mut product));
        let is_empty = words.is_empty();
        joined.entry((product, is_empty)).or_default().extend(words);
    }
    let joined = joined.into_iter().map(|((mut product, _), words)| {
        *list(&mut product) = words;
        product
    });
    joined.collect()
}

fn words(verbs: VerbSet) -> Vec<String> {
    verbs.iter().map(|verb| verb.to_string()).collect()
}

fn url(path: &PathTerm) -> String {
    match path {
        PathTerm::Below(path) => [path, "/*"].concat(),
        PathTerm::Exactly(path) => path.clone(),
    }
}

// === impl Product ===

impl Product {
    fn of(term: &ResourceTerm, verbs: Vec<String>) -> Self {
        let ResourceTerm { scope, group, resource, subresource, name } = term;
        let word = |term: &Term| match term {
            Term::Any => "*".to_string(),
            Term::Is(word) => word.clone(),
        };
        let namespaces = match scope {
            Scope::AnyNamespace => [word(&Term::Any)].into(),
            Scope::Cluster => Words::new(),
            Scope::Namespace(namespace) => [namespace.clone()].into(),
        };
        let resource = match subresource.as_str() {
            "" => word(resource),
            subresource => [&*word(resource), subresource].join("/"),
        };
        let names = match name {
            Term::Any => Words::new(),
            Term::Is(name) => [name.clone()].into(),
        };
        Self {
            namespaces,
            groups: [word(group)].into(),
            resources: [resource].into(),
            names,
            verbs,
        }
    }

    fn into_rule(self, terms: &str) -> RuleText {
        let Self { namespaces, groups, resources, names, verbs } = self;
        let scope = match namespaces.is_empty() {
            true => RuleScope::Cluster,
            false => RuleScope::Namespaces(namespaces.into_iter().collect()),
        };
        RuleText::Resource {
            scope,
            groups: groups.into_iter().collect(),
            resources: resources.into_iter().collect(),
            names: Some(names)
                .filter(|names| !names.is_empty())
                .map(|n| n.into_iter().collect()),
            verbs,
            terms: terms.to_string(),
        }
    }
}
