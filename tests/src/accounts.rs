//! Many clients at once, each with its own key and its own ServiceAccount.

use anyhow::{Context, Result};

use crate::client::Client;
use crate::stack::{Stack, new_key};

/// May look at pods, make ConfigMaps, and ask the apiserver who it is.
pub const ROLE: &str = r#"- name: caller
  rules:
  - {namespaces: [default], apiGroups: [""], resources: [pods], verbs: [get, list]}
  - {namespaces: [default], apiGroups: [""], resources: [configmaps], verbs: [create]}
  - {clusterScope: true, apiGroups: [authentication.k8s.io], resources: [selfsubjectreviews], verbs: [create]}
  - {nonResourceURLs: [/version], verbs: [get]}
"#;

/// For the accounts all together: the policy tells them apart, not RBAC.
const RBAC: &str = r#"---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: callers, namespace: default}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get, list]}
- {apiGroups: [""], resources: [configmaps], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: callers, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: callers}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: "system:serviceaccounts:default"}]
"#;

/// A client with its key, and who it is to the apiserver.
#[derive(Clone)]
pub struct Caller {
    pub client: Client,
    /// `NAMESPACE/NAME` of its ServiceAccount.
    pub account: String,
}

// === impl Stack ===

impl Stack {
    /// Replaces the policy by one with a client of each of these names, and makes
    /// their ServiceAccounts, of the same names.
    pub fn callers(&self, names: &[String]) -> Result<Vec<Caller>> {
        let (callers, clients) = self.new_callers(names)?;
        self.apply(&format!(
            "apiVersion: keyhole/v1\nkind: Policy\nclients:\n{clients}roles:\n{ROLE}"
        ))
        .map_err(anyhow::Error::msg)?;
        Ok(callers)
    }

    /// Makes these ServiceAccounts, and a client of each: callers, and what a policy
    /// with the role [`ROLE`] says of them.
    pub fn new_callers(&self, names: &[String]) -> Result<(Vec<Caller>, String)> {
        let (mut manifest, mut clients) = (RBAC.to_owned(), String::new());
        let mut callers = Vec::new();
        for name in names {
            let (key, digest) = new_key(name);
            manifest.push_str(&format!(
                "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: default}}\n"
            ));
            clients.push_str(&format!(
                "- name: {name}\n  keys: [{{sha256: {digest}}}]\n  serviceAccount: {{namespace: default, name: {name}, expirationSeconds: 600}}\n  roles: [caller]\n"
            ));
            let client = self.anonymous().with_key(&key);
            callers.push(Caller { client, account: format!("default/{name}") });
        }
        self.apply_manifest(&manifest)?;
        Ok((callers, clients))
    }

    /// Applies a manifest as the cluster's admin.
    pub fn apply_manifest(&self, manifest: &str) -> Result<()> {
        let file = self.state().join("manifest.yaml");
        std::fs::write(&file, manifest)?;
        self.kubectl(&["apply", "-f", file.to_str().context("a path that is no text")?])
            .map(drop)
    }
}

// === impl Caller ===

impl Caller {
    /// Its name to the apiserver.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}", self.account.replace('/', ":"))
    }
}
