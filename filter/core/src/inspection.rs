//! A body that has to be judged before it may go on: by what the rules that allow its
//! request ask of it.

use alloc::vec::Vec;

use crate::policy::constraints::{Form, Target};
use crate::policy::grant::{Conditions, Kept};
use crate::refusal::{Denial, Refusal};
use crate::request::content::Content;

/// Longer bodies are not judged. etcd takes no larger object (`--max-request-bytes`).
pub(crate) const MAX_JUDGED_BODY_BYTES: u64 = 1536 * 1024;

/// What is known of a request whose body has not come yet.
#[derive(Clone, Debug)]
pub(crate) struct Inspection {
    pub(crate) target: Target,
    pub(crate) form: Form,
    pub(crate) content_type: &'static str,
    /// All of these, each with the denial otherwise.
    pub(crate) conditions: Vec<(Conditions, Denial)>,
}

// === impl Inspection ===

impl Inspection {
    /// What is only reported, if there is something.
    ///
    /// # Errors
    ///
    /// The body may not go on.
    pub(crate) fn judge(&self, body: &[u8]) -> Result<Option<Refusal>, Refusal> {
        let content = Content::read(self.content_type, body)?;
        let mut reported = None;
        for (conditions, denial) in &self.conditions {
            match conditions.judge(&self.target, self.form, &content) {
                Kept::Yes => {}
                Kept::Reported(violation) => reported = Some(denial.because(&violation)),
                Kept::No(violation) => return Err(denial.because(&violation)),
            }
        }
        Ok(reported)
    }
}
