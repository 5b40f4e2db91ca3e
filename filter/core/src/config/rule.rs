//! Compiles one rule, and refuses rules that can never match.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::constraints::{self, WRITES};
use super::problem::{At, Problems};
use super::resource::{self, Resource, is_cluster_scoped};
use super::syntax::{is_label, is_segment};
use super::words::words;
use super::written::{List, Rule, Tolerant};
use crate::policy::grant::{Enforcement, Terms};
use crate::policy::names::{NameId, Names};
use crate::policy::rules::{Pattern, Rules};
use crate::request::verb::{Verb, VerbSet};

/// A rule is stored as the product of its lists. All rules of a policy may have
/// this many entries together; each takes about 40 bytes in every worker.
pub(super) const MOST_ENTRIES: usize = 250_000;

/// Adds what `rule` allows to `rules`, or records why it cannot; on what terms.
/// `entries` counts those of the whole policy.
pub(super) fn compile(
    rule: &Rule,
    at: &At<'_>,
    problems: &Problems<'_>,
    names: &mut Names,
    rules: &mut Rules,
    entries: &mut usize,
) -> Terms {
    let free =
        Terms { enforcement: Enforcement::of(rule.enforcement.as_ref()), constraints: None };
    let compiler = Compiler { at, problems, free };
    match &rule.non_resource_urls {
        Some(urls) => compiler.non_resource(rule, urls, names, rules),
        None => compiler.resource(rule, names, rules, entries),
    }
}

struct Compiler<'p, 'n> {
    at: &'p At<'p>,
    problems: &'p Problems<'n>,
    /// The rule's terms, but for its constraints.
    free: Terms,
}

impl Compiler<'_, '_> {
    fn resource(
        &self,
        rule: &Rule,
        names: &mut Names,
        rules: &mut Rules,
        entries: &mut usize,
    ) -> Terms {
        let Rule {
            namespaces,
            cluster_scope,
            api_groups,
            resources,
            resource_names,
            non_resource_urls: _,
            verbs,
            constraints: _,
            enforcement: _,
        } = rule;
        self.misplaced(rule);
        let scopes = self.scopes(namespaces.as_ref(), cluster_scope.as_ref(), names);
        let groups = self
            .required("apiGroups", api_groups.as_ref(), |text| resource::group(text, names));
        let resources = self
            .required("resources", resources.as_ref(), |text| resource::resource(text, names));
        let allowed = self.verbs(verbs.as_ref(), VerbSet::RESOURCE, VerbSet::IMPLIED);
        let constraints = constraints::compile(rule, allowed, self.at, self.problems);
        let terms = Terms { constraints: constraints.map(Arc::new), ..self.free.clone() };
        // Only writes have a body.
        let (free, writes) = match terms.constraints {
            Some(_) => (allowed.without(WRITES), allowed.intersection(WRITES)),
            None => (allowed, VerbSet::default()),
        };
        let objects = match resource_names {
            Some(list) => {
                self.named_verbs(allowed, &resources);
                self.list("resourceNames", list, |text| object_name(text, names))
            }
            None => [NameId::ANY].into(),
        };
        let product = [scopes.len(), groups.len(), resources.len(), objects.len()]
            .into_iter()
            .fold(1, usize::saturating_mul);
        let sum = entries.saturating_add(product);
        if sum > MOST_ENTRIES {
            let message = format!(
                "stands for {product} combinations, and the policy for more than {MOST_ENTRIES}: \
                 use `*`, or drop what is not needed"
            );
            self.problems.add(self.at, message);
            return terms;
        }
        *entries = sum;
        for scope in &scopes {
            for group in &groups {
                for Resource { resource, subresource } in &resources {
                    for name in &objects {
                        let pattern = Pattern {
                            scope: *scope,
                            group: *group,
                            resource: *resource,
                            subresource: *subresource,
                            name: *name,
                        };
                        rules.allow_resource(pattern, free, &self.free);
                        rules.allow_resource(pattern, writes, &terms);
                    }
                }
            }
        }
        terms
    }

    fn non_resource(
        &self,
        rule: &Rule,
        urls: &List<String>,
        names: &mut Names,
        rules: &mut Rules,
    ) -> Terms {
        for (field, given) in [
            ("namespaces", rule.namespaces.is_some()),
            ("clusterScope", rule.cluster_scope.is_some()),
            ("apiGroups", rule.api_groups.is_some()),
            ("resources", rule.resources.is_some()),
            ("resourceNames", rule.resource_names.is_some()),
            ("constraints", rule.constraints.is_some()),
        ] {
            if given {
                let message = "does not go with `nonResourceURLs`: write two rules";
                self.problems.add(&self.at.field(field), message);
            }
        }
        let verbs =
            self.verbs(rule.verbs.as_ref(), VerbSet::NON_RESOURCE, VerbSet::NON_RESOURCE);
        for path in self.list("nonResourceURLs", urls, |url| resource::path(url, names)) {
            rules.allow_path(path, verbs, &self.free);
        }
        self.free.clone()
    }

