//! Requests that wait for a token: bounded in number and in time.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::admit::{Pending, Progress, Verdict};
use crate::policy::account::Account;
use crate::refusal::Refusal;
use crate::resend::{Ready, Whole};
use crate::time::Steady;
use crate::token::tokens::Tokens;

/// How many wait at most, per worker.
const MOST_WAITING: usize = 1024;

/// Waiting requests, by the host's stream id.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    requests: Vec<Request>,
}

/// A request that waits. It can be resumed once.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// It has not been sent yet.
    First(Pending<'static>),
    /// The gateway sends it itself: once more, or because it is to have the whole answer.
    Whole(Whole),
}

/// What is to be done with a request that waits no longer.
#[derive(Debug)]
pub(crate) enum Resumed {
    Resend(Ready),
    Verdict(Verdict<'static>),
}

#[derive(Debug)]
struct Request {
    stream: u32,
    deadline: Steady,
    waiter: Waiter,
}

// === impl Waiting ===

impl Waiting {
    /// Lets a request wait for as long as `wait`.
    ///
    /// # Errors
    ///
    /// Too many wait already: this one is to be refused.
    pub(crate) fn push(
        &mut self,
        stream: u32,
        waiter: Waiter,
        wait: Duration,
        now: Steady,
    ) -> Result<(), Verdict<'static>> {
        if self.requests.len() >= MOST_WAITING {
            let account = Arc::clone(waiter.account());
            return Err(waiter.refuse(Refusal::TooManyWaiting(account)));
        }
        self.requests.push(Request { stream, deadline: now.after(wait), waiter });
        Ok(())
    }

    /// Forgets a request whose stream has ended.
    pub(crate) fn remove(&mut self, stream: u32) {
        self.requests.retain(|request| request.stream != stream);
    }

    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Takes out the requests whose wait is over, each with what to do with it; of
    /// those to be sent once more, as many as there is room for.
    pub(crate) fn resume(
        &mut self,
        tokens: &mut Tokens,
        mut room: usize,
        now: Steady,
    ) -> Vec<(u32, Resumed)> {
        let mut done = Vec::new();
        let mut still = Vec::new();
        for Request { stream, deadline, waiter } in self.requests.drain(..) {
            let resumed = match waiter {
                Waiter::Whole(_) if room == 0 => Err(waiter),
                Waiter::Whole(_) | Waiter::First(_) => waiter.resume(tokens, now),
            };
            match resumed {
                Ok(resumed) => {
                    if matches!(resumed, Resumed::Resend(_)) {
                        room = room.saturating_sub(1);
                    }
                    done.push((stream, resumed));
                }
                Err(waiter) if now < deadline => {
                    still.push(Request { stream, deadline, waiter });
                }
                Err(waiter) => {
                    let account = Arc::clone(waiter.account());
                    let verdict = waiter.refuse(Refusal::WaitedTooLong(account));
                    done.push((stream, Resumed::Verdict(verdict)));
                }
            }
        }
        self.requests = still;
        done
    }
}

// === impl Waiter ===

impl Waiter {
    fn account(&self) -> &Arc<Account> {
        match self {
            Self::First(pending) => pending.account(),
            Self::Whole(whole) => whole.account(),
        }
    }

    fn resume(self, tokens: &mut Tokens, now: Steady) -> Result<Resumed, Self> {
        match self {
            Self::First(pending) => match pending.resume(tokens, now) {
                Progress::Done(verdict) => Ok(Resumed::Verdict(verdict)),
                Progress::Pending(pending) => Err(Self::First(pending)),
            },
            Self::Whole(whole) => whole.resume(tokens, now).map_err(Self::Whole),
        }
    }

    fn refuse(self, refusal: Refusal) -> Verdict<'static> {
        match self {
            Self::First(pending) => pending.refuse(refusal),
            Self::Whole(whole) => whole.refuse(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::tests::pending;
    use alloc::string::ToString;

    const WAIT: Duration = Duration::from_secs(8);
    const NOW: Steady = Steady::from_millis(1000);

    fn push(waiting: &mut Waiting, stream: u32) -> Result<(), Verdict<'static>> {
        waiting.push(stream, Waiter::First(pending()), WAIT, NOW)
    }

    #[test]
    fn a_request_waits_only_so_long() {
        let (mut waiting, mut tokens) = (Waiting::default(), Tokens::default());
        push(&mut waiting, 7).unwrap();
        let end = NOW.after(WAIT);
        assert!(
            waiting.resume(&mut tokens, 1, end.before(Duration::from_millis(1))).is_empty()
        );
        let done = waiting.resume(&mut tokens, 1, end);
        let [(7, Resumed::Verdict(Verdict::Refuse(refused)))] = &done[..] else { panic!() };
        assert!(refused.refusal.to_string().ends_with("came in time: try again"));
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn only_so_many_wait() {
        let mut waiting = Waiting::default();
        for stream in 0..1024 {
            push(&mut waiting, stream).unwrap();
        }
        let Err(Verdict::Refuse(refused)) = push(&mut waiting, 1024) else { panic!() };
        assert_eq!(refused.refusal.reply().code, 429);
    }

    #[test]
    fn a_stream_that_ends_waits_no_longer() {
        let mut waiting = Waiting::default();
        push(&mut waiting, 7).unwrap();
        waiting.remove(7);
        assert_eq!(waiting.len(), 0);
    }
}
