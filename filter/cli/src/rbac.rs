//! `keyhole rbac`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

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
}

pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    let Command::Gateway { file, account } = command;
    let (namespace, name) = account.split_once('/').ok_or_else(|| {
        anyhow::anyhow!("`{account}` is not an account: write NAMESPACE/NAME")
    })?;
    match load_policy(&policy::read(&file)?) {
        Ok(Loaded { policy, .. }) => {
            print!("{}", roles(&policy, namespace, name));
            Ok(Outcome::Done)
        }
        Err(problems) => {
            policy::report(&file, &problems);
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
