//! The life of one thing that the apiserver gives on request, as all workers of the
//! pod see it: the token of an account, or the keys to check tokens with.
//!
//! ```text
//!          Needed               Got
//! Idle ------------> InFlight -------> Idle, and it is held
//!                     |    ^
//!                     |    | Needed, once the pause is over,
//!              Failed v    | or the flight is lost
//!                    BackOff
//! ```
//!
//! What is held stays in service until it ends or is rejected, whatever becomes of
//! the request for the next. A flight whose worker died, or whose call a reload of Envoy's
//! configuration cancelled without a word, is lost at its deadline.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pod::failure::Failure;
use crate::time::{Now, Steady};

/// How long one call may take.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// After this a flight is taken for lost.
const LOST_AFTER: Duration = Duration::from_secs(6);
/// What was got so lately is not rejected: a newer one would fare no better. So what
/// answers 401 for reasons of its own (a kubelet behind `pods/log`, an aggregated
/// API) costs the others nothing, and one TokenRequest in this time.
const YOUNG: Duration = Duration::from_secs(10);

/// The number of a request, and of what it brought; higher is later.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct Flight(u64);

/// What can be held: it may have to be renewed, and may end.
pub(crate) trait Lasting {
    fn renew_at(&self) -> Option<Steady>;
    fn ends_at(&self) -> Option<Steady>;
}

/// Something that a flight brought.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Held<V> {
    pub(crate) value: V,
    pub(crate) flight: Flight,
    pub(crate) since: Steady,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Slot<V> {
    held: Option<Held<V>>,
    state: State,
    last: Flight,
    /// How often in a row it went wrong.
    failures: u32,
}

#[derive(Debug, Default, Deserialize, Serialize)]
enum State {
    BackOff {
        until: Steady,
        failure: Failure,
    },
    #[default]
    Idle,
    InFlight {
        flight: Flight,
        lost_at: Steady,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Event<V> {
    /// A worker has none that is fresh, or only this one, which is outdated.
    Needed {
        outdated: Option<Flight>,
    },
    Got {
        flight: Flight,
        value: V,
    },
    Failed {
        flight: Flight,
        failure: Failure,
    },
    /// The apiserver does not accept what this flight brought.
    Rejected {
        flight: Flight,
    },
    /// Nobody asked for its renewal.
    Lapsed,
}

/// What a worker is to do, beside using what is held.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Send the request, and tell what became of it.
    Ask(Flight),
    /// Nothing new will come before this moment.
    Fail {
        until: Steady,
        failure: Failure,
    },
    Nothing,
    /// Another worker asks.
    Wait,
}

// === impl Flight ===

impl Flight {
    /// Later than `last`, and than all that were ever made in this process, should
    /// the slot have been lost meanwhile.
    fn after(last: Self, now: Steady) -> Self {
        Self(last.0.saturating_add(1).max(now.as_millis()))
    }
}

// === impl Held ===

impl<V: Lasting> Held<V> {
    pub(crate) fn is_valid(&self, now: Steady) -> bool {
        self.value.ends_at().is_none_or(|end| now < end)
    }

    pub(crate) fn can_be_rejected(&self, now: Steady) -> bool {
        self.since.until(now) >= YOUNG
    }

    pub(crate) fn is_fresh(&self, now: Steady) -> bool {
        self.value.renew_at().is_none_or(|renewal| now < renewal) && self.is_valid(now)
    }
}

// === impl Slot ===

impl<V> Default for Slot<V> {
    fn default() -> Self {
        let (last, state) = (Flight::default(), State::Idle);
        Self { held: None, state, last, failures: 0 }
    }
}

impl<V: Clone + Lasting> Slot<V> {
    /// What is in service.
    pub(crate) fn held(&self, now: Steady) -> Option<&Held<V>> {
        self.held.as_ref().filter(|held| held.is_valid(now))
    }

    /// Whether somebody is about to renew it, or failed to.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    pub(crate) fn on(self, event: Event<V>, now: Now) -> (Self, Effect) {
        match event {
            Event::Needed { outdated } => self.needed(outdated, now.steady),
            Event::Got { flight, value } => {
                (self.got(flight, value, now.steady), Effect::Nothing)
            }
            Event::Failed { flight, failure } => self.failed(flight, failure, now),
            Event::Rejected { flight } => (self.rejected(flight, now.steady), Effect::Nothing),
            Event::Lapsed => (Self { held: None, ..self }, Effect::Nothing),
        }
    }

    fn needed(mut self, outdated: Option<Flight>, now: Steady) -> (Self, Effect) {
        let will_do = |held: &Held<V>| held.is_fresh(now) && Some(held.flight) != outdated;
        if self.held.as_ref().is_some_and(will_do) {
            return (self, Effect::Nothing);
        }
        let effect = match &self.state {
            State::InFlight { lost_at, .. } if now < *lost_at => Effect::Wait,
            State::BackOff { until, failure } if now < *until => {
                Effect::Fail { until: *until, failure: failure.clone() }
            }
            State::BackOff { .. } | State::Idle | State::InFlight { .. } => {
                self.last = Flight::after(self.last, now);
                self.state =
                    State::InFlight { flight: self.last, lost_at: now.after(LOST_AFTER) };
                Effect::Ask(self.last)
            }
        };
        (self, effect)
    }

    /// A late answer is as good as another.
    fn got(self, flight: Flight, value: V, now: Steady) -> Self {
        if self.held.as_ref().is_some_and(|held| held.flight > flight) {
            return self;
        }
        let held = Some(Held { value, flight, since: now });
        let state = match self.state {
            State::InFlight { flight: later, .. } if later > flight => self.state,
            _ => State::Idle,
        };
        Self { held, state, failures: 0, ..self }
    }

