//! One worker's view of a slot that it shares with the others.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::pod::failure::Failure;
use crate::pod::lifecycle::{Effect, Event, Flight, Held, Lasting, Slot};
use crate::pod::shared::{self, Shared};
use crate::time::{Now, Steady};

/// What this worker knows, so that a request need not look at shared memory.
#[derive(Debug)]
pub(crate) struct Cached<V> {
    held: Option<Held<V>>,
    failed: Option<(Steady, Failure)>,
    rejected: Option<Flight>,
    outdated: Option<Flight>,
}

// === impl Cached ===

impl<V> Default for Cached<V> {
    fn default() -> Self {
        Self { held: None, failed: None, rejected: None, outdated: None }
    }
}

impl<V: Clone + DeserializeOwned + Lasting + Serialize> Cached<V> {
    /// What can be used now.
    pub(crate) fn held(&self, now: Steady) -> Option<&Held<V>> {
        self.held.as_ref().filter(|held| held.is_valid(now))
    }

    pub(crate) const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    pub(crate) fn is_fresh(&self, now: Steady) -> bool {
        let will_do = |held: &Held<V>| held.is_fresh(now) && Some(held.flight) != self.outdated;
        self.held.as_ref().is_some_and(will_do)
    }

    /// Why there will be nothing new for a while.
    pub(crate) fn failure(&self, now: Steady) -> Option<(Steady, &Failure)> {
        let (until, failure) = self.failed.as_ref()?;
        (now < *until).then_some((*until, failure))
    }

    /// [`look`](Self::look)s, unless there is no need to, or no use in it.
    pub(crate) fn refresh(
        &mut self,
        shared: &dyn Shared,
        key: &str,
        now: Now,
    ) -> Option<Flight> {
        match self.is_fresh(now.steady) || self.failure(now.steady).is_some() {
            true => None,
            false => self.look(shared, key, now),
        }
    }

    /// Looks for something fresh. If it returns a flight, it is this worker that has
    /// to ask for it, and to [`settle`](Self::settle) the flight.
    pub(crate) fn look(&mut self, shared: &dyn Shared, key: &str, now: Now) -> Option<Flight> {
        if let Some(flight) = self.rejected.take() {
            self.on(shared, key, &Event::Rejected { flight }, now);
        }
        match self.on(shared, key, &Event::Needed { outdated: self.outdated }, now) {
            Effect::Ask(flight) => Some(flight),
            Effect::Fail { .. } | Effect::Nothing | Effect::Wait => None,
        }
    }

    /// Tells the other workers what became of a flight.
    pub(crate) fn settle(
        &mut self,
        shared: &dyn Shared,
        key: &str,
        flight: Flight,
        result: Result<V, Failure>,
        now: Now,
    ) {
        let event = match result {
            Ok(value) => Event::Got { flight, value },
            Err(failure) => Event::Failed { flight, failure },
        };
        self.on(shared, key, &event, now);
    }

    /// Takes out of service what this flight brought: the apiserver does not accept
    /// it. Whether there is, or will be, another.
    pub(crate) fn reject(&mut self, flight: Flight, now: Steady) -> bool {
        match &self.held {
            Some(held) if held.flight == flight => {
                let can_be = held.can_be_rejected(now);
                if can_be {
                    self.held = None;
                    self.rejected = Some(flight);
                }
                can_be
            }
            _ => true,
        }
    }

    /// There will be nothing new before this moment, for a reason of this worker's.
    pub(crate) fn fail(&mut self, until: Steady, failure: Failure) {
        self.failed = Some((until, failure));
    }

    pub(crate) fn look_again(&mut self) {
        self.failed = None;
    }

    /// Asks for something newer, if what is held was got before `floor`.
    pub(crate) fn outdate(&mut self, floor: Steady) {
        let old = self.held.as_ref().filter(|held| held.since < floor);
        self.outdated = old.map(|held| held.flight).or(self.outdated);
    }

    fn on(&mut self, shared: &dyn Shared, key: &str, event: &Event<V>, now: Now) -> Effect {
        let changed = shared::update(shared, key, |slot: Slot<V>| {
            let (slot, effect) = slot.on(event.clone(), now);
            let held = slot.held(now.steady).cloned();
            (slot, (held, effect))
        });
        let Some((held, effect)) = changed else { return Effect::Wait };
        // The others may have let it go for want of use; here it serves on.
        self.held = held.or(self.held.take());
        self.failed = match &effect {
            Effect::Fail { until, failure } => Some((*until, failure.clone())),
            Effect::Ask(_) | Effect::Nothing | Effect::Wait => None,
        };
        effect
    }
}
