//! The accounts of the policy: are they there, and may the gateway make tokens for them,
//! read its policy, and do nothing else?

mod excess;

use std::collections::BTreeSet;

use keyhole_core::{Policy, Verb, Verification};
use serde::Deserialize;

use self::excess::check_excess;
use super::kubectl::Kubectl;
use super::policy::Found;
use super::report::{Area, Report};
use super::review::{Question, ask};
use crate::object::Object;

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Object,
}

/// What the gateway has to be allowed.
struct Need<'a> {
    question: Question<'a>,
    what: String,
    grave: bool,
    mend: String,
}

pub(super) fn check(
    kubectl: &Kubectl,
    gateway: &Object,
    config_map: &Object,
    found: &Found,
    report: &mut Report,
) -> anyhow::Result<()> {
    let accounts = accounts(&found.loaded.policy);
    check_existence(kubectl, &accounts, report)?;
    check_needs(kubectl, gateway, config_map, found, &accounts, report)?;
    check_excess(kubectl, gateway, config_map, &accounts, report)
}

fn accounts(policy: &Policy) -> BTreeSet<Object> {
    let accounts = policy.clients().iter().map(|client| client.account());
    let accounts = accounts.map(|account| Object {
        namespace: account.namespace.clone(),
        name: account.name.clone(),
    });
    accounts.collect()
}

fn check_existence(
    kubectl: &Kubectl,
    accounts: &BTreeSet<Object>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let all: BTreeSet<Object> =
        match kubectl.read::<List>(&["get", "serviceaccounts", "-A", "-o", "json"])? {
            Ok(list) => {
                let items = list.into_iter().flat_map(|list| list.items);
                items.map(|item| item.metadata).collect()
            }
            Err(failed) => {
                failed.report(Area::Accounts, "the ServiceAccounts", report);
                return Ok(());
            }
        };
    for Object { namespace, name } in accounts.difference(&all) {
        report.problem(
            Area::Accounts,
            format!("there is no ServiceAccount {namespace}/{name}, which the policy names"),
            format!("kubectl create serviceaccount {name} -n {namespace}"),
        );
    }
    if accounts.is_subset(&all) {
        let found = format!("the policy's ServiceAccounts exist; accounts {}", accounts.len());
        report.ok(Area::Accounts, found);
    }
    Ok(())
}

fn check_needs(
    kubectl: &Kubectl,
    gateway: &Object,
    config_map: &Object,
    found: &Found,
    accounts: &BTreeSet<Object>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let needs = needs(gateway, config_map, found, accounts);
    let (questions, needs): (Vec<_>, Vec<_>) = needs
        .into_iter()
        .map(|Need { question, what, grave, mend }| (question, (what, grave, mend)))
        .unzip();
    let answers = match ask(kubectl, &questions)? {
        Ok(answers) => answers,
        Err(failed) => {
            failed.report(Area::Accounts, "what the gateway may do", report);
            return Ok(());
        }
    };
    if answers.iter().all(|allowed| *allowed) {
        report.ok(Area::Accounts, "the gateway may do what it needs to");
    }
    for ((what, grave, mend), _) in needs.into_iter().zip(answers).filter(|(_, may)| !may) {
        let found = format!("{}/{} may not {what}", gateway.namespace, gateway.name);
        match grave {
            true => report.problem(Area::Accounts, found, mend),
            false => report.warning(Area::Accounts, found, mend),
        }
    }
    Ok(())
}

fn needs<'a>(
    gateway: &'a Object,
    config_map: &Object,
    found: &Found,
    accounts: &BTreeSet<Object>,
) -> Vec<Need<'a>> {
    let Object { namespace, name } = config_map;
    let map = found.is_live.then(|| format!(" --config-map {namespace}/{name}"));
    let apply = format!(
        "keyhole rbac gateway POLICY --account {}/{}{} | kubectl apply -f -",
        gateway.namespace,
        gateway.name,
        map.unwrap_or_default()
    );
    let mut needs: Vec<Need<'a>> = accounts
        .iter()
        .map(|account| Need {
            question: Question::object(gateway, Verb::Create, "serviceaccounts/token", account),
            what: format!("make tokens of {}/{}", account.namespace, account.name),
            grave: true,
            mend: apply.clone(),
        })
        .collect();
    if found.is_live {
        let events = Object { namespace: namespace.clone(), name: String::new() };
        needs.push(Need {
            question: Question::object(gateway, Verb::Get, "configmaps", config_map),
            what: format!("read the ConfigMap {namespace}/{name}"),
            grave: true,
            mend: apply.clone(),
        });
        needs.push(Need {
            question: Question::object(gateway, Verb::Create, "events", &events),
            what: "say by an Event why it refuses a policy".to_owned(),
            grave: false,
            mend: apply,
        });
    }
    if found.loaded.policy.gateway().verification == Verification::Signature {
        needs.extend(["/.well-known/openid-configuration", "/openid/v1/jwks"].map(|path| Need {
            question: Question::path(gateway, path),
            what: format!("read the cluster's keys at {path}"),
            grave: true,
            mend: format!(
                "kubectl create clusterrolebinding keyhole-issuer-discovery --clusterrole system:service-account-issuer-discovery --serviceaccount {}:{}",
                gateway.namespace, gateway.name
            ),
        }));
    }
    needs
}
