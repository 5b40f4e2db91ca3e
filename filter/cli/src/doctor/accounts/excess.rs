//! May the gateway do more than it needs?

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use super::super::kubectl::Kubectl;
use super::super::report::{Area, Report};
use super::super::review::user;
use super::List;
use crate::object::Object;

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    resource_rules: Vec<Rule>,
    /// Not every authorizer can say what it allows.
    #[serde(default)]
    incomplete: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    resource_names: Vec<String>,
    verbs: Vec<String>,
}

/// Looks into every namespace, for what an earlier policy needed may lie anywhere.
pub(super) fn check_excess(
    kubectl: &Kubectl,
    gateway: &Object,
    config_map: &Object,
    accounts: &BTreeSet<Object>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let what = "what else the gateway may do";
    let namespaces = match kubectl.read::<List>(&["get", "namespaces", "-o", "json"])? {
        Ok(list) => list.into_iter().flat_map(|list| list.items),
        Err(failed) => {
            failed.report(Area::Accounts, what, report);
            return Ok(());
        }
    };
    let namespaces: Vec<String> = namespaces.map(|item| item.metadata.name).collect();
    let reviews: Vec<_> = namespaces
        .iter()
        .map(|namespace| {
            json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
                "spec": {"namespace": namespace},
            })
        })
        .collect();
    let user = user(&gateway.namespace, &gateway.name);
    let answers = match kubectl.create::<Review>(&reviews, Some(&user))? {
        Ok(answers) => answers,
        Err(failed) => {
            failed.report(Area::Accounts, what, report);
            return Ok(());
        }
    };
    let mut excess: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut incomplete = false;
    for (namespace, review) in namespaces.iter().zip(answers) {
        incomplete |= review.status.incomplete;
        let tokens = accounts.iter().filter(|account| account.namespace == *namespace);
        let tokens: BTreeSet<&str> = tokens.map(|account| &*account.name).collect();
        let map = (config_map.namespace == *namespace).then_some(&*config_map.name);
        for rule in review.status.resource_rules {
            if !rule.is_needed(&tokens, map) {
                excess.entry(rule.shown()).or_default().push(namespace);
            }
        }
    }
    if incomplete {
        report.warning(
            Area::Accounts,
            "one of the cluster's authorizers does not tell all that it allows the gateway",
            "look into it: kubectl can see the rules of RBAC only",
        );
    } else if excess.is_empty() {
        report.ok(Area::Accounts, "the gateway may do nothing else");
    }
    let Object { namespace, name } = gateway;
    for (rule, places) in excess {
        let place = match places.len() == namespaces.len() {
            true => "every namespace".to_owned(),
            false => places.join(", "),
        };
        report.problem(
            Area::Accounts,
            format!("{namespace}/{name} may do more than it needs, in {place}: {rule}"),
            format!("delete the binding or the rule: kubectl get rolebindings,clusterrolebindings -A -o wide | grep {namespace}/{name}"),
        );
    }
    Ok(())
}

// === impl Rule ===

impl Rule {
    /// Whether it is for tokens of these accounts, for this ConfigMap and its Events, or
    /// what everybody may ask about himself.
    fn is_needed(&self, tokens: &BTreeSet<&str>, map: Option<&str>) -> bool {
        let Self { api_groups, resources, resource_names, verbs } = self;
        let is = |list: &[String], only: &str| matches!(list, [one] if one == only);
        let named = |allowed: &dyn Fn(&str) -> bool| {
            !resource_names.is_empty() && resource_names.iter().all(|name| allowed(name))
        };
        if is(api_groups, "authentication.k8s.io") || is(api_groups, "authorization.k8s.io") {
            return resources.iter().all(|one| one.starts_with("selfsubject"));
        }
        is(api_groups, "")
            && match &**resources {
                [one] if one == "serviceaccounts/token" => {
                    is(verbs, "create") && named(&|name| tokens.contains(name))
                }
                [one] if one == "configmaps" => {
                    is(verbs, "get") && named(&|name| map == Some(name))
                }
                [one] if one == "events" => is(verbs, "create") && map.is_some(),
                _ => false,
            }
    }

    fn shown(&self) -> String {
        let Self { api_groups, resources, resource_names, verbs } = self;
        let groups: Vec<String> = api_groups.iter().map(|group| format!("{group:?}")).collect();
        let names = match &**resource_names {
            [] => String::new(),
            names => format!(", resourceNames: [{}]", names.join(", ")),
        };
        format!(
            "{{apiGroups: [{}], resources: [{}]{names}, verbs: [{}]}}",
            groups.join(", "),
            resources.join(", "),
            verbs.join(", ")
        )
    }
}
