//! From a rule of RBAC to rules of Keyhole that allow the same, or less.

use keyhole_core::{ListedRule, RuleScope, RuleText, Verb, VerbSet, is_cluster_scoped};
use serde_json::Value;

use super::objects::PolicyRule;
use super::place::Place;

/// What became of a rule.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Translated {
    pub(super) rules: Vec<RuleText>,
    /// What of it the rules do not say, and why.
    pub(super) less: Vec<String>,
}

/// A rule, but for the groups and the place.
#[derive(Default)]
struct Part {
    resources: Vec<String>,
    names: Option<Vec<String>>,
    verbs: Vec<String>,
}

/// A word of a rule, by where it stands.
#[derive(Clone, Copy)]
enum Word {
    Group,
    Name,
    Path,
    PathVerb,
    Resource,
    Verb,
}

pub(super) fn translate(rule: &PolicyRule, place: &Place) -> Translated {
    let mut translated = Translated::default();
    if rule.non_resource_urls.is_empty() {
        translated.resource(rule, place);
    } else {
        translated.non_resource(rule, place);
    }
    translated
}

// === impl Translated ===

impl Translated {
    fn non_resource(&mut self, rule: &PolicyRule, place: &Place) {
        let PolicyRule { non_resource_urls, verbs, .. } = rule;
        if !place.cluster_scope {
            return self.less("`nonResourceURLs` have no effect in namespaces: left out");
        }
        let urls = non_resource_urls.iter().map(|url| if url == "*" { "/*" } else { url });
        let urls = self.words(Word::Path, urls);
        let verbs = self.words(Word::PathVerb, verbs.iter().map(String::as_str));
        if !urls.is_empty() && !verbs.is_empty() {
            self.rules.push(RuleText::NonResource { urls, verbs, terms: String::new() });
        }
    }

    fn resource(&mut self, rule: &PolicyRule, place: &Place) {
        let PolicyRule { api_groups, resources, resource_names, verbs, .. } = rule;
        let groups = self.words(Word::Group, api_groups.iter().map(String::as_str));
        let resources = self.words(Word::Resource, resources.iter().map(String::as_str));
        let names = self.words(Word::Name, resource_names.iter().map(String::as_str));
        let mut verbs = self.words(Word::Verb, verbs.iter().map(String::as_str));
        if has_star(&verbs) && !has(&verbs, Verb::Watch) {
            verbs.push(Verb::Watch.as_str().to_owned());
        }
        if has_star(&resources) {
            self.less("here `*` covers no subresource, such as pods/log, and no namespace itself: name those that are needed");
        }
        // Without any of its names left, a rule is about nothing, not about all names.
        let parts = match resource_names.is_empty() {
            true => [Part { resources, names: None, verbs }, Part::default()],
            false if names.is_empty() => return,
            false => self.named(Part { resources, names: Some(names), verbs }),
        };
        for Part { resources, names, verbs } in parts {
            for scope in scopes(place) {
                let resources = within(&scope, &groups, &resources);
                if groups.is_empty() || resources.is_empty() || verbs.is_empty() {
                    continue;
                }
                let (groups, names, verbs) = (groups.clone(), names.clone(), verbs.clone());
                let terms = String::new();
                let rule = RuleText::Resource { scope, groups, resources, names, verbs, terms };
                self.rules.push(rule);
            }
        }
    }

    /// A rule for objects by name. `create` has a name in its path only for subresources,
    /// and where it comes with `patch`, for server-side apply; `deletecollection` never.
    fn named(&mut self, part: Part) -> [Part; 2] {
        let Part { resources, names, verbs } = part;
        let star = has_star(&verbs);
        let verbs: Vec<String> = match star {
            true => VerbSet::RESOURCE.iter().map(|verb| verb.as_str().to_owned()).collect(),
            false => verbs,
        };
        let (subresources, objects): (Vec<_>, Vec<_>) =
            resources.into_iter().partition(|resource| resource.contains('/'));
        let on_subresources = without(&verbs, Verb::DeleteCollection);
        let on_objects = match has(&verbs, Verb::Patch) {
            true => on_subresources.clone(),
            false => without(&on_subresources, Verb::Create),
        };
        let said = if objects.is_empty() { &on_subresources } else { &on_objects };
        if said.len() < verbs.len() && !star {
            self.less("left out: `create` and `deletecollection` have no name in their path, so they never match `resourceNames`");
        }
        match on_objects == on_subresources {
            true => {
                let resources = [objects, subresources].concat();
                [Part { resources, names, verbs: on_objects }, Part::default()]
            }
            false => [
                Part { resources: objects, names: names.clone(), verbs: on_objects },
                Part { resources: subresources, names, verbs: on_subresources },
            ],
        }
    }

