//! Envoy's shared data as the core's shared memory.

use keyhole_core::{Changed, Seen, Shared, Unshared};

use crate::host;

/// What the workers of this process share.
pub(crate) enum Memory {
    /// Under a VM id of our own.
    Pod,
    /// Without one, tokens would be open to every other plugin in the process.
    Worker(Unshared),
}

/// A version that no value has: Envoy numbers them from 1. It writes a value that is
/// not there whatever version is named, and refuses to replace one of another
/// version: so this creates a value, and never replaces one.
const NEVER: u32 = u32::MAX;

// === impl Memory ===

impl Memory {
    pub(crate) fn new() -> Self {
        match host::has_vm_id() {
            true => Self::Pod,
            false => {
                log::warn!(
                    "no vm_id is set, so each worker asks for tokens of its own: give the plugin a vm_id that no other has"
                );
                Self::Worker(Unshared::default())
            }
        }
    }
}

impl Shared for Memory {
    fn get(&self, key: &str) -> Option<Seen> {
        match self {
            Self::Pod => {
                let (value, version) = host::get_shared(key).ok()?;
                Some(Seen { value: value.unwrap_or_default(), version: version? })
            }
            Self::Worker(values) => values.get(key),
        }
    }

    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), Changed> {
        match self {
            Self::Pod => {
                host::set_shared(key, value, version.unwrap_or(NEVER)).map_err(|_| Changed)
            }
            Self::Worker(values) => values.set(key, value, version),
        }
    }
}
