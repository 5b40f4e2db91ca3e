//! What a valid policy allows, but a reader should know of.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::config::Problem;
use crate::config::listing::{ListedClient, ListedKey, ListedRule, Listing};
use crate::config::text::{RuleScope, RuleText};
use crate::policy::Client;
use crate::policy::grant::Enforcement;
use crate::policy::permissions::Permissions;
use crate::request::verb::{Verb, VerbSet};
use crate::time::UnixTime;

/// Rights over these are, or lead to, rights over much else.
struct Danger {
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    why: &'static str,
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const WRITE: &[&str] = &["create", "update", "patch"];
const CHANGE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const ANY: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const GRANTS: &str = "who writes these can give rights to others and to itself";
const WEBHOOKS: &str =
    "who changes these can read, change and block what others send to the apiserver";

#[rustfmt::skip]
const DANGERS: &[Danger] = &[
    Danger { group: "", resource: "secrets", verbs: ANY, why: "secrets hold passwords and tokens, and one can be made that holds a ServiceAccount's token: name the few that are needed in `resourceNames`, with `get`" },
    Danger { group: "", resource: "serviceaccounts/token", verbs: &["create"], why: "this makes tokens of other ServiceAccounts" },
    Danger { group: "", resource: "nodes", verbs: CHANGE, why: "this decides where all workloads run" },
    Danger { group: "", resource: "nodes/status", verbs: WRITE, why: "this decides where all workloads run" },
    Danger { group: RBAC, resource: "roles", verbs: WRITE, why: GRANTS },
    Danger { group: RBAC, resource: "rolebindings", verbs: WRITE, why: GRANTS },
    Danger { group: RBAC, resource: "clusterroles", verbs: WRITE, why: GRANTS },
    Danger { group: RBAC, resource: "clusterrolebindings", verbs: WRITE, why: GRANTS },
    Danger { group: "certificates.k8s.io", resource: "certificatesigningrequests/approval", verbs: &["update", "patch"], why: "this signs client certificates for whoever asks" },
    Danger { group: ADMISSION, resource: "mutatingwebhookconfigurations", verbs: CHANGE, why: WEBHOOKS },
    Danger { group: ADMISSION, resource: "validatingwebhookconfigurations", verbs: CHANGE, why: WEBHOOKS },
    Danger { group: "apiregistration.k8s.io", resource: "apiservices", verbs: CHANGE, why: WEBHOOKS },
];

/// The verbs whose body `constraints` are about.
const JUDGED: VerbSet = VerbSet::of(&[Verb::Create, Verb::Patch, Verb::Update]);

/// With a leap day.
const YEAR: u64 = 366 * 24 * 3600;

/// All warnings, by line. Those of keys depend on the time.
pub fn warnings(listing: &Listing, now: UnixTime) -> Vec<Problem> {
    let keys = listing.clients.iter().flat_map(|client| &client.keys);
    let clients = listing.clients.iter().flat_map(|client| of_client(client, listing));
    let rules = listing.roles.iter().flat_map(|role| &role.rules);
    let mut warnings: Vec<Problem> = clients
        .chain(keys.filter_map(|key| of_key(key, now)))
        .chain(rules.flat_map(of_rule))
        .collect();
    warnings.sort_by_key(|warning| (warning.line, warning.column));
    warnings
}

fn of_client(listed: &ListedClient, listing: &Listing) -> Vec<Problem> {
    let Some(client) = listing.client(&listed.name) else { return Vec::new() };
    let warning = |(field, message): (&str, String)| Problem {
        line: listed.line,
        column: listed.column,
        field: format!("{}.{field}", listed.field),
        message,
    };
    let report = (client.enforcement() == Enforcement::Report).then(|| {
        let message = "`report` lets this client do whatever its ServiceAccount may do: write the rules from what is logged (`keyhole policy suggest`), and remove it";
        ("enforcement", message.to_owned())
    });
    let in_vain = in_vain(client, listing).into_iter().map(|rule| {
        let message = format!(
            "one of them allows without `constraints` what another one allows only so: {rule}"
        );
        ("roles", message)
    });
    let tokens = tokens(listed, client).into_iter().map(|message| ("tokens", message));
    report.into_iter().chain(tokens).chain(in_vain).map(warning).collect()
}

/// What binds keys, but not tokens.
fn tokens(listed: &ListedClient, client: &Client) -> Vec<String> {
    if listed.tokens.is_empty() {
        return Vec::new();
    }
    let from_anywhere = client.sources().ranges().is_empty().then_some(
        "are taken from anywhere, whoever carried them away: add `sourceRanges` to this client",
    );
    let at_any_hour = listed.keys.iter().any(|key| key.hours.is_some()).then_some(
        "are taken at any hour, though keys of this client have `hours`: make two clients, or remove one or the other",
    );
    from_anywhere.into_iter().chain(at_any_hour).map(ToOwned::to_owned).collect()
}

/// What rules allow on constraints, though another rule of the client asks nothing.
fn in_vain(client: &Client, listing: &Listing) -> Vec<RuleText> {
    let on_terms = listing.loaded.policy.permissions_on_terms(client);
    let Some(free) = on_terms.get("") else { return Vec::new() };
    let constrained = on_terms.iter().filter(|(terms, _)| terms.starts_with("constraints: "));
    let rules = constrained.flat_map(|(terms, permissions)| {
        let both = permissions.iter().map(|(permission, verbs)| {
            let free = free.verbs(permission);
            (permission.clone(), verbs.intersection(JUDGED).intersection(free))
        });
        let both = both.filter(|(_, verbs)| *verbs != VerbSet::default());
        both.collect::<Permissions>().rules(terms)
    });
    rules.collect()
}

fn of_key(key: &ListedKey, now: UnixTime) -> Option<Problem> {
    let ListedKey { line, column, field, digest: _, not_before, not_after, hours: _ } = key;
    let message = match not_after {
        None => {
            "is valid for ever: add `notAfter`, and replace the key before, by `keyhole key rotate`"
        }
        Some(end) if *end <= now => "has expired: remove it",
        Some(end) if not_before.unwrap_or(now).until(*end).as_secs() > YEAR => {
            "is valid for more than a year: let it end sooner, and replace it by `keyhole key rotate`"
        }
        Some(_) => return None,
    };
    let (field, message) = (field.clone(), message.to_owned());
    Some(Problem { line: *line, column: *column, field, message })
}

fn of_rule(rule: &ListedRule) -> Vec<Problem> {
    let warning = |(field, message): (&str, String)| Problem {
        line: rule.line,
        column: rule.column,
        field: format!("{}.{field}", rule.field),
        message,
    };
    let report = (rule.enforcement() == Enforcement::Report).then(|| {
        let message = "`report` allows what the rule covers, and logs it as if it were denied: remove one or the other when you know which is right";
        ("enforcement", message.to_owned())
    });
    let found = stars(&rule.text).into_iter().chain(dangers(&rule.text)).chain(report);
    found.map(warning).collect()
}

fn stars(rule: &RuleText) -> Vec<(&'static str, String)> {
    let star = |words: &[String]| words.iter().any(|word| word == "*");
    let mut found = Vec::new();
    if let RuleText::Resource { scope, resources, .. } = rule {
        if let RuleScope::Namespaces(namespaces) = scope
            && star(namespaces)
        {
            let message = "`*` holds in every namespace, kube-system among them: name those that are needed";
            found.push(("namespaces", message.to_owned()));
        }
        if star(resources) {
            let message =
                "`*` covers every resource, secrets among them: name those that are needed";
            found.push(("resources", message.to_owned()));
        }
    }
    if star(rule.verbs()) {
        let verbs = match rule {
            RuleText::NonResource { .. } => "`post`, `put`, `patch` and `delete`, too",
            RuleText::Resource { .. } => {
                "all but `watch`, also for `delete` and `deletecollection`"
            }
        };
        let message = format!("`*` stands for {verbs}: name those that are needed");
        found.push(("verbs", message));
    }
    found
}

fn dangers(rule: &RuleText) -> Vec<(&'static str, String)> {
    let RuleText::Resource { groups, resources, names, verbs, .. } = rule else {
        return Vec::new();
    };
    let has = |words: &[String], word: &str| words.iter().any(|w| w == word);
    let found = DANGERS.iter().filter(|danger| {
        (has(groups, danger.group) || has(groups, "*"))
            && has(resources, danger.resource)
            && danger
                .verbs
                .iter()
                .any(|verb| has(verbs, verb) || (has(verbs, "*") && *verb != "watch"))
            && !(danger.resource == "secrets"
                && names.is_some()
                && verbs.iter().all(|verb| verb == "get"))
    });
    found
        .map(|danger| ("resources", format!("`{}`: {}", danger.resource, danger.why)))
        .collect()
}
