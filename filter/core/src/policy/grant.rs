//! On what terms the rules of a client allow a request.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::policy::constraints::{Constraints, Form, Target, Violation};
use crate::request::content::Content;

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
    pub(crate) constraints: Option<Arc<Constraints>>,
}

/// What the rules that are about a request come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Grant {
    Allowed,
    /// It depends on the body.
    If(Conditions),
    /// Only by what is not enforced.
    Reported,
}

/// What rules ask of a body. To keep one of the enforced is enough.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Conditions {
    enforced: Vec<Arc<Constraints>>,
    reported: Vec<Arc<Constraints>>,
    /// What becomes of a body that keeps none of them.
    otherwise: Enforcement,
}

/// What conditions say to a body.
#[derive(Debug)]
pub(crate) enum Kept {
    Yes,
    /// No, and that is only reported.
    Reported(Violation),
    No(Violation),
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
        let mut comma = "";
        if let Some(constraints) = &self.constraints {
            write!(f, "constraints: {constraints}")?;
            comma = ", ";
        }
        match self.enforcement {
            Enforcement::Enforce => Ok(()),
            Enforcement::Report => write!(f, "{comma}enforcement: report"),
        }
    }
}

// === impl Grant ===

impl Grant {
    /// Of a client's rules, none of which is plain; `None` if that is a denial.
    pub(crate) fn on(terms: &[&Terms], client: Enforcement) -> Option<Self> {
        let of = |enforcement| {
            let own = terms.iter().filter(move |terms| terms.enforcement == enforcement);
            own.filter_map(|terms| terms.constraints.clone()).collect::<Vec<_>>()
        };
        let free = terms.iter().any(|terms| terms.constraints.is_none());
        let otherwise = if free { Enforcement::Report } else { client };
        let (enforced, reported) = (of(Enforcement::Enforce), of(Enforcement::Report));
        match (enforced.is_empty(), reported.is_empty(), otherwise) {
            (true, true, Enforcement::Enforce) => None,
            (true, _, Enforcement::Report) => Some(Self::Reported),
            _ => Some(Self::If(Conditions { enforced, reported, otherwise })),
        }
    }
}

// === impl Conditions ===

impl Conditions {
    /// Whether no body is refused, whatever it says.
    pub(crate) fn only_report(&self) -> bool {
        self.otherwise == Enforcement::Report
    }

    pub(crate) fn judge(&self, target: &Target, form: Form, content: &Content) -> Kept {
        let Self { enforced, reported, otherwise } = self;
        let mut violation = None;
        for constraints in enforced {
            match constraints.judge(target, form, content) {
                Ok(()) => return Kept::Yes,
                Err(found) => violation = violation.or(Some(found)),
            }
        }
        let mut is_reported = *otherwise == Enforcement::Report;
        for constraints in reported {
            match constraints.judge(target, form, content) {
                Ok(()) => is_reported = true,
                Err(found) => violation = violation.or(Some(found)),
            }
        }
        match violation {
            // Kept, but only what is not enforced.
            None => Kept::Reported(Violation::NotEnforced),
            Some(violation) if is_reported => Kept::Reported(violation),
            Some(violation) => Kept::No(violation),
        }
    }
}
