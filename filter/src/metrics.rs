//! Envoy statistics by name; each is defined once per VM.

use std::collections::HashMap;

use keyhole_core::{Change, Sample};
use proxy_wasm::types::Status;

use crate::host;

#[derive(Default)]
pub(crate) struct Metrics {
    ids: HashMap<String, u32>,
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn record(&mut self, Sample { name, change }: &Sample) -> Result<(), Status> {
        let id = match self.ids.get(name) {
            Some(id) => *id,
            None => {
                let id = match change {
                    Change::Add(_) => host::define_counter(name),
                    Change::Set(_) | Change::Shift(_) => host::define_gauge(name),
                }?;
                self.ids.insert(name.clone(), id);
                id
            }
        };
        match change {
            // Defined, it is there as 0; Envoy takes 0 for an error.
            Change::Add(0) => Ok(()),
            Change::Add(more) => host::add_to_metric(id, *more),
            Change::Set(value) => host::set_metric(id, *value),
            Change::Shift(by) => host::add_to_metric(id, *by),
        }
    }
}
