//! The tokens of all accounts, and when to ask for the next one.
//!
//! ```text
//!             need          tick               minted
//!   (nothing) ----> Wanted -----> InFlight --------------> Idle, with a token
//!                     ^             |  |                    |
//!                     |     failed  |  | deadline           | 80 % of the life,
//!                     |             v  v                    | if it was used
//!                     +--- tick - BackingOff                |
//!                     +-------------------------------------+
//! ```
//!
//! The token stays in service until it expires, whatever happens to the request
//! for the next one. A request in flight that is never answered (a reload of
//! Envoy's configuration cancels it without a word) gives way at its deadline.

use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;

use crate::account::Account;
use crate::time::UnixTime;
use crate::token::{Answer, Token, TokenFailure, TokenRequest, read_answer};

/// How long one TokenRequest may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// After this a request in flight is taken for lost.
const IN_FLIGHT: Duration = Duration::from_secs(6);
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);

/// All tokens of one worker.
#[derive(Debug, Default)]
pub struct Tokens {
    entries: HashMap<Account, Entry>,
}

#[derive(Debug)]
struct Entry {
    token: Option<Token>,
    next: Next,
    used: UnixTime,
}

/// What is to happen next for an account.
#[derive(Debug)]
enum Next {
    BackOff { until: UnixTime, wait: Duration, failure: TokenFailure },
    Idle { refresh_at: UnixTime },
    InFlight { deadline: UnixTime, wait: Duration },
    Wanted { wait: Duration },
}

// === impl Tokens ===

impl Tokens {
    /// The account's token, if it can be sent now; otherwise one is asked for
    /// at the next [`tick`](Self::tick).
    ///
    /// # Errors
    ///
    /// Asking failed, and it is too early to ask again.
    pub fn get(
        &mut self,
        account: &Account,
        now: UnixTime,
    ) -> Result<Option<&Token>, TokenFailure> {
        let entry = self.entries.entry_ref(account).or_insert_with(Entry::new);
        entry.used = now;
        entry.get(now)
    }

    /// The requests to send now. Accounts whose last token expired unused since
    /// are forgotten.
    pub fn tick(&mut self, now: UnixTime) -> Vec<TokenRequest> {
        self.entries.retain(|_, entry| entry.is_alive(now));
        let due = self.entries.iter_mut().filter_map(|(account, entry)| {
            entry.start(now).then(|| TokenRequest::new(account))
        });
        due.collect()
    }

    /// Takes the answer to a request of [`tick`](Self::tick). `jitter` is any number.
    ///
    /// # Errors
    ///
    /// The answer has no token for this account; the old one stays.
    pub fn answered(
        &mut self,
        account: &Account,
        answer: Answer<'_>,
        now: UnixTime,
        jitter: u64,
    ) -> Result<(), TokenFailure> {
        let result = read_answer(account, answer, now);
        let Some(entry) = self.entries.get_mut(account) else { return result.map(drop) };
        match result {
            Ok(token) => {
                entry.next = Next::Idle { refresh_at: token.refresh_at(jitter) };
                entry.token = Some(token);
                Ok(())
            }
            Err(failure) => {
                entry.fail(now, failure.clone());
                Err(failure)
            }
        }
    }
}

// === impl Entry ===

impl Entry {
    const fn new() -> Self {
        let next = Next::Wanted { wait: FIRST_BACK_OFF };
        Self { token: None, next, used: UnixTime::from_secs(0) }
    }

    fn get(&mut self, now: UnixTime) -> Result<Option<&Token>, TokenFailure> {
        if let Some(token) = self.token.as_ref().filter(|token| token.is_valid(now)) {
            return Ok(Some(token));
        }
        match &self.next {
            Next::BackOff { until, failure, .. } if now < *until => return Err(failure.clone()),
            Next::BackOff { wait, .. } => self.next = Next::Wanted { wait: *wait },
            Next::Idle { .. } => self.next = Next::Wanted { wait: FIRST_BACK_OFF },
            Next::InFlight { .. } | Next::Wanted { .. } => {}
        }
        Ok(None)
    }

    /// Whether a request is to be sent now; if so it counts as sent.
    fn start(&mut self, now: UnixTime) -> bool {
        let wait = match self.next {
            Next::Wanted { wait } => wait,
            Next::Idle { refresh_at } if now >= refresh_at && self.used_since_minted() => {
                FIRST_BACK_OFF
            }
            Next::BackOff { until, wait, .. } if now >= until && self.used_since_minted() => {
                wait
            }
            Next::InFlight { deadline, .. } if now >= deadline => {
                self.fail(now, TokenFailure::NoAnswer);
                return false;
            }
            Next::BackOff { .. } | Next::Idle { .. } | Next::InFlight { .. } => return false,
        };
        self.next = Next::InFlight { deadline: now.after(IN_FLIGHT), wait };
        true
    }

    fn fail(&mut self, now: UnixTime, failure: TokenFailure) {
        let wait = match self.next {
            Next::BackOff { wait, .. }
            | Next::InFlight { wait, .. }
            | Next::Wanted { wait } => wait,
            Next::Idle { .. } => FIRST_BACK_OFF,
        };
        let longer = wait.saturating_mul(2).min(LONGEST_BACK_OFF);
        self.next = Next::BackOff { until: now.after(wait), wait: longer, failure };
    }

    fn used_since_minted(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.issued() < self.used)
    }

    fn is_alive(&self, now: UnixTime) -> bool {
        match (&self.token, &self.next) {
            (Some(token), _) if token.is_valid(now) => true,
            (_, Next::Idle { .. }) => false,
            (_, Next::BackOff { until, .. }) => now < until.after(LONGEST_BACK_OFF),
            (_, Next::InFlight { .. } | Next::Wanted { .. }) => true,
        }
    }
}
