//! Where an RBAC role holds: its bindings say so.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::bail;

use super::Arguments;
use super::objects::{Objects, Role};

/// Where a role holds; `*` is every namespace.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) namespaces: BTreeSet<String>,
    pub(super) cluster_scope: bool,
}

/// `None` for a role that the account is not bound to.
pub(super) fn place(
    role: &Role,
    objects: &Objects,
    arguments: &Arguments,
) -> anyhow::Result<Option<Place>> {
    let Arguments { account, namespaces, cluster_scope, .. } = arguments;
    let bindings = objects.bindings.iter().filter(|binding| {
        binding.binds(role) && account.as_ref().is_none_or(|account| binding.holds_for(account))
    });
    let scopes: Vec<Option<&String>> =
        bindings.map(|binding| binding.id.namespace.as_ref()).collect();
    let place = match &role.id.namespace {
        _ if scopes.contains(&None) => Place::new(["*"], true),
        _ if !scopes.is_empty() => Place::new(scopes.into_iter().flatten(), false),
        _ if account.is_some() => return Ok(None),
        Some(namespace) => Place::new([namespace], false),
        None if namespaces.is_empty() && !cluster_scope => bail!(
            "nothing in the input binds the {}: give its bindings, too, or say where it holds, by --namespace or --cluster-scope",
            role.id
        ),
        None => Place::new(namespaces, *cluster_scope),
    };
    Ok(Some(place))
}

// === impl Place ===

impl Place {
    pub(super) fn new(
        namespaces: impl IntoIterator<Item = impl Into<String>>,
        cluster_scope: bool,
    ) -> Self {
        let namespaces = namespaces.into_iter().map(Into::into).collect();
        Self { namespaces, cluster_scope }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespaces = self.namespaces.iter().map(|namespace| match namespace.as_str() {
            "*" => "all namespaces",
            namespace => namespace,
        });
        let scope = self.cluster_scope.then_some("the cluster scope");
        let places: Vec<&str> = namespaces.chain(scope).collect();
        write!(f, "in {}", places.join(", "))
    }
}
