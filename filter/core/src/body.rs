//! A body on its way to the apiserver, where it is bounded or judged.

use alloc::boxed::Box;

use crate::admit::Subject;
use crate::inspection::{Inspection, MAX_JUDGED_BODY_BYTES};
use crate::policy::limits::Exceeded;
use crate::refusal::{Asked, Refusal, Refused};

/// What is to be done with the body that has come so far.
#[derive(Debug)]
pub enum Step {
    /// Keep it back, and wait for more.
    Hold,
    /// It is whole: hand it to [`whole_body`](crate::Worker::whole_body).
    Judge,
    /// Let it go on.
    Pass,
    Refuse(Box<Refused>),
}

/// A body that does not just pass.
#[derive(Debug)]
pub(crate) enum Watched {
    /// Counted, for nobody has said how long it is.
    Bounded { subject: Subject, most: u64, passed: u64 },
    /// Kept back until it has been judged.
    Held { subject: Subject, most: u64, inspection: Box<Inspection>, asked: Box<Asked> },
}

// === impl Watched ===

impl Watched {
    /// `most` is what the client may send.
    pub(crate) fn held(
        subject: Subject,
        most: Option<u64>,
        inspection: Inspection,
        asked: Asked,
    ) -> Self {
        let most = most.unwrap_or(u64::MAX).min(MAX_JUDGED_BODY_BYTES);
        let (inspection, asked) = (Box::new(inspection), Box::new(asked));
        Self::Held { subject, most, inspection, asked }
    }

    pub(crate) const fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }

    /// `here` is how much the host has at hand: of a body that is held, all that has come;
    /// of another, what has come since the last step.
    pub(crate) fn step(&mut self, here: usize, end: bool) -> Step {
        let here = u64::try_from(here).unwrap_or(u64::MAX);
        match self {
            Self::Bounded { subject, most, passed } => {
                *passed = passed.saturating_add(here);
                match *passed > *most {
                    true => Step::Refuse(too_long(subject, *most)),
                    false => Step::Pass,
                }
            }
            Self::Held { subject, most, .. } if here > *most => {
                Step::Refuse(too_long(subject, *most))
            }
            Self::Held { .. } if end => Step::Judge,
            Self::Held { .. } => Step::Hold,
        }
    }

    /// Judges the whole body: what is only reported, if there is something.
    ///
    /// # Errors
    ///
    /// The body may not go on.
    pub(crate) fn judge(self, body: &[u8]) -> Result<(Subject, Option<Refused>), Refused> {
        match self {
            Self::Bounded { subject, .. } => Ok((subject, None)),
            Self::Held { subject, inspection, asked, .. } => {
                let told = |subject: &Subject, refusal| {
                    let (subject, asked) = (subject.clone(), Some(asked.clone()));
                    Refused { subject, refusal, asked }
                };
                match inspection.judge(body) {
                    Ok(reported) => {
                        let reported = reported.map(|refusal| told(&subject, refusal));
                        Ok((subject, reported))
                    }
                    Err(refusal) => Err(told(&subject, refusal)),
                }
            }
        }
    }
}

fn too_long(subject: &Subject, most: u64) -> Box<Refused> {
    let refusal = Refusal::Exceeded(Exceeded::Body(most));
    Box::new(Refused::new(subject.clone(), refusal))
}
