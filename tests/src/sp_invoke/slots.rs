//! How many calls may run at once (row 26).

use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::Error;

#[derive(Debug)]
pub(super) struct Slots {
    limit: usize,
    taken: AtomicUsize,
}

/// Gives its slot back when it goes.
pub(super) struct Slot<'s>(&'s Slots);

// === impl Slots ===

impl Slots {
    /// A tenth of the worker threads, but no more than 150.
    pub(super) fn of(workers: usize) -> Self {
        Self { limit: (workers / 10).min(150), taken: AtomicUsize::new(0) }
    }

    /// A slot at once, or none: nobody waits in line.
    pub(super) fn take(&self) -> Result<Slot<'_>, Error> {
        let slot = Slot(self);
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        if before < self.limit { Ok(slot) } else { Err(Error::Busy(self.limit)) }
    }
}

// === impl Slot ===

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_26_a_tenth_of_the_workers_may_call_at_once() {
        for (workers, limit) in [(0, 0), (9, 0), (10, 1), (512, 51), (1500, 150), (9000, 150)] {
            let slots = Slots::of(workers);
            let taken: Vec<_> = (0..limit).map(|_| slots.take().ok().unwrap()).collect();
            assert_eq!(slots.take().err(), Some(Error::Busy(limit)), "{workers}");
            drop(taken);
            assert_eq!(slots.take().is_ok(), limit > 0, "{workers}");
        }
    }
}
