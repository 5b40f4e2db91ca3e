//! What a client has used of its limits, counted by all workers of the pod together.
//!
//! The rate is counted by the generic cell rate algorithm (ITU-T I.371): one moment,
//! until which the requests so far would take at the allowed rate. Requests in flight
//! are leases: one that a worker has left behind ends by itself.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pod::shared::{self, Shared};
use crate::policy::limits::{Exceeded, Limits, Rate};
use crate::time::Steady;

/// Renewed while the request lasts; so long is one counted that a worker has left behind.
const LEASE: Duration = Duration::from_secs(60);
const RENEWED_BEFORE: Duration = Duration::from_secs(30);

/// The right to have one request in flight; to be given back.
#[derive(Debug)]
pub(crate) struct Lease {
    key: String,
    until: Steady,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Used {
    /// In microseconds of the steady clock.
    busy_until: u64,
    leases: Vec<Steady>,
}

/// Counts a request of `client`, or says why it is one too many.
pub(crate) fn take(
    client: &str,
    limits: &Limits,
    shared: &dyn Shared,
    now: Steady,
) -> Result<Option<Lease>, Exceeded> {
    if !limits.count() {
        return Ok(None);
    }
    let key = format!("used/1/{client}");
    let until = now.after(LEASE);
    let taken = shared::update(shared, &key, |mut used: Used| {
        let result = used.take(limits, now, until);
        (used, result)
    });
    taken.unwrap_or(Err(Exceeded::Uncounted))?;
    Ok(limits.in_flight.map(|_| Lease { key, until }))
}

// === impl Lease ===

impl Lease {
    /// To be called at least every half minute.
    pub(crate) fn renew(&mut self, shared: &dyn Shared, now: Steady) {
        if now.after(RENEWED_BEFORE) < self.until {
            return;
        }
        let (old, new) = (self.until, now.after(LEASE));
        shared::update(shared, &self.key, |mut used: Used| {
            match used.leases.iter_mut().find(|own| **own == old) {
                Some(lease) => *lease = new,
                None => used.leases.push(new),
            }
            (used, ())
        });
        self.until = new;
    }

