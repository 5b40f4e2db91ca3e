//! A body on its way to the apiserver, where it is bounded or judged.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::admit::Subject;
use crate::inspection::Inspection;
use crate::policy::limits::Exceeded;
use crate::refusal::{Asked, Refusal, Refused};
use crate::request::carried::Sendable;

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

/// A body that may go on.
#[derive(Debug, Default)]
pub struct Judged {
    /// What it would have been refused with.
    pub reported: Option<Refused>,
    /// If it is another one than the head has said.
    pub content_type: Option<&'static str>,
    /// What goes on in its place.
    pub body: Option<Vec<u8>>,
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
        let most = most.unwrap_or(u64::MAX).min(inspection.most_bytes());
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

    /// Judges the whole body.
    ///
    /// # Errors
    ///
    /// The body may not go on.
    pub(crate) fn judge(self, body: &[u8]) -> Result<(Subject, Judged), Refused> {
        match self {
            Self::Bounded { subject, .. } => Ok((subject, Judged::default())),
            Self::Held { subject, inspection, asked, .. } => {
                let told = |refusal| Refused {
                    subject: subject.clone(),
                    refusal,
                    asked: Some(asked.clone()),
                };
                let (reported, sendable) = inspection.judge(body).map_err(told)?;
                let Sendable { content_type, body } = sendable;
                let reported = reported.map(told);
                let said = inspection.carried.content_type();
                let content_type = Some(content_type).filter(|own| *own != said);
                let judged = Judged { reported, content_type, body };
                Ok((subject, judged))
            }
        }
    }
}

fn too_long(subject: &Subject, most: u64) -> Box<Refused> {
    let refusal = Refusal::Exceeded(Exceeded::Body(most));
    Box::new(Refused::new(subject.clone(), refusal))
}