    /// A late failure is of no interest: another flight has left.
    fn failed(self, flight: Flight, failure: Failure, now: Now) -> (Self, Effect) {
        match self.state {
            State::InFlight { flight: own, .. } if own == flight => {}
            _ => return (self, Effect::Wait),
        }
        let failures = self.failures.saturating_add(1);
        let until = now.steady.after(failure.pause(failures, now.jitter));
        let effect = Effect::Fail { until, failure: failure.clone() };
        (Self { state: State::BackOff { until, failure }, failures, ..self }, effect)
    }

    fn rejected(self, flight: Flight, now: Steady) -> Self {
        let can_be = |held: &Held<V>| held.flight == flight && held.can_be_rejected(now);
        let held = self.held.filter(|held| !can_be(held));
        Self { held, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixTime;
    use alloc::format;
    use alloc::string::String;

    /// Renewed after 480 s, ends after 525 s.
    #[derive(Clone, Debug, Deserialize, Serialize)]
    struct Thing(u64);

    impl Lasting for Thing {
        fn renew_at(&self) -> Option<Steady> {
            Some(Steady::from_millis((self.0 + 480) * 1000))
        }

        fn ends_at(&self) -> Option<Steady> {
            Some(Steady::from_millis((self.0 + 525) * 1000))
        }
    }

    /// A slot, told by seconds.
    #[derive(Default)]
    struct Story {
        slot: Slot<Thing>,
    }

    impl Story {
        fn on(&mut self, at: u64, event: Event<Thing>) -> Effect {
            let now = Now {
                wall: UnixTime::from_secs(0),
                steady: Steady::from_millis(at * 1000),
                jitter: 0,
            };
            let (slot, effect) = core::mem::take(&mut self.slot).on(event, now);
            self.slot = slot;
            effect
        }

        fn needed(&mut self, at: u64) -> String {
            match self.on(at, Event::Needed { outdated: None }) {
                Effect::Ask(_) => String::from("ask"),
                Effect::Fail { until, failure } => {
                    format!("{} until {}", failure.cause(), until.as_millis() / 1000)
                }
                Effect::Nothing => {
                    format!("have that of {}", self.slot.held.as_ref().unwrap().value.0)
                }
                Effect::Wait => String::from("wait"),
            }
        }

        fn got(&mut self, at: u64) {
            let flight = self.slot.last;
            self.on(at, Event::Got { flight, value: Thing(at) });
        }

        fn failed(&mut self, at: u64) {
            let flight = self.slot.last;
            self.on(at, Event::Failed { flight, failure: Failure::NoAnswer });
        }

        fn rejected(&mut self, at: u64) {
            let flight = self.slot.held.as_ref().unwrap().flight;
            self.on(at, Event::Rejected { flight });
        }

        fn serves(&self, at: u64) -> bool {
            self.slot.held(Steady::from_millis(at * 1000)).is_some()
        }
    }

    #[test]
    fn one_worker_asks_and_all_have_it() {
        let mut story = Story::default();
        assert_eq!(
            [story.needed(1), story.needed(1), story.needed(2)],
            ["ask", "wait", "wait"]
        );
        story.got(2);
        assert_eq!([story.needed(2), story.needed(481)], ["have that of 2", "have that of 2"]);
    }

    #[test]
    fn the_old_one_serves_until_it_ends_while_the_next_is_asked_for() {
        let mut story = Story::default();
        story.needed(0);
        story.got(0);
        assert_eq!([story.needed(479), story.needed(480)], ["have that of 0", "ask"]);
        story.failed(481);
        assert_eq!([story.needed(481), story.needed(482)], ["no_answer until 482", "ask"]);
        story.failed(483);
        assert_eq!([story.needed(484), story.needed(485)], ["no_answer until 485", "ask"]);
        assert!(story.serves(524) && !story.serves(525));
        story.got(525);
        assert_eq!(story.needed(526), "have that of 525");
    }

    #[test]
    fn a_lost_flight_gives_way_and_its_late_answer_is_welcome() {
        let mut story = Story::default();
        story.needed(0);
        let lost = story.slot.last;
        assert_eq!([story.needed(5), story.needed(6)], ["wait", "ask"]);
        story.on(7, Event::Failed { flight: lost, failure: Failure::NoAnswer });
        assert_eq!(story.needed(7), "wait");
        story.on(8, Event::Got { flight: lost, value: Thing(8) });
        assert_eq!(story.needed(8), "have that of 8");
        // The second flight is on its way still; what it brings is later.
        story.got(9);
        assert_eq!(story.needed(9), "have that of 9");
        story.on(10, Event::Got { flight: lost, value: Thing(10) });
        assert_eq!(story.needed(10), "have that of 9");
    }

    #[test]
    fn what_is_rejected_is_replaced_at_once_but_not_when_it_is_new() {
        let mut story = Story::default();
        story.needed(0);
        story.got(0);
        story.rejected(10);
        assert!(!story.serves(10));
        assert_eq!(story.needed(10), "ask");
        story.got(10);
        story.rejected(19);
        assert_eq!(story.needed(19), "have that of 10");
        story.rejected(20);
        assert_eq!(story.needed(20), "ask");
    }

    #[test]
    fn a_late_rejection_does_not_cost_the_new_one() {
        let mut story = Story::default();
        story.needed(0);
        story.got(0);
        let old = story.slot.last;
        story.rejected(100);
        story.needed(100);
        story.got(100);
        story.on(101, Event::Rejected { flight: old });
        assert_eq!(story.needed(101), "have that of 100");
    }
}
