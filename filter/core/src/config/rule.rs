//! Compiles one rule, and refuses rules that can never match.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::problem::{At, Problems};
use super::syntax::{is_label, is_segment, is_subdomain};
use super::written::{List, Rule, Tolerant};
use crate::policy::names::{NameId, Names};
use crate::policy::rules::{PathPattern, Pattern, Rules};
use crate::request::streaming::Streaming;
use crate::request::verb::{Verb, VerbSet};

/// Cluster-scoped resources that people look for in namespaces.
const CLUSTER_SCOPED: &[&str] = &[
    "certificatesigningrequests",
    "clusterrolebindings",
    "clusterroles",
    "csidrivers",
    "csinodes",
    "customresourcedefinitions",
    "ingressclasses",
    "mutatingwebhookconfigurations",
    "nodes",
    "persistentvolumes",
    "priorityclasses",
    "runtimeclasses",
    "storageclasses",
    "validatingadmissionpolicies",
    "validatingwebhookconfigurations",
    "volumeattachments",
];

/// Adds what `rule` allows to `rules`, or records why it cannot.
pub(super) fn compile(
    rule: &Rule,
    at: &At<'_>,
    problems: &Problems<'_>,
    names: &mut Names,
    rules: &mut Rules,
) {
    let compiler = Compiler { at, problems };
    match &rule.non_resource_urls {
        Some(urls) => compiler.non_resource(rule, urls, names, rules),
        None => compiler.resource(rule, names, rules),
    }
}

struct Compiler<'p, 'n> {
    at: &'p At<'p>,
    problems: &'p Problems<'n>,
}

/// A resource as a rule names it; `*` is `NameId::ANY`.
#[derive(Clone, Copy)]
struct Resource {
    resource: NameId,
    subresource: NameId,
}

