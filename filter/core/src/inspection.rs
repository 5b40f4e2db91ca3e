//! A body that has to be looked at before it may go on: for what the rules that allow its
//! request ask of it, or for what it has to be sent on as.

use alloc::vec::Vec;

use crate::policy::constraints::{Form, Target};
use crate::policy::grant::{Conditions, Kept};
use crate::refusal::{Denial, Refusal};
use crate::request::carried::{Carried, Sendable};
use crate::request::content::{Content, Unreadable};
use crate::request::media;

/// Longer bodies are not judged. etcd takes no larger object (`--max-request-bytes`).
const MAX_JUDGED_BODY_BYTES: u64 = 1536 * 1024;
/// The reader of YAML holds all tokens of a flow collection, at some hundred bytes each.
const MAX_JUDGED_YAML_BYTES: u64 = 512 * 1024;

/// What is known of a request whose body has not come yet.
#[derive(Clone, Debug)]
pub(crate) struct Inspection {
    pub(crate) target: Target,
    pub(crate) carried: Carried,
    /// All of these, each with the denial otherwise.
    pub(crate) conditions: Vec<(Conditions, Denial)>,
}

// === impl Inspection ===

impl Inspection {
    pub(crate) fn most_bytes(&self) -> u64 {
        match self.carried {
            Carried::As(media::APPLY | media::YAML) => MAX_JUDGED_YAML_BYTES,
            Carried::As(_) | Carried::Patch | Carried::ToApply => MAX_JUDGED_BODY_BYTES,
        }
    }

    /// What is only reported, if there is something; and what goes on.
    ///
    /// # Errors
    ///
    /// The body may not go on.
    pub(crate) fn judge(&self, body: &[u8]) -> Result<(Option<Refusal>, Sendable), Refusal> {
        let sendable = self.carried.send(body)?;
        if self.conditions.is_empty() {
            return Ok((None, sendable));
        }
        let body = sendable.body.as_deref().unwrap_or(body);
        let form = Form::of(sendable.content_type).ok_or(Unreadable::Type)?;
        let written_in = match self.carried {
            Carried::ToApply => media::JSON,
            Carried::As(_) | Carried::Patch => sendable.content_type,
        };
        let reported = match Content::read(written_in, body) {
            Ok(content) => self.judge_content(form, &content)?,
            Err(unreadable) if self.only_reports() => Some(unreadable.into()),
            Err(unreadable) => return Err(unreadable.into()),
        };
        Ok((reported, sendable))
    }

    fn judge_content(&self, form: Form, content: &Content) -> Result<Option<Refusal>, Refusal> {
        let mut reported = None;
        for (conditions, denial) in &self.conditions {
            match conditions.judge(&self.target, form, content) {
                Kept::Yes => {}
                Kept::Reported(violation) => reported = Some(denial.because(&violation)),
                Kept::No(violation) => return Err(denial.because(&violation)),
            }
        }
        Ok(reported)
    }

    fn only_reports(&self) -> bool {
        self.conditions.iter().all(|(conditions, _)| conditions.only_report())
    }
}