    fn scopes(
        &self,
        namespaces: Option<&List<String>>,
        cluster_scope: Option<&Tolerant<bool>>,
        names: &mut Names,
    ) -> Vec<NameId> {
        let message = match (namespaces, cluster_scope) {
            (Some(list), None) => {
                return self.list("namespaces", list, |text| namespace(text, names));
            }
            (None, Some(Tolerant(Some(true)))) => return [NameId::NONE].into(),
            (None, Some(Tolerant(None))) => return Vec::new(),
            (None, Some(Tolerant(Some(false)))) => {
                "is `false`: leave it out, and say where the rule holds by `namespaces`"
            }
            (Some(_), Some(_)) => "does not go with `namespaces`: write two rules",
            (None, None) => {
                let message = "does not say where it holds: add `namespaces: [...]`, \
                               `clusterScope: true` or `nonResourceURLs: [...]`";
                self.problems.add(self.at, message);
                return Vec::new();
            }
        };
        self.problems.add(&self.at.field("clusterScope"), message);
        Vec::new()
    }

    /// A cluster-scoped resource is in no namespace.
    fn misplaced(&self, rule: &Rule) {
        let (Some(_), Some(groups), Some(resources)) =
            (&rule.namespaces, &rule.api_groups, &rule.resources)
        else {
            return;
        };
        let at = self.at.field("resources");
        for (index, text) in resources.iter() {
            let resource = text.split('/').next().unwrap_or(text);
            let mut groups = groups.iter().map(|(_, group)| is_cluster_scoped(group, resource));
            if groups.next() == Some(true) && groups.all(|is| is) {
                let message = format!(
                    "`{resource}` lies in no namespace: write a rule with `clusterScope: true`"
                );
                self.problems.add(&at.index(index), message);
            }
        }
    }

    fn verbs(&self, verbs: Option<&List<String>>, legal: VerbSet, star: VerbSet) -> VerbSet {
        self.required("verbs", verbs, |text| match Verb::parse(text) {
            _ if text == "*" => Ok(star),
            Some(verb) if legal.contains(verb) => Ok(VerbSet::default().with(verb)),
            _ => {
                let words: Vec<&str> = legal.iter().map(Verb::as_str).collect();
                let words = words.join(", ");
                Err(format!("`{text}` is not a verb here: write one of {words}, or `*`"))
            }
        })
        .into_iter()
        .fold(VerbSet::default(), VerbSet::union)
    }

    /// `deletecollection` and `create` of an object have no name in their path.
    /// `create` of a subresource has, and so has the `create` in server-side apply,
    /// which comes with `patch`.
    fn named_verbs(&self, verbs: VerbSet, resources: &[Resource]) {
        let creates_objects = resources.iter().any(|r| r.subresource == NameId::NONE)
            && !verbs.contains(Verb::Patch);
        for (verb, nameless) in
            [(Verb::Create, creates_objects), (Verb::DeleteCollection, true)]
        {
            if nameless && verbs.contains(verb) {
                let message = format!(
                    "`{verb}` has no name in its path, so it never matches `resourceNames`: \
                     move it to a rule of its own"
                );
                self.problems.add(&self.at.field("verbs"), message);
            }
        }
    }

    fn required<T>(
        &self,
        field: &'static str,
        list: Option<&List<String>>,
        read: impl FnMut(&str) -> Result<T, String>,
    ) -> Vec<T> {
        match list {
            Some(list) => self.list(field, list, read),
            None => {
                self.problems.add(self.at, format!("`{field}` is missing: add it"));
                Vec::new()
            }
        }
    }

    fn list<T>(
        &self,
        field: &'static str,
        list: &List<String>,
        read: impl FnMut(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let empty = "is empty, so the rule can never match: add to it";
        words(list, &self.at.field(field), self.problems, empty, read)
    }
}

fn namespace(text: &str, names: &mut Names) -> Result<NameId, String> {
    match text {
        "*" => Ok(NameId::ANY),
        label if is_label(label) => Ok(names.intern(label)),
        _ => Err(format!("`{text}` is not a namespace: write its name, or `*` for any")),
    }
}

fn object_name(text: &str, names: &mut Names) -> Result<NameId, String> {
    match is_segment(text) {
        true => Ok(names.intern(text)),
        false => Err(format!("`{text}` is not a name: leave `resourceNames` out for any name")),
    }
}
