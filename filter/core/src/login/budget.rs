//! How many signatures a worker checks: a stranger can make it do so.

use core::time::Duration;

use crate::time::Steady;

/// In a second, by one worker.
pub(super) const MOST: u32 = 100;

#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When the current second began.
    since: Steady,
    used: u32,
}

// === impl Budget ===

impl Budget {
    /// Whether one more may be checked now.
    pub(super) fn take(&mut self, now: Steady) -> bool {
        if now >= self.since.after(Duration::from_secs(1)) {
            (self.since, self.used) = (now, 0);
        }
        let may = self.used < MOST;
        if may {
            self.used = self.used.saturating_add(1);
        }
        may
    }
}