impl Compiler<'_, '_> {
    fn resource(&self, rule: &Rule, names: &mut Names, rules: &mut Rules) {
        let Rule {
            namespaces,
            cluster_scope,
            api_groups,
            resources,
            resource_names,
            non_resource_urls: _,
            verbs,
        } = rule;
        let scopes = self.scopes(namespaces.as_ref(), cluster_scope.as_ref(), names);
        let groups =
            self.required("apiGroups", api_groups.as_ref(), |text, _| self.group(text, names));
        let resources = self.required("resources", resources.as_ref(), |text, at| {
            self.named_resource(text, namespaces.is_some(), at, names)
        });
        let allowed = self.verbs(verbs.as_ref(), VerbSet::RESOURCE, VerbSet::IMPLIED);
        let objects = match resource_names {
            Some(list) => {
                self.named_verbs(allowed, &resources);
                self.list("resourceNames", list, |text, _| match is_segment(text) {
                    true => Ok(names.intern(text)),
                    false => Err(format!(
                        "`{text}` is not a name: leave `resourceNames` out for any name"
                    )),
                })
            }
            None => [NameId::ANY].into(),
        };
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
                        rules.allow_resource(pattern, allowed);
                    }
                }
            }
        }
    }

    fn non_resource(
        &self,
        rule: &Rule,
        urls: &List<String>,
        names: &mut Names,
        rules: &mut Rules,
    ) {
        for (field, given) in [
            ("namespaces", rule.namespaces.is_some()),
            ("clusterScope", rule.cluster_scope.is_some()),
            ("apiGroups", rule.api_groups.is_some()),
            ("resources", rule.resources.is_some()),
            ("resourceNames", rule.resource_names.is_some()),
        ] {
            if given {
                let message = "does not go with `nonResourceURLs`: write two rules";
                self.problems.add(&self.at.field(field), message);
            }
        }
        let verbs =
            self.verbs(rule.verbs.as_ref(), VerbSet::NON_RESOURCE, VerbSet::NON_RESOURCE);
        let paths = self.list("nonResourceURLs", urls, |url, _| path_pattern(url, names));
        for path in paths {
            rules.allow_path(path, verbs);
        }
    }

    fn scopes(
        &self,
        namespaces: Option<&List<String>>,
        cluster_scope: Option<&Tolerant<bool>>,
        names: &mut Names,
    ) -> Vec<NameId> {
        match (namespaces, cluster_scope) {
            (Some(list), None) => self.list("namespaces", list, |text, _| match text {
                "*" => Ok(NameId::ANY),
                label if is_label(label) => Ok(names.intern(label)),
                _ => {
                    Err(format!("`{text}` is not a namespace: write its name, or `*` for any"))
                }
            }),
            (None, Some(Tolerant(Some(true)))) => [NameId::NONE].into(),
            (None, Some(Tolerant(Some(false)))) => {
                let message =
                    "is `false`: leave it out, and say where the rule holds by `namespaces`";
                self.problems.add(&self.at.field("clusterScope"), message);
                Vec::new()
            }
            (Some(_), Some(_)) => {
                let message = "does not go with `namespaces`: write two rules";
                self.problems.add(&self.at.field("clusterScope"), message);
                Vec::new()
            }
            (None, Some(Tolerant(None))) => Vec::new(),
            (None, None) => {
                let message = "does not say where it holds: add `namespaces: [...]`, \
                               `clusterScope: true` or `nonResourceURLs: [...]`";
                self.problems.add(self.at, message);
                Vec::new()
            }
        }
    }

    fn group(&self, text: &str, names: &mut Names) -> Result<NameId, String> {
        match text {
            "*" => Ok(NameId::ANY),
            "" => Ok(NameId::NONE),
            "core" | "v1" => {
                Err(format!("`{text}` is not an API group: the core group is `\"\"`"))
            }
            group if is_subdomain(group) => Ok(names.intern(group)),
            _ => match text.split_once('/') {
                Some((group, _)) => Err(format!("`{text}` names a version: write `{group}`")),
                None => Err(format!("`{text}` is not an API group: write one like `apps`")),
            },
        }
    }

    fn named_resource(
        &self,
        text: &str,
        namespaced: bool,
        at: &At<'_>,
        names: &mut Names,
    ) -> Result<Resource, String> {
        let (resource, subresource) = text.split_once('/').unwrap_or((text, ""));
        if text == "*" {
            return Ok(Resource { resource: NameId::ANY, subresource: NameId::NONE });
        }
        let spelled = |word: &str| is_label(word);
        if resource == "*" || subresource == "*" {
            return Err(format!(
                "`{text}` would cover subresources by a star: name each one, as in `pods/log`"
            ));
        }
        if !spelled(resource) || (text.contains('/') && !spelled(subresource)) {
            return Err(format!(
                "`{text}` is not a resource: write its lower-case plural, as in `pods` or `pods/log`"
            ));
        }
        if let Some(streaming) = Streaming::of(subresource) {
            return Err(format!("`{text}` can never be allowed, for {streaming}: remove it"));
        }
        if namespaced && CLUSTER_SCOPED.contains(&resource) {
            self.problems.add(
                at,
                format!(
                    "`{resource}` lies in no namespace: write a rule with `clusterScope: true`"
                ),
            );
        }
        Ok(Resource {
            resource: names.intern(resource),
            subresource: names.intern(subresource),
        })
    }

    fn verbs(&self, verbs: Option<&List<String>>, legal: VerbSet, star: VerbSet) -> VerbSet {
        self.required("verbs", verbs, |text, _| match Verb::parse(text) {
            _ if text == "*" => Ok(star),
            Some(verb) if legal.contains(verb) => Ok(VerbSet::default().with(verb)),
            _ => {
                let words: Vec<&str> = legal.iter().map(Verb::as_str).collect();
                Err(format!(
                    "`{text}` is not a verb here: write one of {}, or `*`",
                    words.join(", ")
                ))
            }
        })
        .into_iter()
        .fold(VerbSet::default(), VerbSet::union)
    }

    /// `deletecollection` and `create` of an object have no name in their path;
    /// `create` of a subresource has.
    fn named_verbs(&self, verbs: VerbSet, resources: &[Resource]) {
        let creates_objects = resources.iter().any(|r| r.subresource == NameId::NONE);
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
        read: impl FnMut(&str, &At<'_>) -> Result<T, String>,
    ) -> Vec<T> {
        match list {
            Some(list) => self.list(field, list, read),
            None => {
                self.problems.add(self.at, format!("`{field}` is missing: add it"));
                Vec::new()
            }
        }
    }

    /// Reads a list of words: not empty, each once, nothing beside a `*` that covers it.
    fn list<T>(
        &self,
        field: &'static str,
        list: &List<String>,
        mut read: impl FnMut(&str, &At<'_>) -> Result<T, String>,
    ) -> Vec<T> {
        let at = self.at.field(field);
        if list.is_empty() {
            self.problems.add(&at, "is empty, so the rule can never match: add to it");
        }
        let mut seen: Vec<&str> = Vec::new();
        let mut values = Vec::new();
        for (index, text) in list.iter() {
            let at = at.index(index);
            if seen.contains(&text.as_str()) {
                self.problems.add(&at, format!("`{text}` is given twice: keep one of them"));
            }
            seen.push(text);
            match read(text, &at) {
                Ok(value) => values.push(value),
                Err(message) => self.problems.add(&at, message),
            }
        }
        values
    }
}

/// `/path`, `/path/*` or `/*`.
fn path_pattern(url: &str, names: &mut Names) -> Result<PathPattern, String> {
    if url == "*" {
        return Err("`*` is not a path: write `/*`".into());
    }
    let (path, below) = match url.strip_suffix("/*") {
        Some(path) => (path, true),
        None => (url, false),
    };
    let root = path.is_empty() && below || url == "/";
    let spelled = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment));
    if !root && !spelled {
        return Err(format!(
            "`{url}` is not a path: write one like `/version`, or `/healthz/*` for all below it"
        ));
    }
    if is_resource_path(path) {
        return Err(format!("`{url}` is a resource path: write a rule with `resources`"));
    }
    match below {
        true => Ok(PathPattern::Below(names.intern(path))),
        false => Ok(PathPattern::Exactly(names.intern(path))),
    }
}

/// Whether no non-resource path starts like this.
fn is_resource_path(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    match segments.next() {
        Some("api") => segments.count() >= 2,
        Some("apis") => segments.count() >= 3,
        _ => false,
    }
}
