//! What became of requests.

use std::time::Duration;

use crate::client::Response;

/// What became of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    Ok,
    /// A `Status` with 429, 503 or 504, in its proper form.
    Refused(u16),
    /// Any other answer.
    Wrong(String),
    /// No answer.
    Lost(String),
}

/// What became of a load.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub sent: usize,
    pub ok: usize,
    pub refused: usize,
    pub wrong: Vec<String>,
    pub lost: Vec<String>,
    /// The mutations that were sent, and those that were answered 201.
    pub mutations: usize,
    pub created: usize,
    latencies: Vec<Duration>,
}

// === impl Outcome ===

impl Outcome {
    /// Of an answer that is not what was asked for.
    pub fn of_refusal(answer: &Response) -> Self {
        let code = answer.status;
        let is_status =
            answer.field("/kind") == "Status" && answer.field("/code") == code.to_string();
        let may_retry = code != 503 || answer.header("retry-after").is_some();
        let is_unknown = code == 409 && answer.field("/reason") == "OutcomeUnknown";
        if (matches!(code, 429 | 503 | 504) || is_unknown) && is_status && may_retry {
            Self::Refused(code)
        } else {
            let body = String::from_utf8_lossy(&answer.body);
            Self::Wrong(format!("{code} {}", body.chars().take(200).collect::<String>()))
        }
    }
}

// === impl Summary ===

impl Summary {
    pub(super) fn count(&mut self, outcome: Outcome, latency: Duration) {
        self.sent += 1;
        self.latencies.push(latency);
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Refused(_) => self.refused += 1,
            Outcome::Wrong(answer) => self.wrong.push(answer),
            Outcome::Lost(error) => self.lost.push(error),
        }
    }

    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.ok += other.ok;
        self.refused += other.refused;
        self.wrong.extend(other.wrong);
        self.lost.extend(other.lost);
        self.mutations += other.mutations;
        self.created += other.created;
        self.latencies.extend(other.latencies);
    }

    /// Requests that came to nothing, whoever's fault it was.
    pub fn failed(&self) -> usize {
        self.sent - self.ok
    }

    /// The latency that so many percent of the requests did not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let last = latencies.len().saturating_sub(1);
        latencies.get(last * percent / 100).copied().unwrap_or_default()
    }
}