    /// The words that a rule of Keyhole can have, each once.
    fn words<'w>(&mut self, word: Word, words: impl Iterator<Item = &'w str>) -> Vec<String> {
        let mut kept: Vec<String> = Vec::new();
        for text in words {
            match word.refused(text) {
                None if kept.iter().any(|word| word == text) => {}
                None => kept.push(text.to_owned()),
                Some(why) => self.less(&format!("left out: {why}")),
            }
        }
        kept
    }

    fn less(&mut self, what: &str) {
        if !self.less.iter().any(|said| said == what) {
            self.less.push(what.to_owned());
        }
    }
}

fn scopes(place: &Place) -> impl Iterator<Item = RuleScope> {
    let namespaces: Vec<String> = match place.namespaces.contains("*") {
        true => vec!["*".to_owned()],
        false => place.namespaces.iter().cloned().collect(),
    };
    let within = Some(namespaces).filter(|namespaces| !namespaces.is_empty());
    let cluster = place.cluster_scope.then_some(RuleScope::Cluster);
    within.map(RuleScope::Namespaces).into_iter().chain(cluster)
}

/// The resources that there can be in a scope: a rule for namespaces is refused, if it
/// names one that lies in none.
fn within(scope: &RuleScope, groups: &[String], resources: &[String]) -> Vec<String> {
    let lies_in_none = |resource: &str| {
        let resource = resource.split('/').next().unwrap_or(resource);
        groups.iter().all(|group| is_cluster_scoped(group, resource))
    };
    let kept = resources.iter().filter(|resource| match scope {
        RuleScope::Cluster => true,
        RuleScope::Namespaces(_) => !lies_in_none(resource),
    });
    kept.cloned().collect()
}

fn without(verbs: &[String], verb: Verb) -> Vec<String> {
    verbs.iter().filter(|word| *word != verb.as_str()).cloned().collect()
}

fn has(verbs: &[String], verb: Verb) -> bool {
    verbs.iter().any(|word| word == verb.as_str())
}

fn has_star(words: &[String]) -> bool {
    words.iter().any(|word| word == "*")
}

// === impl Word ===

