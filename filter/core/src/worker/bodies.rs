//! Bodies that are counted, or held until they have been judged.

use super::Worker;
use crate::body::{Judged, Step};
use crate::refusal::Refused;

// === impl Worker ===

impl Worker {
    /// More of a body has come, or its `end`. `here` is how much of it the host has at
    /// hand: all of it while it is held, otherwise what is new.
    pub fn body(&mut self, stream: u32, here: usize, end: bool) -> Step {
        let Some(watched) = self.bodies.get_mut(&stream) else { return Step::Pass };
        let step = watched.step(here, end);
        if let Step::Refuse(refused) = &step {
            self.metrics.refused(refused);
        }
        step
    }

    /// Judges a body that was held.
    ///
    /// # Errors
    ///
    /// The request may not go on.
    pub fn whole_body(&mut self, stream: u32, body: &[u8]) -> Result<Judged, Refused> {
        let Some(watched) = self.bodies.remove(&stream) else { return Ok(Judged::default()) };
        let judged = watched.judge(body);
        self.metrics.body_judged(&judged);
        judged.map(|(_, judged)| judged)
    }
}
