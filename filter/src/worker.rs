//! What outlives a configuration: the state of one worker's VM.

use std::cell::RefCell;

use keyhole_core::{Tokens, Waiting};

#[derive(Default)]
pub(crate) struct Worker {
    pub(crate) tokens: Tokens,
    pub(crate) waiting: Waiting,
}

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::default();
}

/// Not to be nested: what is done inside ends before the host is called.
pub(crate) fn with<T>(act: impl FnOnce(&mut Worker) -> T) -> T {
    WORKER.with_borrow_mut(act)
}
