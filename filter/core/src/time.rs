//! Time is an input: the host says what time it is, the core only compares.

use core::fmt;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the host's clocks say at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For what people write down: when a key is valid. It may jump.
    pub wall: UnixTime,
    /// For all that lasts: tokens, waits, pauses.
    pub steady: Steady,
    /// Any number that differs from gateway to gateway and from time to time.
    pub jitter: u64,
}

/// A moment in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct UnixTime(u64);

/// A moment on a clock that is never set: milliseconds since a start that all
/// workers of one process share.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct Steady(u64);

// === impl UnixTime ===

impl UnixTime {
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// How long until `later`; zero when it has passed.
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// As in `2026-11-01T00:00:00Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).fmt(f)
    }
}

// === impl Steady ===

impl Steady {
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(millis(wait)))
    }

    #[must_use]
    pub fn before(self, margin: Duration) -> Self {
        Self(self.0.saturating_sub(millis(margin)))
    }

    /// How long until `later`; zero when it has passed.
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// A part of `whole`, by chance: so that many gateways do not act at once.
pub(crate) fn part_of(whole: Duration, jitter: u64) -> Duration {
    Duration::from_millis(jitter.checked_rem(millis(whole)).unwrap_or(0))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
