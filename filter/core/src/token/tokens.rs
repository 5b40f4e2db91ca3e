//! The tokens of all accounts, and when to ask for the next one.
//!
//! ```text
//!            get           tick              answered
//! (nothing) ----> Wanted ------> InFlight -----------> Idle, with a token
//!                   ^               | failed, or         | tick, at 80 % of the
//!                   |               v its deadline       v life, if it was used
//!                   +--- get --- BackOff              InFlight
//!                                   | tick, if the token still serves
//!                                   v
//!                                InFlight
//! ```
//!
//! The token stays in service until it expires, whatever happens to the request
//! for the next one. A request in flight that is never answered (a reload of
//! Envoy's configuration cancels it without a word) gives way at its deadline.

use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;

use crate::policy::account::Account;
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
        if self.is_valid(now) {
            return Ok(self.token.as_ref());
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
            Next::Idle { refresh_at } if now >= refresh_at && self.serves(now) => {
                FIRST_BACK_OFF
            }
            // Only a token that still serves is renewed unasked.
            Next::BackOff { until, wait, .. } if now >= until && self.serves(now) => wait,
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

    fn is_valid(&self, now: UnixTime) -> bool {
        self.token.as_ref().is_some_and(|token| token.is_valid(now))
    }

    /// Whether the token is valid, and was used since it was minted.
    fn serves(&self, now: UnixTime) -> bool {
        let used = |token: &Token| token.issued() < self.used;
        self.is_valid(now) && self.token.as_ref().is_some_and(used)
    }

    fn is_alive(&self, now: UnixTime) -> bool {
        match &self.next {
            _ if self.is_valid(now) => true,
            Next::Idle { .. } => false,
            Next::BackOff { until, .. } => now < until.after(LONGEST_BACK_OFF),
            Next::InFlight { .. } | Next::Wanted { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tests::{account, minted};
    use alloc::string::String;

    const SUBJECT: &str = "system:serviceaccount:default:reader";

    /// One account, told by seconds.
    #[derive(Default)]
    struct Story {
        tokens: Tokens,
    }

    impl Story {
        /// `token`, `wait`, or why there is none.
        fn get(&mut self, at: u64) -> String {
            match self.tokens.get(&account("reader"), UnixTime::from_secs(at)) {
                Ok(Some(_)) => String::from("token"),
                Ok(None) => String::from("wait"),
                Err(failure) => alloc::format!("{failure}"),
            }
        }

        /// How many requests leave.
        fn tick(&mut self, at: u64) -> usize {
            self.tokens.tick(UnixTime::from_secs(at)).len()
        }

        fn minted(&mut self, at: u64) {
            let body = minted(SUBJECT, at, at.saturating_add(600));
            let answer = Answer::Some { status: b"201", body: &body };
            self.tokens
                .answered(&account("reader"), answer, UnixTime::from_secs(at), 0)
                .unwrap();
        }

        fn lost(&mut self, at: u64) {
            let now = UnixTime::from_secs(at);
            self.tokens.answered(&account("reader"), Answer::None, now, 0).unwrap_err();
        }
    }

    #[test]
    fn one_request_serves_all_who_wait() {
        let mut story = Story::default();
        assert_eq!((story.get(0), story.get(0)), ("wait".into(), "wait".into()));
        assert_eq!((story.tick(0), story.tick(0)), (1, 0));
        assert_eq!(story.get(1), "wait");
        assert_eq!(story.tick(1), 0);
        story.minted(1);
        assert_eq!(story.get(2), "token");
        assert_eq!(story.tick(2), 0);
    }

    #[test]
    fn a_token_in_use_is_renewed_ahead_and_serves_until_it_expires() {
        let mut story = Story::default();
        story.get(0);
        story.tick(0);
        story.minted(0);
        assert_eq!((story.get(479), story.tick(479)), ("token".into(), 0));
        assert_eq!((story.get(480), story.tick(480)), ("token".into(), 1));
        // The endpoint is lost: the old token serves on, asking backs off.
        story.lost(481);
        assert_eq!((story.get(481), story.tick(481)), ("token".into(), 0));
        assert_eq!((story.get(482), story.tick(482)), ("token".into(), 1));
        story.lost(483);
        assert_eq!((story.tick(484), story.tick(485)), (0, 1));
        story.lost(485);
        assert_eq!(story.get(524), "token");
        assert!(story.get(525) == "wait", "the leeway has begun");
        assert_eq!(story.tick(525), 1);
        story.minted(526);
        assert_eq!(story.get(526), "token");
    }

    #[test]
    fn a_lost_renewal_is_not_asked_for_when_nobody_needs_it() {
        let mut story = Story::default();
        story.get(0);
        story.tick(0);
        story.minted(0);
        story.get(10);
        let asked: usize = (11..86_400)
            .map(|at| {
                let sent = story.tick(at);
                if sent > 0 {
                    story.lost(at);
                }
                sent
            })
            .sum();
        assert!((1..10).contains(&asked), "{asked}");
        assert!(story.tokens.entries.is_empty());
    }

    #[test]
    fn an_unused_token_is_not_renewed_but_forgotten() {
        let mut story = Story::default();
        story.get(0);
        story.tick(0);
        story.minted(0);
        assert_eq!((story.tick(480), story.tick(599)), (0, 0));
        assert!(story.tokens.entries.is_empty());
    }

    #[test]
    fn a_failure_is_told_until_it_is_time_to_ask_again() {
        let mut story = Story::default();
        story.get(0);
        story.tick(0);
        story.lost(0);
        assert!(story.get(0).starts_with("nothing answered"));
        assert_eq!(story.tick(0), 0);
        assert_eq!((story.get(1), story.tick(1)), ("wait".into(), 1));
        story.lost(1);
        assert!(story.get(2).starts_with("nothing answered"));
        assert_eq!((story.get(3), story.tick(3)), ("wait".into(), 1));
    }

    #[test]
    fn a_request_that_is_never_answered_gives_way() {
        let mut story = Story::default();
        story.get(0);
        assert_eq!((story.tick(0), story.tick(5), story.tick(6)), (1, 0, 0));
        assert!(story.get(6).starts_with("nothing answered"));
        assert_eq!((story.get(7), story.tick(7)), ("wait".into(), 1));
    }

    #[test]
    fn a_refused_renewal_never_costs_the_token() {
        let mut story = Story::default();
        story.get(0);
        story.tick(0);
        story.minted(0);
        story.get(480);
        story.tick(480);
        let body = minted("system:serviceaccount:default:other", 480, 1080);
        let answer = Answer::Some { status: b"201", body: &body };
        let now = UnixTime::from_secs(480);
        let failure = story.tokens.answered(&account("reader"), answer, now, 0).unwrap_err();
        assert_eq!(failure, TokenFailure::WrongToken);
        assert_eq!(story.get(480), "token");
    }
}
