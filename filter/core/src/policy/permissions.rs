//! What a client may do, in terms that do not depend on how it is written: for
//! comparing policies, and for writing them in other languages.
//!
//! All names are drawn from endless supplies, so a permission with stars lies
//! within a union of others only if it lies within one of them, verb by verb. The
//! one exception is a namespace, which is looked up in two places.

mod compact;
mod term;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::policy::{Client, Policy};
use crate::request::verb::VerbSet;

pub use self::term::{PathTerm, Permission, ResourceTerm, Scope, Term};

/// A set of permissions, none within another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Permissions {
    entries: BTreeMap<Permission, VerbSet>,
    /// The combinations of stars that may occur, a bit each: others need no look.
    stars: u16,
}

// === impl Policy ===

impl Policy {
    /// What a client may do: its roles together, on whatever terms.
    pub fn permissions(&self, client: &Client) -> Permissions {
        let on_terms = self.permissions_on_terms(client);
        let all = on_terms.values().flat_map(Permissions::iter);
        all.map(|(permission, verbs)| (permission.clone(), verbs)).collect()
    }

    /// The same, apart by the terms as a rule writes them; none are written as nothing.
    pub fn permissions_on_terms(&self, client: &Client) -> BTreeMap<String, Permissions> {
        let spelling = self.names.spelling();
        let mut on_terms: BTreeMap<String, Vec<(Permission, VerbSet)>> = BTreeMap::new();
        for rules in client.roles.iter().filter_map(|role| self.roles.get(*role)) {
            for (pattern, verbs, terms) in rules.resources() {
                let permission = Permission::Resource(ResourceTerm::of(pattern, &spelling));
                on_terms.entry(terms.to_string()).or_default().push((permission, verbs));
            }
            for (pattern, verbs, terms) in rules.paths() {
                let permission = Permission::Path(PathTerm::of(pattern, &spelling));
                on_terms.entry(terms.to_string()).or_default().push((permission, verbs));
            }
        }
        on_terms
            .into_iter()
            .map(|(terms, permissions)| (terms, permissions.into_iter().collect()))
            .collect()
    }
}

// === impl Permissions ===

impl Permissions {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Permission, VerbSet)> {
        self.entries.iter().map(|(permission, verbs)| (permission, *verbs))
    }

    /// What is not within the others.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        let rest = self.iter().map(|(permission, verbs)| {
            (permission.clone(), verbs.without(others.verbs(permission)))
        });
        Self::of(rest.filter(|(_, verbs)| *verbs != VerbSet::default()).collect())
    }

    /// The verbs that are allowed on all that a permission is about.
    pub fn verbs(&self, permission: &Permission) -> VerbSet {
        match permission {
            Permission::Path(path) => {
                let above = path.above().map(|path| self.own(&Permission::Path(path)));
                above.fold(self.own(permission), VerbSet::union)
            }
            Permission::Resource(term) => match term.namespace_itself() {
                None => self.starred(term, true),
                Some(itself) => {
                    // Of what else it is about, a star for the resource takes care.
                    let others = match term.is_only_itself() {
                        true => VerbSet::RESOURCE,
                        false => self.starred(term, true),
                    };
                    let cluster = self.starred(&itself.at_cluster_scope(), true);
                    let itself = cluster.union(self.starred(&itself, false));
                    self.starred(term, false).union(itself.intersection(others))
                }
            },
        }
    }

    fn of(entries: BTreeMap<Permission, VerbSet>) -> Self {
        let stars = entries.keys().map(|permission| match permission {
            Permission::Path(_) => 0,
            Permission::Resource(term) => 1 << term.stars(),
        });
        let stars = stars.fold(0, |all, stars| all | stars);
        Self { entries, stars }
    }

    /// One after the other, for two may each lie within the other and a third.
    fn minimal(self) -> Self {
        let mut kept = self.clone();
        for (permission, verbs) in self.entries {
            kept.entries.remove(&permission);
            let verbs = verbs.without(kept.verbs(&permission));
            if verbs != VerbSet::default() {
                kept.entries.insert(permission, verbs);
            }
        }
        Self::of(kept.entries)
    }

    fn own(&self, permission: &Permission) -> VerbSet {
        self.entries.get(permission).copied().unwrap_or_default()
    }

    /// What permissions allow that are like this one, or have stars where it has none.
    fn starred(&self, term: &ResourceTerm, resource_too: bool) -> VerbSet {
        (0..16_u8)
            .filter(|stars| resource_too || stars & 4 == 0)
            .filter(|stars| self.stars & (1 << (stars | term.stars())) != 0)
            .filter_map(|stars| term.starred(stars))
            .map(|wider| self.own(&Permission::Resource(wider)))
            .fold(VerbSet::default(), VerbSet::union)
    }
}

