//! A role, bound to one ServiceAccount.

use std::fmt;

use crate::object::Object;

/// As YAML: the role, then its binding.
pub(super) struct BoundRole<'a> {
    /// As YAML spells it.
    pub(super) name: &'a str,
    /// `None` for a ClusterRole.
    pub(super) namespace: Option<&'a str>,
    pub(super) labels: &'a str,
    /// Lines of YAML, the last one ended.
    pub(super) rules: &'a str,
    pub(super) account: &'a Object,
}

/// Names are quoted, for YAML would read some of them as numbers.
impl fmt::Display for BoundRole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, namespace, labels, rules, account } = self;
        let Object { namespace: account_namespace, name: account } = account;
        let (kind, within) = match namespace {
            Some(namespace) => ("Role", format!(", namespace: {namespace:?}")),
            None => ("ClusterRole", String::new()),
        };
        write!(
            f,
            "\
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}
metadata: {{name: {name}{within}, labels: {{{labels}}}}}
rules:
{rules}---
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}Binding
metadata: {{name: {name}{within}, labels: {{{labels}}}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {name}}}
subjects:
- {{kind: ServiceAccount, name: {account:?}, namespace: {account_namespace:?}}}
"
        )
    }
}
