//! One worker of the pod looks after what all of them share: it tells when the first
//! token ends, and takes away the tokens that nobody renews.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::metrics::Metrics;
use crate::policy::Policy;
use crate::policy::account::Account;
use crate::shared::{self, Shared};
use crate::time::{Now, Steady};
use crate::token::Token;
use crate::token::lifecycle::{Event, Slot};

/// Tokens looked at in one step, so that a step stays short.
const PER_STEP: usize = 100;
/// A worker that has not renewed its duty for this long has died.
const DUTY: Duration = Duration::from_secs(5);
/// A worker that uses a token begins to renew it at most this late.
const GRACE: Duration = Duration::from_secs(30);
const KEY: &str = "sweep/1";

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
    /// The next account to look at, and what was found so far.
    next: usize,
    tokens: u64,
    earliest: Option<Duration>,
}

// === impl Sweep ===

impl Sweep {
    /// At most once a second.
    pub(crate) fn step(
        &mut self,
        policy: &Policy,
        shared: &dyn Shared,
        metrics: &mut Metrics,
        now: Now,
    ) {
        if now.steady < self.stepped.after(Duration::from_secs(1)) {
            return;
        }
        self.stepped = now.steady;
        let worker = *self.worker.get_or_insert(now.jitter);
        if !has_duty(worker, shared, now.steady) {
            return;
        }
        let accounts = policy.accounts();
        for account in accounts.iter().skip(self.next).take(PER_STEP) {
            self.look_at(account, shared, now);
        }
        self.next = self.next.saturating_add(PER_STEP);
        if self.next >= accounts.len() {
            metrics.held(self.tokens, self.earliest.unwrap_or_default());
            (self.next, self.tokens, self.earliest) = (0, 0, None);
        }
    }

    fn look_at(&mut self, account: &Account, shared: &dyn Shared, now: Now) {
        let key = account.shared_key();
        if shared.get(&key).is_none() {
            return;
        }
        let ends_at = shared::update(shared, &key, |slot: Slot<Token>| {
            let lapsed = |token: &Token| now.steady > token.renew_at.after(GRACE);
            let ends_at = match slot.held(now.steady) {
                Some(held) if slot.is_idle() && lapsed(&held.value) => None,
                Some(held) => Some(held.value.ends_at),
                None => None,
            };
            let slot = match ends_at {
                None if slot.is_idle() => slot.on(Event::Lapsed, now).0,
                _ => slot,
            };
            (slot, ends_at)
        });
        if let Some(ends_at) = ends_at.flatten() {
            let left = now.steady.until(ends_at);
            self.tokens = self.tokens.saturating_add(1);
            self.earliest = Some(self.earliest.map_or(left, |earliest| earliest.min(left)));
        }
    }
}

fn has_duty(worker: u64, shared: &dyn Shared, now: Steady) -> bool {
    let taken = shared::update(shared, KEY, |duty: Duty| {
        let mine = duty.worker == worker || duty.until <= now;
        let own = Duty { worker, until: now.after(DUTY) };
        (if mine { own } else { duty }, mine)
    });
    taken.unwrap_or(false)
}
