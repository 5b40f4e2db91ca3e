//! Clients that wait for a condition of an object.

use alloc::vec::Vec;

use super::Worker;
use super::effect::{Call, Effect};
use crate::admit::{Pending, Sent, Verdict};
use crate::answer::Answer;
use crate::refusal::Refusal;
use crate::time::Now;
use crate::wait::{Turn, Wait};

// === impl Worker ===

impl Worker {
    pub(super) fn begin_wait(
        &mut self,
        stream: u32,
        mut pending: Pending<'static>,
        now: Now,
    ) -> Option<Verdict<'static>> {
        let wanted = pending.wait()?.clone();
        if !Wait::fits(&pending, self.waits.values()) {
            let verdict = pending.refuse(Refusal::TooManyWaits);
            self.metrics.decided(&verdict);
            return Some(verdict);
        }
        self.note(stream, &mut pending);
        self.waits.insert(stream, Wait::new(wanted, pending, now.steady));
        None
    }

    /// The next step of whoever waits for a condition.
    pub(super) fn turn_waits(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.waits.retain(|stream, wait| match wait.turn(&mut self.tokens, now.steady) {
            Turn::Wait => true,
            Turn::Call { headers, timeout, sent } => {
                effects.push(Effect::Call(Call::wait(*stream, sent, headers, timeout)));
                true
            }
            Turn::End(verdict) => {
                effects.push(Effect::Resume { stream: *stream, verdict });
                false
            }
        });
        effects
    }

    pub(super) fn wait_answered(
        &mut self,
        stream: u32,
        sent: &Sent,
        answer: &Answer,
        now: Now,
    ) -> Option<Effect> {
        let wait = self.waits.get_mut(&stream)?;
        if answer.status() == Some(401) {
            self.metrics.rejected();
            wait.rejected(&mut self.tokens, sent.flight, now.steady);
        }
        let verdict = wait.answered(answer, now.steady)?;
        self.waits.remove(&stream);
        Some(Effect::Resume { stream, verdict })
    }
}
