//! How much a client may send.

use core::num::NonZeroU64;
use core::time::Duration;

/// Bounds of one client, held by each pod of the gateway for itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    pub rate: Option<Rate>,
    pub in_flight: Option<NonZeroU64>,
    pub body_bytes: Option<u64>,
}

/// Requests per second in the long run, and how many may come at once after a pause.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    pub per_second: NonZeroU64,
    pub burst: NonZeroU64,
}

/// What a request is too much for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Exceeded {
    #[error(
        "the body is larger than {0} bytes, the limit for this request (`bodyBytes`, or that of bodies that are judged): send less"
    )]
    Body(u64),
    #[error(
        "this client's limit, requestsPerSecond: {} (burst: {}), is reached: send fewer, or wait",
        .rate.per_second, .rate.burst
    )]
    Rate { rate: Rate, wait: Duration },
    #[error(
        "this client's limit, requestsInFlight: {0}, is reached: wait for the answers to earlier requests"
    )]
    InFlight(NonZeroU64),
    #[error("the gateway could not count this request: try again")]
    Uncounted,
}

// === impl Limits ===

impl Limits {
    /// Whether requests have to be counted.
    pub(crate) const fn count(&self) -> bool {
        self.rate.is_some() || self.in_flight.is_some()
    }

    /// Looks at what the client says of the body.
    pub(crate) fn admit_body(&self, content_length: Option<&[u8]>) -> Result<(), Exceeded> {
        let length =
            content_length.and_then(|text| str::from_utf8(text).ok()?.parse::<u64>().ok());
        match (self.body_bytes, length) {
            (Some(most), Some(length)) if length > most => Err(Exceeded::Body(most)),
            _ => Ok(()),
        }
    }
}

// === impl Rate ===

impl Rate {
    /// How long one request takes up of the rate, in microseconds.
    pub(crate) fn interval(self) -> u64 {
        1_000_000 / self.per_second
    }

    /// How far the count may run ahead of the time, in microseconds.
    pub(crate) fn tolerance(self) -> u64 {
        self.interval().saturating_mul(self.burst.get().saturating_sub(1))
    }
}
