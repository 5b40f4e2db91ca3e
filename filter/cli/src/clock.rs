//! The time, where a command needs it.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use keyhole_core::UnixTime;

pub(crate) fn now() -> anyhow::Result<UnixTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(UnixTime::from_secs(since.context("the clock stands before 1970")?.as_secs()))
}
