//! When a call is sent again, and how long it waits for that (rows 17 and 18).

use std::time::{Duration, SystemTime};

use jiff::fmt::rfc2822::DateTimeParser;

use super::deadline::Deadline;
use super::error::Error;
use super::response::Response;

const PAUSE: Duration = Duration::from_millis(200);

/// Attempts until one is good, or as many as are left, or until the deadline.
pub(super) fn run(
    retries: u64,
    deadline: Deadline,
    mut attempt: impl FnMut() -> Result<Response, Error>,
) -> Result<Response, Error> {
    let mut backoff = PAUSE;
    for _ in 0..retries {
        let outcome = attempt();
        let Some(wait) = wait(&outcome, backoff, SystemTime::now()) else { return outcome };
        deadline.sleep(wait)?;
        backoff *= 2;
    }
    attempt()
}

/// How long to wait before the next attempt, if there is to be one.
fn wait(
    outcome: &Result<Response, Error>,
    backoff: Duration,
    now: SystemTime,
) -> Option<Duration> {
    match outcome {
        Ok(response) if matches!(response.status, 408 | 429 | 500 | 502 | 503 | 504) => {
            let asked = response.values("retry-after").next();
            Some(asked.and_then(|value| retry_after(value, now)).unwrap_or(backoff))
        }
        Err(Error::Unreachable(_)) => Some(PAUSE),
        Ok(_) | Err(_) => None,
    }
}

/// `Retry-After`: seconds, or a date, which may have passed.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(value).ok()?;
    let seconds = u64::try_from(date.as_second()).ok()?;
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_18_retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, seconds) in [
            ("0", Some(0)),
            ("17", Some(17)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
