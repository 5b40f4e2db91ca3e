//! Kubernetes request verbs, never HTTP methods.

use core::fmt;

/// What a request does, in the words of the apiserver's authorizers.
///
/// `Post` and `Put` exist for non-resource paths only, where the verb is the
/// HTTP method in lower case; `Get`, `Patch` and `Delete` serve both kinds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u16)]
pub enum Verb {
    Create = 1 << 0,
    Delete = 1 << 1,
    DeleteCollection = 1 << 2,
    Get = 1 << 3,
    List = 1 << 4,
    Patch = 1 << 5,
    Post = 1 << 6,
    Put = 1 << 7,
    Update = 1 << 8,
    Watch = 1 << 9,
}

/// A set of verbs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct VerbSet(u16);

// === impl Verb ===

impl Verb {
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::Delete,
        Self::DeleteCollection,
        Self::Get,
        Self::List,
        Self::Patch,
        Self::Post,
        Self::Put,
        Self::Update,
        Self::Watch,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Get => "get",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Post => "post",
            Self::Put => "put",
            Self::Update => "update",
            Self::Watch => "watch",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl VerbSet ===

impl VerbSet {
    /// What `*` means in a resource rule: everything but `watch`, which is
    /// never implied.
    pub const IMPLIED: Self = Self::of(&[
        Verb::Create,
        Verb::Delete,
        Verb::DeleteCollection,
        Verb::Get,
        Verb::List,
        Verb::Patch,
        Verb::Update,
    ]);
    /// The verbs that a resource rule can name.
    pub const RESOURCE: Self = Self::IMPLIED.with(Verb::Watch);
    /// The verbs that a non-resource rule can name.
    pub const NON_RESOURCE: Self =
        Self::of(&[Verb::Delete, Verb::Get, Verb::Patch, Verb::Post, Verb::Put]);

    pub const fn of(verbs: &[Verb]) -> Self {
        let mut set = Self(0);
        let mut rest = verbs;
        while let [verb, tail @ ..] = rest {
            set = set.with(*verb);
            rest = tail;
        }
        set
    }

    #[must_use]
    pub const fn with(self, verb: Verb) -> Self {
        Self(self.0 | verb as u16)
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn contains(self, verb: Verb) -> bool {
        self.0 & verb as u16 != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Verb> {
        Verb::ALL.into_iter().filter(move |verb| self.contains(*verb))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_reads_back_as_itself() {
        for verb in Verb::ALL {
            assert_eq!(Verb::parse(verb.as_str()), Some(verb));
        }
        assert_eq!(Verb::parse("GET"), None);
        assert_eq!(Verb::parse("*"), None);
    }

    #[test]
    fn a_star_never_implies_watch() {
        assert!(!VerbSet::IMPLIED.contains(Verb::Watch));
        assert!(VerbSet::IMPLIED.contains(Verb::DeleteCollection));
    }
}
