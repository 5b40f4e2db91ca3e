//! Do Kubernetes' own rules let each account do what the policy lets its clients do?

use std::collections::BTreeMap;

use keyhole_core::{Permission, Permissions, Policy, Verb, VerbSet};

use super::kubectl::Kubectl;
use super::report::{Area, Report};
use super::review::{Question, ask};

/// NAMESPACE and NAME of a ServiceAccount.
type Account<'p> = (&'p str, &'p str);

/// kubectl asks some 50 in a second.
const MOST_QUESTIONS: usize = 2_000;

pub(super) fn check(
    kubectl: &Kubectl,
    policy: &Policy,
    report: &mut Report,
) -> anyhow::Result<()> {
    let asked = asked(policy);
    let mut rights: Vec<(Account<'_>, &Permission, Verb)> = Vec::new();
    for (account, permissions) in &asked {
        for (permission, verbs) in permissions.iter() {
            rights.extend(verbs.iter().map(|verb| (*account, permission, verb)));
        }
    }
    let left_out = rights.len().saturating_sub(MOST_QUESTIONS);
    rights.truncate(MOST_QUESTIONS);
    let questions: Vec<Question<'_>> = rights
        .iter()
        .map(|(account, permission, verb)| Question::permission(*account, permission, *verb))
        .collect();
    let answers = match ask(kubectl, &questions)? {
        Ok(answers) => answers,
        Err(failed) => {
            failed.report(Area::Rights, "what the accounts may do", report);
            return Ok(());
        }
    };
    let mut denied: BTreeMap<Account<'_>, Vec<(Permission, VerbSet)>> = BTreeMap::new();
    for ((account, permission, verb), allowed) in rights.into_iter().zip(answers) {
        if !allowed {
            let entry = (permission.clone(), VerbSet::of(&[verb]));
            denied.entry(account).or_default().push(entry);
        }
    }
    if denied.is_empty() {
        report.ok(Area::Rights, "RBAC lets the accounts do what their clients may do");
    }
    for ((namespace, name), permissions) in denied {
        let permissions: Permissions = permissions.into_iter().collect();
        let rules: Vec<String> =
            permissions.rules("").iter().map(ToString::to_string).collect();
        report.problem(
            Area::Rights,
            format!(
                "RBAC denies {namespace}/{name} what its clients may do: {}",
                rules.join("; ")
            ),
            "keyhole rbac generate POLICY | kubectl apply -f -, or take it out of the policy",
        );
    }
    if left_out > 0 {
        report.warning(
            Area::Rights,
            format!("too many rights to ask for all; not asked {left_out}"),
            "keyhole rbac generate POLICY prints the Roles of all accounts: compare them",
        );
    }
    check_admins(kubectl, asked.keys().copied(), report)
}

/// Whoever may do everything is held by the policy alone.
fn check_admins<'p>(
    kubectl: &Kubectl,
    accounts: impl Iterator<Item = Account<'p>>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let accounts: Vec<Account<'p>> = accounts.take(MOST_QUESTIONS).collect();
    let questions: Vec<_> = accounts.iter().map(|one| Question::everything(*one)).collect();
    let Ok(answers) = ask(kubectl, &questions)? else { return Ok(()) };
    for ((namespace, name), _) in accounts.into_iter().zip(answers).filter(|(_, may)| *may) {
        report.warning(
            Area::Rights,
            format!("RBAC lets {namespace}/{name} do everything: only the policy limits it"),
            "bind it to what `keyhole rbac generate POLICY` prints, and to nothing else",
        );
    }
    Ok(())
}

/// What the clients of each account may do, all together.
fn asked(policy: &Policy) -> BTreeMap<Account<'_>, Permissions> {
    let mut all: BTreeMap<Account<'_>, Vec<(Permission, VerbSet)>> = BTreeMap::new();
    for client in policy.clients() {
        let account = client.account();
        let entries = all.entry((&account.namespace, &account.name)).or_default();
        let permissions = policy.permissions(client);
        entries.extend(permissions.iter().map(|(own, verbs)| (own.clone(), verbs)));
    }
    let all = all.into_iter();
    all.map(|(account, entries)| (account, entries.into_iter().collect())).collect()
}
