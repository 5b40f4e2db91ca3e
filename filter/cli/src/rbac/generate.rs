//! `keyhole rbac generate`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use keyhole_core::{Loaded, Permission, Permissions, Policy, ResourceTerm, Scope, VerbSet};

use super::bound::BoundRole;
use super::wider::{Wider, wider};
use crate::object::Object;
use crate::{Outcome, policy};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The policy document: YAML or JSON.
    file: PathBuf,
    /// Fail, and print nothing, where RBAC cannot say a rule without saying more.
    #[arg(long)]
    exact: bool,
}

/// A Role in a namespace, or a ClusterRole, of one account; in this order printed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Role<'p> {
    account_namespace: &'p str,
    account: &'p str,
    /// `None` for a ClusterRole.
    namespace: Option<String>,
}

/// What a role allows, by how it is wider than the policy.
type Allowed = BTreeMap<Vec<Wider>, Vec<(Permission, VerbSet)>>;

/// What the clients of one account may do.
#[derive(Default)]
struct Asked {
    all: Vec<(Permission, VerbSet)>,
    /// Of it, what does not depend on the body.
    unconstrained: Vec<(Permission, VerbSet)>,
}

const LABELS: &str = "app.kubernetes.io/part-of: keyhole, app.kubernetes.io/component: clients";

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { file, exact } = arguments;
    let Some(Loaded { policy, .. }) = policy::load(file)? else { return Ok(Outcome::Problems) };
    let (mut documents, mut warnings) = (Vec::new(), Vec::new());
    for (role, allowed) in roles(&policy) {
        let rules = rules(&role, allowed, &mut warnings);
        documents.push(role.document(&rules));
    }
    for warning in &warnings {
        eprintln!("{}: warning: {warning}", file.display());
    }
    if *exact && !warnings.is_empty() {
        return Ok(Outcome::Problems);
    }
    print!("{}", documents.join("---\n"));
    Ok(Outcome::Done)
}

fn roles(policy: &Policy) -> BTreeMap<Role<'_>, Allowed> {
    let mut accounts: BTreeMap<(&str, &str), Asked> = BTreeMap::new();
    for client in policy.clients() {
        let account = client.account();
        let asked = accounts.entry((&account.namespace, &account.name)).or_default();
        for (terms, permissions) in policy.permissions_on_terms(client) {
            let permissions: Vec<_> =
                permissions.iter().map(|(own, verbs)| (own.clone(), verbs)).collect();
            if !terms.starts_with("constraints: ") {
                asked.unconstrained.extend_from_slice(&permissions);
            }
            asked.all.extend(permissions);
        }
    }
    let mut roles: BTreeMap<Role<'_>, Allowed> = BTreeMap::new();
    for ((account_namespace, account), Asked { all, unconstrained }) in accounts {
        let all: Permissions = all.into_iter().collect();
        let unconstrained: Permissions = unconstrained.into_iter().collect();
        for (permission, verbs) in all.iter() {
            let (namespace, bound) = bound(permission);
            let role = Role { account_namespace, account, namespace };
            let wider = wider(&all, &unconstrained, permission, verbs);
            roles.entry(role).or_default().entry(wider).or_default().push((bound, verbs));
        }
    }
    roles
}

/// The namespace whose Role allows a permission, and what that role allows.
fn bound(permission: &Permission) -> (Option<String>, Permission) {
    match permission {
        Permission::Path(_) => (None, permission.clone()),
        Permission::Resource(term) => match &term.scope {
            Scope::Namespace(namespace) => (Some(namespace.clone()), permission.clone()),
            Scope::AnyNamespace | Scope::Cluster => {
                let term = ResourceTerm { scope: Scope::Cluster, ..term.clone() };
                (None, Permission::Resource(term))
            }
        },
    }
}

/// The rules of a role as YAML, each with a comment where it is too wide.
fn rules(role: &Role<'_>, allowed: Allowed, warnings: &mut Vec<String>) -> String {
    let mut text = String::new();
    for (wider, permissions) in allowed {
        let permissions: Permissions = permissions.into_iter().collect();
        for rule in permissions.rules("") {
            let rule = rule.rbac();
            for wider in &wider {
                text.push_str(&format!("# wider than the policy: {wider}\n"));
                let Role { account_namespace, account, .. } = role;
                warnings.push(format!(
                    "{account_namespace}/{account}: {rule} is wider than the policy: {wider}"
                ));
            }
            text.push_str(&format!("- {rule}\n"));
        }
    }
    text
}

// === impl Role ===

impl Role<'_> {
    fn document(&self, rules: &str) -> String {
        let Self { account_namespace, account, namespace } = self;
        let name = format!("{:?}", format!("keyhole:{account_namespace}:{account}"));
        let namespace = namespace.as_deref();
        let account =
            &Object { namespace: (*account_namespace).to_owned(), name: (*account).to_owned() };
        BoundRole { name: &name, namespace, labels: LABELS, rules, account }.to_string()
    }
}
