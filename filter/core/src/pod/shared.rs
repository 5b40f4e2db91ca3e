//! Memory that all workers of the process share, so that the pod asks once.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;

use hashbrown::HashMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Values by key, each replaced only by who has seen it as it is.
pub trait Shared {
    fn get(&self, key: &str) -> Option<Seen>;

    /// Replaces the value if it is still of `version`; `None` is for a key that has
    /// none yet.
    ///
    /// # Errors
    ///
    /// Another worker was faster: nothing is written.
    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), Changed>;
}

/// A value, and the version that a change of it has to name.
#[derive(Clone, Debug)]
pub struct Seen {
    pub value: Vec<u8>,
    pub version: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Changed;

/// The memory of one worker that shares with nobody.
#[derive(Debug, Default)]
pub struct Unshared {
    values: RefCell<HashMap<String, Seen>>,
}

/// Each lost race means that another worker has won one.
const MOST_ATTEMPTS: usize = 100;

/// Reads a value, lets `change` act on it, and writes what came of it. A value that
/// cannot be read, as one of another version of this software, counts as none.
/// `None` if other workers were faster all the time.
pub(crate) fn update<S, T>(
    shared: &dyn Shared,
    key: &str,
    change: impl Fn(S) -> (S, T),
) -> Option<T>
where
    S: Default + DeserializeOwned + Serialize,
{
    (0..MOST_ATTEMPTS).find_map(|_| {
        let seen = shared.get(key);
        let before = seen.as_ref().and_then(|seen| serde_json::from_slice(&seen.value).ok());
        let (after, result) = change(before.unwrap_or_default());
        let after = serde_json::to_vec(&after).ok()?;
        if seen.as_ref().is_some_and(|seen| seen.value == after) {
            return Some(result);
        }
        shared.set(key, &after, seen.map(|seen| seen.version)).ok().map(|()| result)
    })
}

// === impl Unshared ===

impl Shared for Unshared {
    fn get(&self, key: &str) -> Option<Seen> {
        self.values.borrow().get(key).cloned()
    }

    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), Changed> {
        let mut values = self.values.borrow_mut();
        let current = values.get(key).map(|seen| seen.version);
        if current != version {
            return Err(Changed);
        }
        let version = current.unwrap_or(0).wrapping_add(1);
        values.insert(key.to_string(), Seen { value: value.to_vec(), version });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another worker writes between each read and the write that follows.
    struct Raced<'a>(&'a Unshared, RefCell<u32>);

    impl Shared for Raced<'_> {
        fn get(&self, key: &str) -> Option<Seen> {
            let seen = self.0.get(key);
            if *self.1.borrow() > 0 {
                *self.1.borrow_mut() -= 1;
                update(self.0, key, |n: u32| (n + 1, ())).unwrap();
            }
            seen
        }

        fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), Changed> {
            self.0.set(key, value, version)
        }
    }

    #[test]
    fn no_change_is_lost_to_a_race() {
        let memory = Unshared::default();
        let raced = Raced(&memory, RefCell::new(3));
        assert_eq!(update(&raced, "n", |n: u32| (n + 1, n)), Some(3));
        assert_eq!(memory.get("n").unwrap().value, b"4");
    }

    #[test]
    fn who_always_loses_gives_up() {
        let memory = Unshared::default();
        let raced = Raced(&memory, RefCell::new(u32::MAX));
        assert_eq!(update(&raced, "n", |n: u32| (n + 1, n)), None);
    }

    #[test]
    fn what_cannot_be_read_counts_as_nothing() {
        let memory = Unshared::default();
        memory.set("n", b"{", None).unwrap();
        assert_eq!(update(&memory, "n", |n: u32| (n + 1, n)), Some(0));
        assert_eq!(memory.get("n").unwrap().value, b"1");
    }
}