    pub(crate) fn give_back(self, shared: &dyn Shared) {
        let Self { key, until } = self;
        shared::update(shared, &key, |mut used: Used| {
            if let Some(at) = used.leases.iter().position(|own| *own == until) {
                used.leases.swap_remove(at);
            }
            (used, ())
        });
    }
}

// === impl Used ===

impl Used {
    /// Counts nothing if the request is one too many.
    fn take(&mut self, limits: &Limits, now: Steady, until: Steady) -> Result<(), Exceeded> {
        self.leases.retain(|lease| now < *lease);
        if let Some(most) = limits.in_flight {
            let in_flight = u64::try_from(self.leases.len()).unwrap_or(u64::MAX);
            if in_flight >= most.get() {
                return Err(Exceeded::InFlight(most));
            }
        }
        if let Some(rate) = limits.rate {
            self.busy_until = self.busy_until.min(latest(rate, now));
            self.busy_until = next(rate, self.busy_until, now)?;
        }
        if limits.in_flight.is_some() {
            self.leases.push(until);
        }
        Ok(())
    }
}

/// Until when a client can be busy; longer only by a limit that has been lowered since.
fn latest(rate: Rate, now: Steady) -> u64 {
    micros(now).saturating_add(rate.tolerance()).saturating_add(rate.interval())
}

/// Until when the client is busy with one request more.
fn next(rate: Rate, busy_until: u64, now: Steady) -> Result<u64, Exceeded> {
    let now = micros(now);
    let ahead = busy_until.saturating_sub(now);
    match ahead.checked_sub(rate.tolerance()) {
        None | Some(0) => Ok(busy_until.max(now).saturating_add(rate.interval())),
        Some(micros) => Err(Exceeded::Rate { rate, wait: Duration::from_micros(micros) }),
    }
}

fn micros(now: Steady) -> u64 {
    now.as_millis().saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::shared::Unshared;
    use core::num::NonZeroU64;

    fn limits(per_second: u64, burst: u64, in_flight: u64) -> Limits {
        let number = |n| NonZeroU64::new(n);
        let rate = number(per_second)
            .map(|per_second| Rate { per_second, burst: number(burst).unwrap() });
        Limits { rate, in_flight: number(in_flight), body_bytes: None }
    }

    /// How many of a hundred requests at this moment are let in.
    fn let_in(limits: &Limits, memory: &Unshared, millis: u64) -> usize {
        let now = Steady::from_millis(millis);
        (0..100).filter(|_| take("c", limits, memory, now).is_ok()).count()
    }

    #[test]
    #[rustfmt::skip]
    fn a_rate_lets_in_a_burst_and_then_as_much_as_time_has_passed() {
        for (per_second, burst, moments) in [
            (10,   1,  &[(5000, 1), (5000, 0), (5099, 0), (5100, 1), (9000, 1)][..]),
            (10,   5,  &[(5000, 5), (5100, 1), (5350, 2), (5400, 1), (60_000, 5)]),
            (1,    1,  &[(5000, 1), (5999, 0), (6000, 1)]),
            (1000, 50, &[(5000, 50), (5010, 10), (5020, 10)]),
            (3,    1,  &[(5000, 1), (5333, 0), (5334, 1)]),
        ] {
            let memory = Unshared::default();
            for (millis, expected) in moments {
                let in_all = let_in(&limits(per_second, burst, 0), &memory, *millis);
                assert_eq!(in_all, *expected, "{per_second}/s, burst {burst}, at {millis}");
            }
        }
    }

    #[test]
    fn who_is_refused_learns_how_long_to_wait() {
        let (memory, limits) = (Unshared::default(), limits(2, 1, 0));
        let at = |millis| take("c", &limits, &memory, Steady::from_millis(millis)).map(drop);
        assert_eq!(at(5000), Ok(()));
        let Err(Exceeded::Rate { wait, .. }) = at(5100) else { panic!() };
        assert_eq!(wait, Duration::from_millis(400));
        assert_eq!(at(5500), Ok(()));
    }

    #[test]
    fn requests_in_flight_are_counted_until_they_end() {
        let (memory, limits, now) = (Unshared::default(), limits(0, 0, 2), Steady::default());
        let take = |now| take("c", &limits, &memory, now);
        let (first, _second) = (take(now).unwrap().unwrap(), take(now).unwrap().unwrap());
        assert!(matches!(take(now), Err(Exceeded::InFlight(_))));
        first.give_back(&memory);
        assert!(take(now).is_ok());
        assert!(take(now).is_err());
        // Whoever has left them behind.
        assert!(take(now.after(LEASE)).is_ok());
    }

    #[test]
    fn a_limit_that_is_lowered_holds_from_then_on() {
        let memory = Unshared::default();
        assert_eq!(let_in(&limits(1, 100, 0), &memory, 5000), 100);
        for (millis, expected) in [(5000, 0), (5999, 0), (6000, 1), (6000, 0), (7000, 1)] {
            assert_eq!(let_in(&limits(1, 1, 0), &memory, millis), expected, "{millis}");
        }
    }

    #[test]
    fn a_long_request_is_counted_as_long_as_it_lasts() {
        let (memory, limits, now) = (Unshared::default(), limits(0, 0, 1), Steady::default());
        let mut watch = take("c", &limits, &memory, now).unwrap().unwrap();
        for seconds in (0..600).step_by(10) {
            let now = now.after(Duration::from_secs(seconds));
            watch.renew(&memory, now);
            assert!(take("c", &limits, &memory, now).is_err(), "{seconds}");
        }
        watch.give_back(&memory);
        assert!(take("c", &limits, &memory, now.after(Duration::from_secs(600))).is_ok());
    }

    #[test]
    fn each_client_has_its_own_count() {
        let (memory, limits) = (Unshared::default(), limits(1, 1, 0));
        let take = |client| take(client, &limits, &memory, Steady::default()).is_ok();
        assert_eq!(["a", "a", "b", "b"].map(take), [true, false, true, false]);
    }
}
