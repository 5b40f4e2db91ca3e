//! Where Kubernetes RBAC says more than the policy.

use std::fmt;

use keyhole_core::{
    Permission, Permissions, ResourceTerm, Scope, Term, Verb, VerbSet, is_cluster_scoped,
};

/// In what a rule of a Role or ClusterRole is wider than the permission it is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Wider {
    ClusterScope,
    Constraints,
    EveryNamespace,
    Subresources,
}

/// Beside those that the core knows of: nobody looks for these in a namespace.
const CLUSTER_SCOPED: &[(&str, &str)] = &[
    ("", "componentstatuses"),
    ("", "namespaces"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
];

/// The verbs whose body `constraints` are about.
const JUDGED: VerbSet = VerbSet::of(&[Verb::Create, Verb::Patch, Verb::Update]);

/// How the rule for one permission of `all` is wider than these. `unconstrained` are
/// those of them that do not depend on the body.
pub(super) fn wider(
    all: &Permissions,
    unconstrained: &Permissions,
    permission: &Permission,
    verbs: VerbSet,
) -> Vec<Wider> {
    let Permission::Resource(term) = permission else { return Vec::new() };
    let elsewhere = |scope| {
        let there = Permission::Resource(ResourceTerm { scope, ..term.clone() });
        verbs.without(all.verbs(&there)) == VerbSet::default()
    };
    let scope = match &term.scope {
        Scope::AnyNamespace if !elsewhere(Scope::Cluster) => Some(Wider::ClusterScope),
        Scope::Cluster if !lies_in_no_namespace(term) && !elsewhere(Scope::AnyNamespace) => {
            Some(Wider::EveryNamespace)
        }
        _ => None,
    };
    let resource = Some(Wider::Subresources).filter(|_| term.resource == Term::Any);
    let judged = verbs.intersection(JUDGED).without(unconstrained.verbs(permission));
    let constraints = (judged != VerbSet::default()).then_some(Wider::Constraints);
    scope.into_iter().chain(resource).chain(constraints).collect()
}

fn lies_in_no_namespace(term: &ResourceTerm) -> bool {
    match (&term.group, &term.resource) {
        (Term::Is(group), Term::Is(resource)) => {
            is_cluster_scoped(group, resource) || CLUSTER_SCOPED.contains(&(group, resource))
        }
        _ => false,
    }
}

impl fmt::Display for Wider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterScope => "holds at the cluster scope, too",
            Self::Constraints => "knows no `constraints`, so it allows every body",
            Self::EveryNamespace => "holds in every namespace, too",
            Self::Subresources => {
                "covers subresources, such as pods/exec, and a namespace itself, too"
            }
        })
    }
}
