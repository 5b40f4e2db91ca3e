//! `keyhole rbac`.

mod bound;
mod generate;
mod import;
mod wider;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use keyhole_core::{Loaded, Policy};

use self::bound::BoundRole;
use crate::object::Object;
use crate::{Outcome, policy};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print the Roles that let the gateway make tokens for a policy's accounts.
    ///
    /// Each one allows `create` on `serviceaccounts/token` of the named accounts,
    /// and nothing else. Apply them with kubectl. What an earlier policy needed in
    /// other namespaces stays until you delete it; to find it:
    /// kubectl get roles,rolebindings -A -l app.kubernetes.io/part-of=keyhole
    Gateway {
        /// The policy document: YAML or JSON.
        file: PathBuf,
        /// The gateway's own account, as NAMESPACE/NAME.
        #[arg(long, default_value = "keyhole/keyhole")]
        account: Object,
        /// Let it read its policy from this ConfigMap, too, as NAMESPACE/NAME, and say
        /// there why it refuses one.
        #[arg(long)]
        config_map: Option<Object>,
    },
    /// Print the Roles that let the ServiceAccounts do what their clients may do.
    ///
    /// They allow the policy's rules and no more, so that a stolen token is worth no
    /// more than the key. Where RBAC cannot say a rule without saying more, the rule
    /// has a comment, and there is a warning: a rule for any namespace or for the cluster
    /// scope needs a ClusterRole, which holds in both; a star for resources covers their
    /// subresources. Namespaces and ServiceAccounts must exist. Apply with kubectl; what
    /// an earlier policy needed stays until you delete it; to find it:
    /// kubectl get roles,rolebindings,clusterroles,clusterrolebindings -A
    /// -l app.kubernetes.io/part-of=keyhole,app.kubernetes.io/component=clients
    #[command(
        after_help = "Exit codes: 0 done, 1 the policy has problems (or needs more than it allows, with --exact), 2 the command could not run."
    )]
    Generate(generate::Arguments),
    /// Print the policy's `roles` that say what Kubernetes Roles and ClusterRoles allow.
    ///
    /// A Role holds in its namespace, a ClusterRole where its bindings in the input say:
    ///
    ///   kubectl get roles,rolebindings,clusterroles,clusterrolebindings -A -o yaml |
    ///     keyhole rbac import --account shop/scaler -
    ///
    /// What is printed never allows more. Where it allows less, a comment and a warning say
    /// so: subresources must be named (`*` covers none), streams such as `pods/exec` and
    /// verbs such as `impersonate` are nothing that the gateway carries.
    #[command(
        verbatim_doc_comment,
        after_help = "Exit codes: 0 done, 2 the command could not run."
    )]
    Import(import::Arguments),
}

pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Gateway { file, account, config_map } => {
            gateway(&file, &account, config_map.as_ref())
        }
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
    }
}

fn gateway(
    file: &Path,
    account: &Object,
    config_map: Option<&Object>,
) -> anyhow::Result<Outcome> {
    let Some(Loaded { policy, .. }) = policy::load(file)? else { return Ok(Outcome::Problems) };
    let roles = token_roles(&policy, account)
        .into_iter()
        .chain(config_map.map(|own| policy_role(own, account)));
    print!("{}", roles.collect::<Vec<_>>().join("---\n"));
    Ok(Outcome::Done)
}

/// One Role and one RoleBinding for each namespace.
fn token_roles(policy: &Policy, gateway: &Object) -> Vec<String> {
    let mut accounts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for client in policy.clients() {
        let account = client.account();
        accounts.entry(&account.namespace).or_default().insert(&account.name);
    }
    let documents = accounts.iter().map(|(namespace, names)| {
        let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
        let rule = format!(
            "\
- apiGroups: [\"\"]
  resources: [serviceaccounts/token]
  resourceNames: [{}]
  verbs: [create]
",
            names.join(", ")
        );
        role("keyhole-tokens", namespace, &rule, gateway)
    });
    documents.collect()
}

/// Events cannot be limited to one object.
fn policy_role(Object { namespace, name }: &Object, gateway: &Object) -> String {
    let rules = format!(
        "\
- apiGroups: [\"\"]
  resources: [configmaps]
  resourceNames: [{name:?}]
  verbs: [get]
- apiGroups: [\"\"]
  resources: [events]
  verbs: [create]
"
    );
    role("keyhole-policy", namespace, &rules, gateway)
}

fn role(name: &str, namespace: &str, rules: &str, gateway: &Object) -> String {
    let labels = "app.kubernetes.io/part-of: keyhole";
    let namespace = Some(namespace);
    BoundRole { name, namespace, labels, rules, account: gateway }.to_string()
}
