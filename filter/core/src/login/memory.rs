//! Tokens that were seen before, by their digests: nobody can make a token of one.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use hashbrown::HashMap;

use super::LoginRefused;
use crate::pod::lifecycle::Flight;
use crate::policy::Holder;
use crate::policy::key::KeyDigest;
use crate::time::{Steady, UnixTime};

/// Only who has a valid token gets into it: a stranger does not crowd anybody out.
const MOST_ACCEPTED: usize = 4096;
/// As many as can be refused after a check of their signature in this time, and a few.
const MOST_REFUSED: usize = 1024;
const REFUSED_FOR: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Memory {
    accepted: HashMap<KeyDigest, Accepted>,
    refused: HashMap<KeyDigest, Refused>,
}

/// A token whose signature was right.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Its index in the policy, and who that is there.
    pub(super) client: usize,
    pub(super) holder: Arc<Holder>,
    pub(super) issuer: Arc<str>,
    /// The key that it was checked with.
    pub(super) key_id: Box<str>,
    pub(super) key: [u8; 32],
    /// What brought the key, or a later one that brought the same.
    pub(super) flight: Option<Flight>,
    pub(super) ends_at: Steady,
    /// The same, by this machine's clock.
    pub(super) until: UnixTime,
}

#[derive(Debug)]
struct Refused {
    refused: LoginRefused,
    until: Steady,
}

// === impl Memory ===

impl Memory {
    /// What was refused may not be any more; whose the others are is asked again.
    pub(super) fn policy_loaded(&mut self) {
        self.refused.clear();
    }

    pub(super) fn accepted(
        &mut self,
        digest: &KeyDigest,
        now: Steady,
    ) -> Option<&mut Accepted> {
        self.accepted.get_mut(digest).filter(|own| now < own.ends_at)
    }

    pub(super) fn refused(&self, digest: &KeyDigest, now: Steady) -> Option<&LoginRefused> {
        self.refused.get(digest).filter(|own| now < own.until).map(|own| &own.refused)
    }

    pub(super) fn accept(&mut self, digest: KeyDigest, now: Steady, accepted: Accepted) {
        make_room(&mut self.accepted, MOST_ACCEPTED, |own| now < own.ends_at);
        self.accepted.insert(digest, accepted);
    }

    pub(super) fn refuse(&mut self, digest: KeyDigest, now: Steady, refused: LoginRefused) {
        make_room(&mut self.refused, MOST_REFUSED, |own| now < own.until);
        self.refused.insert(digest, Refused { refused, until: now.after(REFUSED_FOR) });
    }
}

/// Leaves out what is over; if it is still full, any one. Whoever was left out is checked
/// again.
fn make_room<V>(map: &mut HashMap<KeyDigest, V>, most: usize, lasts: impl Fn(&V) -> bool) {
    if map.len() < most {
        return;
    }
    map.retain(|_, own| lasts(own));
    if map.len() >= most
        && let Some(any) = map.keys().next().copied()
    {
        map.remove(&any);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::Why;

    #[test]
    fn there_is_a_bound_and_what_is_over_goes_first() {
        let mut memory = Memory::default();
        let refused = LoginRefused { issuer: None, why: Why::Signature };
        let digest = |n: usize| KeyDigest::of(&n.to_le_bytes());
        for n in 0..2 * MOST_REFUSED {
            memory.refuse(digest(n), Steady::from_millis(0), refused.clone());
        }
        assert_eq!(memory.refused.len(), MOST_REFUSED);
        let later = Steady::from_millis(10_000);
        memory.refuse(digest(0), later, refused.clone());
        assert_eq!(memory.refused.len(), 1);
        assert_eq!(memory.refused(&digest(0), later), Some(&refused));
        assert_eq!(memory.refused(&digest(0), Steady::from_millis(20_000)), None);
    }
}
