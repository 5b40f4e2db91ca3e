//! Notices that this machine's clock is wrong: nothing of Keyhole's depends on it
//! but the validity of keys, though other things on the machine do.

use core::time::Duration;

use super::notice::Notice;
use crate::answer::Answer;
use crate::time::Now;

/// More than an answer's way and the apiserver's own inaccuracy explain.
const NOTABLE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Skew {
    is_notable: bool,
}

// === impl Skew ===

impl Skew {
    /// Says so when the clock turns out to be wrong, and when it is right again.
    pub(crate) fn notice(&mut self, answer: &Answer, now: Now) -> Option<Notice> {
        let server = answer.date()?;
        let (behind, ahead) = (now.wall.until(server), server.until(now.wall));
        let is_notable = behind.max(ahead) > NOTABLE;
        if core::mem::replace(&mut self.is_notable, is_notable) == is_notable {
            return None;
        }
        Some(match is_notable {
            true => {
                let (seconds, side) = match behind > ahead {
                    true => (behind.as_secs(), "behind"),
                    false => (ahead.as_secs(), "ahead of"),
                };
                Notice::warning(&format_args!(
                    "this machine's clock is {seconds} s {side} the apiserver's: correct it, for `notBefore` and `notAfter` of keys are read by it"
                ))
            }
            false => Notice::info(&"this machine's clock agrees with the apiserver's again"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::{answer, with_header};
    use crate::time::{Steady, UnixTime};
    use alloc::string::ToString;

    #[test]
    fn a_wrong_clock_is_told_once_and_once_when_it_is_right_again() {
        let answer = with_header(answer("201", b""), "date", "Thu, 01 Jan 1970 01:00:00 GMT");
        let mut skew = Skew::default();
        let mut said = |secs| {
            let wall = UnixTime::from_secs(secs);
            let now = Now { wall, steady: Steady::default(), jitter: 0 };
            skew.notice(&answer, now).map(|notice| notice.to_string())
        };
        assert_eq!([said(3600), said(3630), said(3570)], [None, None, None]);
        assert!(said(3631).unwrap().starts_with("this machine's clock is 31 s ahead of"));
        assert_eq!(said(4000), None);
        assert!(said(3601).unwrap().ends_with("again"));
        assert!(said(1).unwrap().starts_with("this machine's clock is 3599 s behind"));
    }
}
