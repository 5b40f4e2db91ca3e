//! Compiles what a rule says about bodies, and refuses what could never be judged.

mod needs;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use self::needs::Needs;
use super::problem::{At, Problems};
use super::syntax::{is_label_key, is_label_value, is_segment, is_subdomain};
use super::words::words;
use super::written::{self, List, Rule, Tolerant};
use crate::policy::constraints::{Constraints, Image, Label, Privilege};
use crate::request::verb::{Verb, VerbSet};

/// The verbs whose body is judged.
pub(super) const WRITES: VerbSet = VerbSet::of(&[Verb::Create, Verb::Patch, Verb::Update]);

/// The constraints of a resource rule that allows `verbs`.
pub(super) fn compile(
    rule: &Rule,
    verbs: VerbSet,
    at: &At<'_>,
    problems: &Problems<'_>,
) -> Option<Constraints> {
    let Some(Tolerant(Some(written))) = &rule.constraints else { return None };
    let compiler = Compiler { at_rule: at, at: at.field("constraints"), problems };
    compiler.verbs(verbs);
    compiler.resources(rule, written);
    Some(compiler.constraints(written))
}

struct Compiler<'p, 'n> {
    at_rule: &'p At<'p>,
    at: At<'p>,
    problems: &'p Problems<'n>,
}

// === impl Compiler ===

impl Compiler<'_, '_> {
    fn verbs(&self, verbs: VerbSet) {
        let known = verbs != VerbSet::default();
        if known && verbs.intersection(WRITES) == VerbSet::default() {
            let message = "are about `create`, `update` and `patch`, of which the rule allows \
                           none: remove them";
            self.problems.add(&self.at, message);
        }
    }

    /// Every resource of the rule must have what is constrained.
    fn resources(&self, rule: &Rule, written: &written::Constraints) {
        let (Some(groups), Some(resources)) = (&rule.api_groups, &rule.resources) else {
            return;
        };
        let needs = Needs::of(written);
        if let Some(field) = needs.insides() {
            for (index, _) in groups.iter().filter(|(_, group)| *group == "*") {
                let message = format!(
                    "`*` does not go with `constraints.{field}`: name the groups, as in `batch`"
                );
                self.problems.add(&self.at_rule.field("apiGroups").index(index), message);
            }
            if groups.iter().any(|(_, group)| group == "*") {
                return;
            }
        }
        for (index, text) in resources.iter() {
            let groups = groups.iter().map(|(_, group)| group.as_str());
            if let Err(message) = needs.check(groups, text) {
                self.problems.add(&self.at_rule.field("resources").index(index), message);
            }
        }
    }

    fn constraints(&self, written: &written::Constraints) -> Constraints {
        let written::Constraints {
            images,
            forbid,
            service_accounts,
            name_prefix,
            labels,
            max_replicas,
        } = written;
        let nothing = images.is_none()
            && forbid.is_none()
            && service_accounts.is_none()
            && name_prefix.is_none()
            && labels.is_none()
            && max_replicas.is_none();
        if nothing {
            let message = "is empty: write `images`, `forbid`, `serviceAccounts`, `namePrefix`, \
                           `labels` or `maxReplicas`, or remove it";
            self.problems.add(&self.at, message);
        }
        if let Some(prefix) = name_prefix
            && !is_segment(prefix)
        {
            let message = format!("`{prefix}` starts no name: write one like `sql-`");
            self.problems.add(&self.at.field("namePrefix"), message);
        }
        Constraints {
            images: images.as_ref().map(|list| self.list("images", list, image)),
            forbid: forbid
                .as_ref()
                .map(|list| self.list("forbid", list, privilege))
                .unwrap_or_default(),
            service_accounts: service_accounts
                .as_ref()
                .map(|list| self.list("serviceAccounts", list, account)),
            name_prefix: name_prefix.clone(),
            labels: labels.as_ref().map(|list| self.labels(list)).unwrap_or_default(),
            max_replicas: max_replicas.as_ref().and_then(|most| most.0),
        }
    }

    fn labels(&self, list: &List<String>) -> Vec<Label> {
        let labels = self.list("labels", list, label);
        for (index, label) in labels.iter().enumerate() {
            let mut before = labels.iter().take(index);
            if before.any(|other| other.key == label.key && other.value != label.value) {
                let message = format!("`{}` is given two values: keep one", label.key);
                self.problems.add(&self.at.field("labels"), message);
            }
        }
        labels
    }

    fn list<T>(
        &self,
        field: &'static str,
        list: &List<String>,
        read: impl FnMut(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let empty = "is empty: add to it, or remove it";
        words(list, &self.at.field(field), self.problems, empty, read)
    }
}

fn image(text: &str) -> Result<Image, String> {
    let graphic = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*');
    if text.is_empty() || !graphic || text.contains("://") {
        return Err(format!(
            "`{text}` is not an image: write one like `docker.io/library/busybox:1.36`, or \
             `registry.example.com/team/` for all below it"
        ));
    }
    Ok(Image::new(text))
}

fn privilege(text: &str) -> Result<Privilege, String> {
    Privilege::parse(text).ok_or_else(|| {
        let words: Vec<_> = Privilege::ALL.into_iter().map(Privilege::as_str).collect();
        format!("`{text}` cannot be forbidden here: write one of {}", words.join(", "))
    })
}

fn account(text: &str) -> Result<String, String> {
    match is_subdomain(text) {
        true => Ok(text.into()),
        false => Err(format!("`{text}` is not a ServiceAccount: write its name")),
    }
}

fn label(text: &str) -> Result<Label, String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    match is_label_key(key) && value.is_none_or(is_label_value) {
        true => Ok(Label { key: key.into(), value: value.map(String::from) }),
        false => Err(format!(
            "`{text}` is not a label: write one like `team=db`, or `team` for any value"
        )),
    }
}

/// The constraints of a rule that stands by itself.
#[cfg(test)]
pub(crate) fn read(rule: &str) -> Constraints {
    let root = super::document::Node::parse(rule).unwrap();
    let problems = Problems::new(&root);
    let written = super::decode::decode::<Rule>(&root, &problems);
    let constraints = compile(&written.unwrap(), WRITES, &At::ROOT, &problems);
    problems.into_result(constraints).unwrap()
}
