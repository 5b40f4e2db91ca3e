//! The tokens of all accounts that one worker serves.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::{HashMap, HashSet};

use crate::pod::cache::Cached;
use crate::pod::failure::Failure;
use crate::pod::lifecycle::{Flight, Held};
use crate::pod::shared::Shared;
use crate::policy::account::Account;
use crate::time::{Now, Steady};
use crate::token::Token;

/// All tokens of one worker; the other workers' are found in shared memory.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    entries: HashMap<Arc<Account>, Entry>,
}

/// A request that is to be sent for an account.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub(crate) account: Arc<Account>,
    pub(crate) flight: Flight,
    /// One is in service still.
    pub(crate) renewal: bool,
}

#[derive(Debug)]
struct Entry {
    key: String,
    cached: Cached<Token>,
    /// A request waits, or this worker is to keep a token at hand.
    wanted: bool,
    used: Steady,
}

/// An account that nobody asked for in this time is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

// === impl Tokens ===

impl Tokens {
    /// The account's token, if it can be sent now; otherwise one is looked for at
    /// the next [`look`](Self::look).
    ///
    /// # Errors
    ///
    /// There is none, and will be none before that moment.
    pub(crate) fn get(
        &mut self,
        account: &Arc<Account>,
        now: Steady,
    ) -> Result<Option<&Held<Token>>, (Steady, Failure)> {
        let entry = self.entries.entry(Arc::clone(account));
        let entry = entry.or_insert_with(|| Entry::new(account));
        entry.used = now;
        if let Some(held) = entry.cached.held(now) {
            return Ok(Some(held));
        }
        match entry.cached.failure(now) {
            Some((until, failure)) => Err((until, failure.clone())),
            None => {
                entry.wanted = true;
                Ok(None)
            }
        }
    }

    /// Forgets the other accounts: they have left the policy, and so perhaps has the right
    /// to ask for their tokens.
    pub(crate) fn keep_only(&mut self, accounts: &[Arc<Account>]) {
        let accounts: HashSet<&Arc<Account>> = accounts.iter().collect();
        self.entries.retain(|account, _| accounts.contains(account));
    }

    /// Keeps a token at hand, whether it is asked for or not.
    pub(crate) fn want(&mut self, account: &Arc<Account>, now: Steady) {
        let _ = self.get(account, now);
    }

    /// Looks after all tokens: takes over what other workers got, and returns what
    /// this one has to ask for, up to `room` requests.
    pub(crate) fn look(&mut self, shared: &dyn Shared, room: usize, now: Now) -> Vec<Wanted> {
        self.entries.retain(|_, entry| entry.is_alive(now.steady));
        let due = self.entries.iter_mut().filter(|(_, entry)| entry.is_due(now.steady));
        let wanted = due.filter_map(|(account, entry)| {
            let flight = entry.look(shared, now)?;
            let renewal = entry.cached.held(now.steady).is_some();
            Some(Wanted { account: Arc::clone(account), flight, renewal })
        });
        wanted.take(room).collect()
    }

    /// Tells what became of a request of [`look`](Self::look).
    pub(crate) fn settle(
        &mut self,
        shared: &dyn Shared,
        Wanted { account, flight, .. }: &Wanted,
        result: Result<Token, Failure>,
        now: Now,
    ) {
        let entry = self.entries.entry(Arc::clone(account));
        let entry = entry.or_insert_with(|| Entry::new(account));
        entry.cached.settle(shared, &entry.key, *flight, result, now);
        entry.wanted = false;
    }

    /// Tells all who wait that there will be nothing before this moment.
    pub(crate) fn fail(&mut self, until: Steady, failure: &Failure) {
        for entry in self.entries.values_mut().filter(|entry| entry.wanted) {
            entry.cached.fail(until, failure.clone());
            entry.wanted = false;
        }
    }

    /// Forgets what failed; the pod has not, if it is more than this worker's view.
    pub(crate) fn look_again(&mut self) {
        self.entries.values_mut().for_each(|entry| entry.cached.look_again());
    }

    /// Takes a token out of service that the apiserver did not accept, if it is
    /// still the one in service. Whether there is, or will be, another.
    pub(crate) fn reject(&mut self, account: &Account, flight: Flight, now: Steady) -> bool {
        let Some(entry) = self.entries.get_mut(account) else { return true };
        let another = entry.cached.reject(flight, now);
        entry.wanted = another;
        another
    }
}

// === impl Entry ===

impl Entry {
    fn new(account: &Account) -> Self {
        let (key, used) = (account.shared_key(), Steady::default());
        Self { key, cached: Cached::default(), wanted: false, used }
    }

    fn look(&mut self, shared: &dyn Shared, now: Now) -> Option<Flight> {
        let flight = self.cached.look(shared, &self.key, now);
        let settled =
            self.cached.held(now.steady).is_some() || self.cached.failure(now.steady).is_some();
        self.wanted = self.wanted && !settled;
        flight
    }

    /// Only a token that was asked for lately is renewed ahead.
    fn is_due(&self, now: Steady) -> bool {
        self.wanted
            || self.cached.held(now).is_some_and(|held| {
                !self.cached.is_fresh(now)
                    && held.since < self.used
                    && self.cached.failure(now).is_none()
            })
    }

    fn is_alive(&self, now: Steady) -> bool {
        self.wanted || self.cached.held(now).is_some() || now < self.used.after(FORGOTTEN_AFTER)
    }
}
