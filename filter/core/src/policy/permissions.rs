//! What a client may do, in terms that do not depend on how it is written: for
//! comparing policies, and for writing them in other languages.
//!
//! All names are drawn from endless supplies, so a permission with stars lies
//! within a union of others only if it lies within one of them, verb by verb. The
//! one exception is a namespace, which is looked up in two places.

mod compact;
mod term;

use alloc::collections::BTreeMap;

use crate::policy::{Client, Policy};
use crate::request::verb::VerbSet;

pub use self::term::{PathTerm, Permission, ResourceTerm, Scope, Term};

/// A set of permissions, none within another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Permissions(BTreeMap<Permission, VerbSet>);

// === impl Policy ===

impl Policy {
    /// What a client may do: its roles together.
    pub fn permissions(&self, client: &Client) -> Permissions {
        let spelling = self.names.spelling();
        let mut all = Permissions::default();
        for rules in client.roles.iter().filter_map(|role| self.roles.get(*role)) {
            for (pattern, verbs) in rules.resources() {
                all.allow(Permission::Resource(ResourceTerm::of(pattern, &spelling)), verbs);
            }
            for (pattern, verbs) in rules.paths() {
                all.allow(Permission::Path(PathTerm::of(pattern, &spelling)), verbs);
            }
        }
        all.minimal()
    }
}

// === impl Permissions ===

impl Permissions {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Permission, VerbSet)> {
        self.0.iter().map(|(permission, verbs)| (permission, *verbs))
    }

    /// What is not within the others.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        self.keep(|permission, verbs| verbs.without(others.verbs(permission)))
    }

    /// The verbs that are allowed on all that a permission is about.
    pub fn verbs(&self, permission: &Permission) -> VerbSet {
        let own = self.0.get(permission).copied().unwrap_or_default();
        own.union(self.verbs_above(permission))
    }

    fn allow(&mut self, permission: Permission, verbs: VerbSet) {
        let entry = self.0.entry(permission).or_default();
        *entry = entry.union(verbs);
    }

    fn minimal(&self) -> Self {
        self.keep(|permission, verbs| verbs.without(self.verbs_above(permission)))
    }

    fn keep(&self, verbs: impl Fn(&Permission, VerbSet) -> VerbSet) -> Self {
        let kept = self.iter().map(|(permission, all)| (permission, verbs(permission, all)));
        let kept = kept.filter(|(_, verbs)| *verbs != VerbSet::default());
        Self(kept.map(|(permission, verbs)| (permission.clone(), verbs)).collect())
    }

    /// The same by wider permissions only.
    fn verbs_above(&self, permission: &Permission) -> VerbSet {
        match permission {
            Permission::Path(path) => path
                .above()
                .map(|path| self.0.get(&Permission::Path(path)).copied().unwrap_or_default())
                .fold(VerbSet::default(), VerbSet::union),
            Permission::Resource(term) => match term.namespace_itself() {
                None => self.starred(term, true),
                Some(itself) => {
                    let others = match term.is_only_itself() {
                        true => VerbSet::RESOURCE,
                        false => self.starred(term, true),
                    };
                    let itself = self.verbs(&Permission::Resource(itself));
                    self.starred(term, false).union(itself.intersection(others))
                }
            },
        }
    }

    /// What permissions allow that have a star or more where this one has none.
    fn starred(&self, term: &ResourceTerm, resource_too: bool) -> VerbSet {
        (1..16_u8)
            .filter(|stars| resource_too || stars & 4 == 0)
            .filter_map(|stars| term.starred(stars))
            .map(|wider| self.0.get(&Permission::Resource(wider)).copied().unwrap_or_default())
            .fold(VerbSet::default(), VerbSet::union)
    }
}

/// All of them together.
impl FromIterator<(Permission, VerbSet)> for Permissions {
    fn from_iter<I: IntoIterator<Item = (Permission, VerbSet)>>(permissions: I) -> Self {
        let mut all = Self::default();
        permissions.into_iter().for_each(|(permission, verbs)| all.allow(permission, verbs));
        all.minimal()
    }
}