/// All of them together.
impl FromIterator<(Permission, VerbSet)> for Permissions {
    fn from_iter<I: IntoIterator<Item = (Permission, VerbSet)>>(permissions: I) -> Self {
        let mut entries: BTreeMap<Permission, VerbSet> = BTreeMap::new();
        for (permission, verbs) in permissions {
            let entry = entries.entry(permission).or_default();
            *entry = entry.union(verbs);
        }
        Self::of(entries).minimal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_policy;
    use crate::policy::key::KeyDigest;
    use alloc::format;

    /// What these rules allow together.
    fn permissions(rules: &str) -> Permissions {
        let digest = KeyDigest::of(b"k").to_hex();
        let text = format!(
            "{{apiVersion: keyhole/v1, kind: Policy, clients: [{{name: c, keys: [{{sha256: {digest}}}], \
             serviceAccount: {{namespace: n, name: a}}, roles: [r]}}], roles: [{{name: r, rules: [{rules}]}}]}}"
        );
        let policy = load_policy(&text).unwrap().policy;
        policy.permissions(&policy.clients()[0])
    }

    #[test]
    #[rustfmt::skip]
    fn one_rule_lies_within_others_or_does_not() {
        const STAR: &str = r#"{namespaces: ["*"], apiGroups: ["*"], resources: ["*"], verbs: [get]}"#;
        const IN_D: &str = r#"{namespaces: [d], apiGroups: [""], resources: ["*"], verbs: [get]}"#;
        const PODS: &str = r#"{namespaces: [d], apiGroups: [""], resources: [pods], verbs: [get]}"#;
        const ALL_NAMESPACES: &str = r#"{namespaces: ["*"], apiGroups: [""], resources: [namespaces], verbs: [get]}"#;
        const CLUSTER: &str = r#"{clusterScope: true, apiGroups: [""], resources: [namespaces], verbs: [get]}"#;
        const ITSELF: &str = r#"{namespaces: [d], apiGroups: [""], resources: [namespaces], resourceNames: [d], verbs: [get]}"#;
        let both = format!("{STAR}, {ALL_NAMESPACES}");
        for (rule, others, expected) in [
            (PODS, STAR, true),
            (PODS, IN_D, true),
            (IN_D, PODS, false),
            (r#"{namespaces: [d], apiGroups: [""], resources: [pods], resourceNames: [a], verbs: [get]}"#, PODS, true),
            (r#"{namespaces: [d], apiGroups: [""], resources: [pods/log], verbs: [get]}"#, STAR, false),
            (r#"{namespaces: [d], apiGroups: [""], resources: [pods], verbs: [get, list]}"#, PODS, false),
            (r#"{clusterScope: true, apiGroups: [""], resources: [pods], verbs: [get]}"#, STAR, false),
            // a namespace is found in itself and at the cluster scope, but not by a star in itself
            (ITSELF, STAR, false),
            (ITSELF, CLUSTER, true),
            (ITSELF, ALL_NAMESPACES, true),
            (r#"{namespaces: ["*"], apiGroups: ["*"], resources: [namespaces], verbs: [get]}"#, STAR, false),
            (r#"{namespaces: ["*"], apiGroups: ["*"], resources: [namespaces], verbs: [get]}"#, &both, true),
            (r#"{nonResourceURLs: [/healthz/etcd, "/healthz/a/*"], verbs: [get]}"#, r#"{nonResourceURLs: ["/healthz/*"], verbs: [get]}"#, true),
            (r#"{nonResourceURLs: [/healthz], verbs: [get]}"#, r#"{nonResourceURLs: ["/healthz/*"], verbs: [get]}"#, false),
            (r#"{nonResourceURLs: [/], verbs: [get]}"#, r#"{nonResourceURLs: ["/*"], verbs: [get]}"#, true),
        ] {
            let rest = permissions(rule).without(&permissions(others));
            assert_eq!(rest.is_empty(), expected, "{rule} in {others}");
        }
    }
}