impl Word {
    /// Why no rule can have this word: the policy's own reader is asked.
    fn refused(self, text: &str) -> Option<String> {
        let word = Value::from(text);
        let rule = |groups, resources, rest| {
            format!(
                "{{clusterScope: true, apiGroups: [{groups}], resources: [{resources}], {rest}}}"
            )
        };
        let (core, pods, get) = ("\"\"", "pods", "verbs: [get]");
        let rule = match self {
            Self::Group => rule(&*word.to_string(), pods, get.to_owned()),
            Self::Name => rule(core, pods, format!("resourceNames: [{word}], {get}")),
            Self::Path => format!("{{nonResourceURLs: [{word}], {get}}}"),
            Self::PathVerb => format!("{{nonResourceURLs: [/version], verbs: [{word}]}}"),
            Self::Resource => rule(core, &word.to_string(), get.to_owned()),
            Self::Verb => rule(core, pods, format!("verbs: [{word}]")),
        };
        let problems = ListedRule::read(&rule).err()?;
        Some(problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_rule_says_what_rbac_says_or_less_and_then_why() {
        let shop = || Place::new(["shop"], false);
        let everywhere = || Place::new(["*"], true);
        for (rule, place, rules, less) in [
            (r#"{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "watch"]}"#, shop(),
             vec![r#"{namespaces: [shop], apiGroups: [""], resources: [pods, pods/log], verbs: [get, watch]}"#], vec![]),
            (r#"{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "get"]}"#, Place::new(["b", "a"], false),
             vec![r#"{namespaces: [a, b], apiGroups: [""], resources: [pods], verbs: [get]}"#], vec![]),
            // both in namespaces and in none
            (r#"{"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["list"]}"#, everywhere(),
             vec![r#"{namespaces: ["*"], apiGroups: [""], resources: [pods], verbs: [list]}"#,
                  r#"{clusterScope: true, apiGroups: [""], resources: [pods, nodes], verbs: [list]}"#], vec![]),
            (r#"{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}"#, shop(), vec![], vec![]),
            // stars
            (r#"{"apiGroups": ["*"], "resources": ["jobs"], "verbs": ["*"]}"#, shop(),
             vec![r#"{namespaces: [shop], apiGroups: ["*"], resources: [jobs], verbs: ["*", watch]}"#], vec![]),
            (r#"{"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}"#, shop(),
             vec![r#"{namespaces: [shop], apiGroups: [""], resources: ["*"], verbs: [get]}"#],
             vec!["here `*` covers no subresource, such as pods/log, and no namespace itself: name those that are needed"]),
            (r#"{"apiGroups": [""], "resources": ["pods/*", "*/scale", "pods"], "verbs": ["get"]}"#, shop(),
             vec![r#"{namespaces: [shop], apiGroups: [""], resources: [pods], verbs: [get]}"#],
             vec!["left out: `pods/*` would cover subresources by a star: name each one, as in `pods/log`",
                  "left out: `*/scale` would cover subresources by a star: name each one, as in `pods/log`"]),
            // what the gateway does not carry
            (r#"{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}"#, shop(), vec![],
             vec!["left out: `pods/exec` can never be allowed, for `exec` needs a stream, which this gateway does not carry; run a Job instead: remove it"]),
            (r#"{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}"#, shop(), vec![],
             vec!["left out: `impersonate` is not a verb here: write one of create, delete, deletecollection, get, list, patch, update, watch, or `*`"]),
            // names
            (r#"{"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["create", "deletecollection", "get"]}"#, shop(),
             vec!["{namespaces: [shop], apiGroups: [\"\"], resources: [pods], resourceNames: [a], verbs: [get]}"],
             vec!["left out: `create` and `deletecollection` have no name in their path, so they never match `resourceNames`"]),
            (r#"{"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["create", "patch"]}"#, shop(),
             vec!["{namespaces: [shop], apiGroups: [\"\"], resources: [pods], resourceNames: [a], verbs: [create, patch]}"], vec![]),
            (r#"{"apiGroups": [""], "resources": ["serviceaccounts", "serviceaccounts/token"], "resourceNames": ["a"], "verbs": ["create", "get"]}"#, shop(),
             vec!["{namespaces: [shop], apiGroups: [\"\"], resources: [serviceaccounts], resourceNames: [a], verbs: [get]}",
                  "{namespaces: [shop], apiGroups: [\"\"], resources: [serviceaccounts/token], resourceNames: [a], verbs: [create, get]}"],
             vec!["left out: `create` and `deletecollection` have no name in their path, so they never match `resourceNames`"]),
            (r#"{"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["*"]}"#, shop(),
             vec!["{namespaces: [shop], apiGroups: [\"\"], resources: [pods], resourceNames: [a], verbs: [create, delete, get, list, patch, update, watch]}"], vec![]),
            (r#"{"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a/b"], "verbs": ["get"]}"#, shop(), vec![],
             vec!["left out: `a/b` is not a name: leave `resourceNames` out for any name"]),
            (r#"{"apiGroups": [""], "resources": ["pods"], "resourceNames": [""], "verbs": ["get"]}"#, shop(), vec![],
             vec!["left out: `` is not a name: leave `resourceNames` out for any name"]),
            // a word is no YAML
            (r#"{"apiGroups": [""], "resources": ["pods], verbs: [\"*\"], resources: [x"], "verbs": ["get"]}"#, shop(), vec![],
             vec!["left out: `pods], verbs: [\"*\"], resources: [x` is not a resource: write its lower-case plural, as in `pods` or `pods/log`"]),
            // paths
            (r#"{"nonResourceURLs": ["/version", "/healthz*", "*"], "verbs": ["get", "head"]}"#, everywhere(),
             vec![r#"{nonResourceURLs: [/version, "/*"], verbs: [get]}"#],
             vec!["left out: `/healthz*` is not a path: write one like `/version`, or `/healthz/*` for all below it",
                  "left out: `head` is not a verb here: write one of delete, get, patch, post, put, or `*`"]),
            (r#"{"nonResourceURLs": ["/version"], "verbs": ["get"]}"#, shop(), vec![],
             vec!["`nonResourceURLs` have no effect in namespaces: left out"]),
        ] {
            let written: PolicyRule = serde_json::from_str(rule).unwrap();
            let translated = translate(&written, &place);
            let said: Vec<String> = translated.rules.iter().map(ToString::to_string).collect();
            assert_eq!((said, translated.less), (rules.into_iter().map(str::to_owned).collect(), less.into_iter().map(str::to_owned).collect()), "{rule}");
            for rule in &translated.rules {
                assert!(ListedRule::read(&rule.to_string()).is_ok(), "{rule}");
            }
        }
    }
}
