//! On what terms the rules of a client allow a request.

use core::fmt;

/// Whether a denial is carried out, or only told.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Enforcement {
    #[default]
    Enforce,
    Report,
}

/// What a rule says beside what it is about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Terms {
    pub(crate) enforcement: Enforcement,
}

/// What the rules that are about a request come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Grant {
    Allowed,
    /// Only by what is not enforced.
    Reported,
}

// === impl Terms ===

impl Terms {
    pub(crate) fn are_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// As the end of a rule writes them.
impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enforcement {
            Enforcement::Enforce => Ok(()),
            Enforcement::Report => f.write_str("enforcement: report"),
        }
    }
}

// === impl Grant ===

impl Grant {
    /// Of a client's rules, none of which is plain; `None` if that is a denial.
    pub(crate) fn on(terms: &[&Terms], client: Enforcement) -> Option<Self> {
        match (terms, client) {
            ([], Enforcement::Enforce) => None,
            _ => Some(Self::Reported),
        }
    }
}
