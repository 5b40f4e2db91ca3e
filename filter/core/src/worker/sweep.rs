//! One worker of the pod looks after what all of them share: it tells when the first
//! token ends, and takes away the tokens that nobody renews, or may use any more.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::metrics::Metrics;
use crate::pod::lifecycle::{Event, Slot};
use crate::pod::shared::{self, Shared};
use crate::policy::Policy;
use crate::time::{Now, Steady};
use crate::token::Token;

/// Tokens looked at in one step, so that a step stays short.
const PER_STEP: usize = 100;
/// A worker that has not renewed its duty for this long has died.
const DUTY: Duration = Duration::from_secs(5);
/// A worker that uses a token begins to renew it at most this late.
const GRACE: Duration = Duration::from_secs(30);
const DUTY_KEY: &str = "sweep/1";
const SWEPT_KEY: &str = "swept/1";

/// Who has the duty, and until when.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Duty {
    worker: u64,
    until: Steady,
}

#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// A number of this worker's own, once it has had the duty.
    worker: Option<u64>,
    stepped: Steady,
    /// Where the tokens of the policy in force lie in shared memory.
    keys: Vec<String>,
    /// The next one to look at, and what was found so far.
    next: usize,
    tokens: u64,
    earliest: Option<Duration>,
}

// === impl Sweep ===

impl Sweep {
    pub(crate) fn policy_loaded(&mut self, policy: &Policy) {
        self.keys = policy.accounts().iter().map(|account| account.shared_key()).collect();
        self.begin();
    }

    /// At most once a second.
    pub(crate) fn step(&mut self, shared: &dyn Shared, metrics: &mut Metrics, now: Now) {
        if now.steady < self.stepped.after(Duration::from_secs(1)) {
            return;
        }
        self.stepped = now.steady;
        let worker = *self.worker.get_or_insert(now.jitter);
        if !has_duty(worker, shared, now.steady) {
            return;
        }
        let (from, until) = (self.next, self.next.saturating_add(PER_STEP));
        let ends = self.keys.iter().skip(from).take(PER_STEP);
        let ends: Vec<Steady> = ends.filter_map(|key| end_of(key, shared, now)).collect();
        for left in ends.into_iter().map(|end| now.steady.until(end)) {
            self.tokens = self.tokens.saturating_add(1);
            self.earliest = Some(self.earliest.map_or(left, |earliest| earliest.min(left)));
        }
        self.next = until;
        if until >= self.keys.len() {
            metrics.held(self.tokens, self.earliest.unwrap_or_default());
            forget_others(&self.keys, shared);
            self.begin();
        }
    }

    fn begin(&mut self) {
        (self.next, self.tokens, self.earliest) = (0, 0, None);
    }
}

/// Takes the token away if nobody has begun to renew it; otherwise says when it ends.
fn end_of(key: &str, shared: &dyn Shared, now: Now) -> Option<Steady> {
    shared.get(key)?;
    let ends_at = shared::update(shared, key, |slot: Slot<Token>| {
        let lapsed = |token: &Token| now.steady > token.renew_at.after(GRACE);
        let ends_at = match slot.held(now.steady) {
            Some(held) if slot.is_idle() && lapsed(&held.value) => None,
            held => held.map(|held| held.value.ends_at),
        };
        let slot = match ends_at {
            None if slot.is_idle() => slot.on(Event::Lapsed, now).0,
            _ => slot,
        };
        (slot, ends_at)
    });
    ends_at.flatten()
}

/// Empties what earlier policies left: shared memory cannot be listed, so what was
/// swept is remembered there, too.
fn forget_others(keys: &[String], shared: &dyn Shared) {
    let own: BTreeSet<String> = keys.iter().cloned().collect();
    let gone = shared::update(shared, SWEPT_KEY, |swept: BTreeSet<String>| {
        let gone: Vec<String> = swept.difference(&own).cloned().collect();
        (own.clone(), gone)
    });
    for key in gone.into_iter().flatten() {
        shared::update(shared, &key, |_: Slot<Token>| (Slot::default(), ()));
    }
}

fn has_duty(worker: u64, shared: &dyn Shared, now: Steady) -> bool {
    let taken = shared::update(shared, DUTY_KEY, |duty: Duty| {
        let mine = duty.worker == worker || duty.until <= now;
        let own = Duty { worker, until: now.after(DUTY) };
        (if mine { own } else { duty }, mine)
    });
    taken.unwrap_or(false)
}
