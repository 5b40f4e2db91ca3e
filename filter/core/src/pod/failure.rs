//! Why the apiserver gave nothing, and how long to leave it alone.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::time::part_of;

/// `Display` names what a platform engineer can mend. It never contains a token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
pub enum Failure {
    #[error("the cluster's signing keys, to check tokens against, cannot be had: {0}")]
    Keys(Box<Self>),
    #[error("the apiserver's answer is malformed: {0}")]
    Malformed(String),
    #[error(
        "nothing answered in time: look whether the apiserver runs, and whether the gateway's own token and CA files are there"
    )]
    NoAnswer,
    #[error("asking for it was answered {status}: {message}: {advice}", advice = advice(*.status))]
    Refused { status: u16, message: String, retry_after: Option<u32> },
    #[error("the apiserver gave a token that fails its check: {0}")]
    Unverified(String),
    #[error("the apiserver gave a token of a key, or an issuer, that it does not publish")]
    UnknownKey,
}

/// Longer messages of the apiserver are cut.
const LONGEST_MESSAGE: usize = 500;
/// A refusal is mended by people: they should see the effect soon.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// Of what an apiserver asks for with Retry-After.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

// === impl Failure ===

impl Failure {
    pub(crate) fn malformed(why: &str) -> Self {
        Self::Malformed(why.to_owned())
    }

    /// What an answer other than the expected one means.
    pub(crate) fn of(answer: &Answer) -> Self {
        let Some(status) = answer.status() else {
            return match answer {
                Answer::None => Self::NoAnswer,
                Answer::Some { .. } => Self::malformed("it has no status code"),
            };
        };
        let message = match answer.json::<ErrorBody>() {
            // Only an error is quoted: whatever else came may contain a token.
            _ if status < 400 => "which is not the answer to this".to_owned(),
            Some(error) => one_line(&error.message),
            None => excerpt(answer.body()),
        };
        Self::Refused { status, message, retry_after: answer.retry_after() }
    }

    /// A word for metrics.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Keys(_) => "keys",
            Self::Malformed(_) => "malformed",
            Self::NoAnswer => "no_answer",
            Self::Refused { status, .. } if is_refusal(*status) => "refused",
            Self::Refused { .. } => "unavailable",
            Self::UnknownKey | Self::Unverified(_) => "unverified",
        }
    }

    /// How long not to ask again, when `times` in a row went wrong: a refusal is
    /// remembered shortly; all else doubles from 1 s to 30 s, or what the apiserver
    /// asks for if it is longer. Up to half as long again is added by `jitter`, so
    /// that many gateways do not come back at once.
    pub(crate) fn pause(&self, times: u32, jitter: u64) -> Duration {
        let pause = match self {
            Self::Refused { status, .. } if is_refusal(*status) => AFTER_REFUSAL,
            Self::Refused { retry_after, .. } => {
                let asked = Duration::from_secs(retry_after.unwrap_or(0).into());
                doubled(times).max(asked.min(LONGEST_RETRY_AFTER))
            }
            _ => doubled(times),
        };
        pause.saturating_add(part_of(pause.checked_div(2).unwrap_or_default(), jitter))
    }
}

/// 429 is no judgement: it says that the apiserver is busy.
const fn is_refusal(status: u16) -> bool {
    matches!(status, 400..=428 | 430..=499)
}

fn doubled(times: u32) -> Duration {
    let factor = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST.saturating_mul(factor).min(LONGEST)
}

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

/// For the log: what the apiserver says must not look like a line of ours.
pub(crate) fn one_line(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    words.join(" ").chars().filter(|char| !char.is_control()).take(LONGEST_MESSAGE).collect()
}

/// What Envoy says when it answers in the apiserver's place.
fn excerpt(body: &[u8]) -> String {
    let printable = body.iter().filter(|byte| matches!(byte, b' '..=b'~'));
    match printable.take(200).map(|byte| char::from(*byte)).collect::<String>() {
        text if text.is_empty() => "without a reason".to_string(),
        text => text,
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => "look whether the gateway's own token file is there and valid",
        403 => "allow it to the gateway's account, as `keyhole rbac gateway` prints it",
        404 => "create the ServiceAccount, or correct the client's `serviceAccount`",
        422 => "correct the client's `expirationSeconds` or `audiences`",
        429 => "the apiserver is overloaded",
        503 => {
            "look whether the apiserver runs, and whether its certificate chains to the CA file"
        }
        _ => "look at the apiserver's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::{answer, with_header};

    fn refused(status: u16, message: &str) -> Failure {
        Failure::Refused { status, message: message.to_owned(), retry_after: None }
    }

    #[test]
    #[rustfmt::skip]
    fn an_answer_is_quoted_only_if_it_is_an_error() {
        for (answer, expected) in [
            (Answer::None,                                  Failure::NoAnswer),
            (answer("", b""),                               Failure::malformed("it has no status code")),
            (answer("x", b""),                              Failure::malformed("it has no status code")),
            (answer("200", br#"{"message":"a token"}"#),    refused(200, "which is not the answer to this")),
            (answer("404", br#"{"message":"gone"}"#),       refused(404, "gone")),
            (answer("503", b"connect\r\nerror"),            refused(503, "connecterror")),
            (answer("500", b""),                            refused(500, "without a reason")),
        ] {
            assert_eq!(Failure::of(&answer), expected);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_refusal_is_remembered_shortly_and_all_else_backs_off() {
        let busy = Failure::of(&with_header(answer("503", b""), "retry-after", "20"));
        let forever = Failure::of(&with_header(answer("429", b""), "retry-after", "100000"));
        for (failure, times, jitter, expected) in [
            (&refused(404, ""),   1, 0,     5_000),
            (&refused(403, ""),   9, 0,     5_000),
            (&refused(403, ""),   9, 2_499, 7_499),
            (&refused(403, ""),   9, 2_500, 5_000),
            (&Failure::NoAnswer,  1, 0,     1_000),
            (&Failure::NoAnswer,  1, 499,   1_499),
            (&Failure::NoAnswer,  2, 0,     2_000),
            (&Failure::NoAnswer,  5, 0,     16_000),
            (&Failure::NoAnswer,  6, 0,     30_000),
            (&Failure::NoAnswer,  u32::MAX, 0, 30_000),
            (&refused(429, ""),   1, 0,     1_000),
            (&refused(500, ""),   3, 0,     4_000),
            (&busy,               1, 0,     20_000),
            (&busy,               6, 0,     30_000),
            (&forever,            1, 0,     120_000),
        ] {
            let pause = failure.pause(times, jitter);
            assert_eq!(pause, Duration::from_millis(expected), "{failure:?} {times} {jitter}");
        }
    }
}
