//! Where there is no cryptography, a key is believed to be one: nothing is checked with it.

use super::Key;

// === impl Key ===

impl Key {
    pub(super) const fn is_key(&self) -> bool {
        true
    }
}
