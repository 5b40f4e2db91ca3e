//! Requests that wait for a token: bounded in number and in time.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::admit::{Pending, Progress, Verdict};
use crate::refusal::Refusal;
use crate::time::UnixTime;
use crate::token::TokenFailure;
use crate::token::tokens::Tokens;

/// How long a request waits at most.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// How many wait at most, per worker.
const MOST_WAITING: usize = 1024;

/// Waiting requests, by the host's stream id.
#[derive(Debug, Default)]
pub struct Waiting {
    requests: Vec<Request>,
}

#[derive(Debug)]
struct Request {
    stream: u32,
    deadline: UnixTime,
    pending: Pending,
}

impl Waiting {
    /// Lets a request wait.
    ///
    /// # Errors
    ///
    /// Too many wait already: the verdict refuses this one.
    pub fn push(
        &mut self,
        stream: u32,
        pending: Pending,
        now: UnixTime,
    ) -> Result<(), Verdict<'static>> {
        if self.requests.len() >= MOST_WAITING {
            let account = Box::new(pending.account().clone());
            return Err(pending.refuse(Refusal::TooManyWaiting(account)));
        }
        self.requests.push(Request { stream, deadline: now.after(LONGEST_WAIT), pending });
        Ok(())
    }

    /// Forgets a request whose stream has ended.
    pub fn remove(&mut self, stream: u32) {
        self.requests.retain(|request| request.stream != stream);
    }

    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Takes out the requests whose wait is over, each with what to do with it.
    pub fn resume(
        &mut self,
        tokens: &mut Tokens,
        now: UnixTime,
    ) -> Vec<(u32, Verdict<'static>)> {
        let mut done = Vec::new();
        let mut still = Vec::new();
        for Request { stream, deadline, pending } in self.requests.drain(..) {
            match pending.resume(tokens, now) {
                Progress::Done(verdict) => done.push((stream, verdict)),
                Progress::Pending(pending) if now < deadline => {
                    still.push(Request { stream, deadline, pending });
                }
                Progress::Pending(pending) => {
                    let account = Box::new(pending.account().clone());
                    let refusal = Refusal::Token { account, failure: TokenFailure::NoAnswer };
                    done.push((stream, pending.refuse(refusal)));
                }
            }
        }
        self.requests = still;
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::tests::pending;

    const NOW: UnixTime = UnixTime::from_secs(1000);

    #[test]
    fn a_request_waits_only_so_long() {
        let (mut waiting, mut tokens) = (Waiting::default(), Tokens::default());
        waiting.push(7, pending(), NOW).unwrap();
        assert!(
            waiting
                .resume(&mut tokens, NOW.after(LONGEST_WAIT - Duration::from_millis(1)))
                .is_empty()
        );
        let done = waiting.resume(&mut tokens, NOW.after(LONGEST_WAIT));
        assert!(
            matches!(&done[..], [(7, Verdict::Refuse(refused))] if refused.refusal.reply().code == 503)
        );
        assert!(waiting.is_empty());
    }

    #[test]
    fn only_so_many_wait() {
        let mut waiting = Waiting::default();
        for stream in 0..1024 {
            waiting.push(stream, pending(), NOW).unwrap();
        }
        let refused = waiting.push(1024, pending(), NOW).unwrap_err();
        assert!(
            matches!(refused, Verdict::Refuse(refused) if refused.refusal.reply().code == 429)
        );
    }

    #[test]
    fn a_stream_that_ends_waits_no_longer() {
        let mut waiting = Waiting::default();
        waiting.push(7, pending(), NOW).unwrap();
        waiting.remove(7);
        assert!(waiting.is_empty());
    }
}
