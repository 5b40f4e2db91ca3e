//! `keyhole rbac`.

mod generate;
mod wider;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use keyhole_core::{Loaded, Policy, load_policy};

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
        account: String,
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
}

pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Gateway { file, account } => gateway(&file, &account),
        Command::Generate(arguments) => generate::run(&arguments),
    }
}

fn gateway(file: &Path, account: &str) -> anyhow::Result<Outcome> {
    let (namespace, name) = account.split_once('/').ok_or_else(|| {
        anyhow::anyhow!("`{account}` is not an account: write NAMESPACE/NAME")
    })?;
    match load_policy(&policy::read(file)?) {
        Ok(Loaded { policy, .. }) => {
            print!("{}", roles(&policy, namespace, name));
            Ok(Outcome::Done)
        }
        Err(problems) => {
            policy::report(file, &problems);
            Ok(Outcome::Problems)
        }
    }
}

/// One Role and one RoleBinding for each namespace. Names are quoted, for YAML
/// would read some of them as numbers.
fn roles(policy: &Policy, gateway_namespace: &str, gateway: &str) -> String {
    let mut accounts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for client in policy.clients() {
        let account = client.account();
        accounts.entry(&account.namespace).or_default().insert(&account.name);
    }
    let documents = accounts.iter().map(|(namespace, names)| {
        let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
        let names = names.join(", ");
        format!(
            "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: keyhole-tokens, namespace: {namespace:?}, labels: {{app.kubernetes.io/part-of: keyhole}}}}
rules:
- apiGroups: [\"\"]
  resources: [serviceaccounts/token]
  resourceNames: [{names}]
  verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: keyhole-tokens, namespace: {namespace:?}, labels: {{app.kubernetes.io/part-of: keyhole}}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: keyhole-tokens}}
subjects:
- {{kind: ServiceAccount, name: {gateway:?}, namespace: {gateway_namespace:?}}}
"
        )
    });
    documents.collect::<Vec<_>>().join("---\n")
}
