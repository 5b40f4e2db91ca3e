//! Names as small numbers, so that a decision compares numbers.

use alloc::boxed::Box;

use hashbrown::HashMap;

/// A name of a policy. Two equal names of one policy have equal ids.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct NameId(u32);

/// The names of a policy by their ids.
#[derive(Debug)]
pub(crate) struct Spelling<'n>(HashMap<NameId, &'n str>);

/// All names that occur in a policy.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: HashMap<Box<str>, NameId>,
}

// === impl NameId ===

impl NameId {
    /// `*` in a rule.
    pub(crate) const ANY: Self = Self(0);
    /// The empty string: no subresource, no name, the core group, cluster scope.
    pub(crate) const NONE: Self = Self(1);
    /// A name that the policy does not contain; equal to nothing in it.
    const UNKNOWN: Self = Self(2);
    const FIRST: u32 = 3;
}

// === impl Names ===

impl Names {
    pub(crate) fn intern(&mut self, name: &str) -> NameId {
        if let Some(known) = self.known(name) {
            return known;
        }
        let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        let id = NameId(next.saturating_add(NameId::FIRST));
        self.ids.insert(name.into(), id);
        id
    }

    pub(crate) fn id(&self, name: &str) -> NameId {
        self.known(name).unwrap_or(NameId::UNKNOWN)
    }

    pub(crate) fn spelling(&self) -> Spelling<'_> {
        Spelling(self.ids.iter().map(|(name, id)| (*id, &**name)).collect())
    }

    fn known(&self, name: &str) -> Option<NameId> {
        match name {
            "" => Some(NameId::NONE),
            name => self.ids.get(name).copied(),
        }
    }
}

// === impl Spelling ===

impl<'n> Spelling<'n> {
    /// Empty for [`NameId::NONE`].
    pub(crate) fn of(&self, id: NameId) -> &'n str {
        self.0.get(&id).copied().unwrap_or_default()
    }
}
