//! The time, where a command needs it, and how it is written.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use jiff::Timestamp;
use keyhole_core::UnixTime;

pub(crate) fn now() -> anyhow::Result<UnixTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(UnixTime::from_secs(since.context("the clock stands before 1970")?.as_secs()))
}

/// As in `2026-11-01T00:00:00Z`.
pub(crate) fn written(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string()
}
