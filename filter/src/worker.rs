//! What outlives a configuration: the state of one worker's VM.

use std::cell::{LazyCell, RefCell};

use keyhole_core::{Shared, Worker};

use crate::metrics::Metrics;
use crate::shared::Memory;

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::default();
    static METRICS: RefCell<Metrics> = RefCell::default();
    static MEMORY: LazyCell<Memory> = LazyCell::new(Memory::new);
}

/// Not to be nested: what is done inside ends before the host is called, but for
/// shared memory.
pub(crate) fn with<T>(act: impl FnOnce(&mut Worker) -> T) -> T {
    WORKER.with_borrow_mut(act)
}

/// The same, with what the workers share.
pub(crate) fn with_shared<T>(act: impl FnOnce(&mut Worker, &dyn Shared) -> T) -> T {
    MEMORY.with(|memory| with(|worker| act(worker, &**memory)))
}

pub(crate) fn with_metrics<T>(act: impl FnOnce(&mut Metrics) -> T) -> T {
    METRICS.with_borrow_mut(act)
}
