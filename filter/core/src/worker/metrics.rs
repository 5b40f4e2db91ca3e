//! What an operator watches. Counted here, and handed to the host once a second, so
//! that a request costs no host call for it.
//!
//! Labels are part of an Envoy statistic's name; `stats_tags` in envoy/bootstrap.yaml
//! takes them out again: `keyhole_decisions_total.client.<client>.verb.<verb>.outcome.<outcome>`
//! becomes `keyhole_decisions_total{client="...",verb="...",outcome="..."}`.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;

use crate::admit::{Subject, Verdict};
use crate::body::Judged;
use crate::config::Revision;
use crate::pod::failure::Failure;
use crate::refusal::{Refusal, Refused};
use crate::request::verb::Verb;
use crate::time::{Steady, UnixTime};

/// How often they are handed over.
const PERIOD: Duration = Duration::from_secs(1);
/// Clients beyond these are counted together, as `other`.
const MOST_CLIENTS: usize = 256;
/// There from the start: Prometheus does not see the first of what was not there before.
const COUNTERS: [&str; 26] = [
    "keyhole_issuer_keys_failures_total.cause.malformed",
    "keyhole_issuer_keys_failures_total.cause.no_answer",
    "keyhole_issuer_keys_failures_total.cause.refused",
    "keyhole_issuer_keys_failures_total.cause.unavailable",
    "keyhole_issuer_keys_fetched_total",
    "keyhole_logins_refused_total.cause.audience",
    "keyhole_logins_refused_total.cause.client",
    "keyhole_logins_refused_total.cause.issuer",
    "keyhole_logins_refused_total.cause.key",
    "keyhole_logins_refused_total.cause.malformed",
    "keyhole_logins_refused_total.cause.no_keys",
    "keyhole_logins_refused_total.cause.signature",
    "keyhole_logins_refused_total.cause.time",
    "keyhole_logins_refused_total.cause.too_many",
    "keyhole_logins_verified_total",
    "keyhole_policies_refused_total",
    "keyhole_requests_resent_total",
    "keyhole_token_failures_total.cause.keys",
    "keyhole_token_failures_total.cause.malformed",
    "keyhole_token_failures_total.cause.no_answer",
    "keyhole_token_failures_total.cause.refused",
    "keyhole_token_failures_total.cause.unavailable",
    "keyhole_token_failures_total.cause.unverified",
    "keyhole_tokens_minted_total",
    "keyhole_tokens_rejected_total",
    "keyhole_tokens_renewed_total",
];

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    pub name: String,
    pub change: Change,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// To a counter.
    Add(i64),
    /// To a gauge, as one of several workers.
    Shift(i64),
    /// Of a gauge.
    Set(u64),
}

#[derive(Debug)]
pub(crate) struct Metrics {
    decisions: HashMap<Arc<str>, BTreeMap<(&'static str, &'static str), i64>>,
    counters: BTreeMap<String, i64>,
    gauges: BTreeMap<&'static str, u64>,
    /// What was handed over last.
    waiting: Option<i64>,
    handed_over: Steady,
}

// === impl Default ===

impl Default for Metrics {
    fn default() -> Self {
        Self {
            decisions: HashMap::new(),
            counters: COUNTERS.map(|name| (name.to_string(), 0)).into(),
            gauges: BTreeMap::new(),
            waiting: None,
            handed_over: Steady::default(),
        }
    }
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn decided(&mut self, verdict: &Verdict<'_>) {
        match verdict {
            Verdict::Answer(_) => {}
            Verdict::Forward(forward) => {
                let outcome = if forward.reported().is_some() { "reported" } else { "allowed" };
                self.decision(&forward.sent().subject, outcome);
            }
            Verdict::Refuse(refused) => self.refused(refused),
        }
    }

    /// A request that the gateway sends itself.
    pub(crate) fn sent_by_gateway(&mut self, subject: &Subject, is_reported: bool) {
        self.decision(subject, if is_reported { "reported" } else { "allowed" });
    }

    pub(crate) fn refused(&mut self, refused: &Refused) {
        if let Refusal::Login(login) = &refused.refusal {
            self.count(&format!("keyhole_logins_refused_total.cause.{}", login.cause()));
        }
        self.decision(&refused.subject, refused.refusal.outcome());
    }

    pub(crate) fn body_judged(&mut self, judged: &Result<(Subject, Judged), Refused>) {
        match judged {
            Ok((subject, judged)) => {
                let outcome = if judged.reported.is_some() { "reported" } else { "allowed" };
                self.decision(subject, outcome);
            }
            Err(refused) => self.refused(refused),
        }
    }

    fn decision(&mut self, subject: &Subject, outcome: &'static str) {
        let known = self.decisions.len() < MOST_CLIENTS;
        let client = match subject.client() {
            Some(client) if known || self.decisions.contains_key(client) => Arc::clone(client),
            Some(_) => Arc::from("other"),
            None => Arc::from("unknown"),
        };
        let verb = subject.verb.map_or("unknown", Verb::as_str);
        let count =
            self.decisions.entry(client).or_default().entry((verb, outcome)).or_default();
        *count = count.saturating_add(1);
    }

    /// A TokenRequest was answered.
    pub(crate) fn asked(&mut self, renewal: bool, failure: Option<&Failure>) {
        match (failure, renewal) {
            (None, false) => self.count("keyhole_tokens_minted_total"),
            (None, true) => self.count("keyhole_tokens_renewed_total"),
            (Some(failure), _) => {
                self.count(&format!("keyhole_token_failures_total.cause.{}", failure.cause()));
            }
        }
    }

    /// Signatures of clients' tokens were checked, and right.
    pub(crate) fn verified(&mut self, times: u32) {
        if times > 0 {
            self.count_many("keyhole_logins_verified_total", times.into());
        }
    }

    /// An issuer was asked for its keys.
    pub(crate) fn issuer_asked(&mut self, failure: Option<&Failure>) {
        match failure {
            None => self.count("keyhole_issuer_keys_fetched_total"),
            Some(failure) => {
                let cause = failure.cause();
                self.count(&format!("keyhole_issuer_keys_failures_total.cause.{cause}"));
            }
        }
    }

    /// The apiserver did not accept a token.
    pub(crate) fn rejected(&mut self) {
        self.count("keyhole_tokens_rejected_total");
    }

    /// A request is sent once more.
    pub(crate) fn resent(&mut self) {
        self.count("keyhole_requests_resent_total");
    }

    /// The first 12 hex digits of the policy's digest, as a number.
    pub(crate) fn policy(&mut self, revision: &Revision, since: UnixTime) {
        let number = u64::from_str_radix(revision.as_str(), 16).unwrap_or(0);
        self.gauges.insert("keyhole_policy_revision", number);
        self.gauges.insert("keyhole_policy_loaded_timestamp_seconds", since.as_secs());
    }

    /// A policy was read that cannot be put in force.
    pub(crate) fn policy_refused(&mut self) {
        self.count("keyhole_policies_refused_total");
    }

    /// What is in shared memory, for the whole pod; `earliest` is the time until the
    /// first of them ends.
    pub(crate) fn held(&mut self, tokens: u64, earliest: Duration) {
        self.gauges.insert("keyhole_tokens_held", tokens);
        self.gauges.insert("keyhole_token_earliest_expiry_seconds", earliest.as_secs());
    }

    fn count(&mut self, name: &str) {
        self.count_many(name, 1);
    }

    fn count_many(&mut self, name: &str, times: i64) {
        let count = self.counters.entry(name.to_string()).or_default();
        *count = count.saturating_add(times);
    }

    pub(crate) fn samples(&mut self, waiting: usize, now: Steady) -> Vec<Sample> {
        if now < self.handed_over.after(PERIOD) {
            return Vec::new();
        }
        self.handed_over = now;
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        let before = self.waiting.replace(waiting);
        let mut samples = Vec::new();
        let mut sample = |name: String, change| samples.push(Sample { name, change });
        if before != Some(waiting) {
            let shift = waiting.saturating_sub(before.unwrap_or(0));
            sample("keyhole_requests_waiting".to_string(), Change::Shift(shift));
        }
        for (name, count) in core::mem::take(&mut self.counters) {
            sample(name, Change::Add(count));
        }
        for (name, value) in core::mem::take(&mut self.gauges) {
            sample(name.to_string(), Change::Set(value));
        }
        for (client, counts) in &mut self.decisions {
            for ((verb, outcome), count) in core::mem::take(counts) {
                let labels = format!("client.{client}.verb.{verb}.outcome.{outcome}");
                sample(format!("keyhole_decisions_total.{labels}"), Change::Add(count));
            }
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::{LoginRefused, Why};
    use crate::policy::Holder;
    use alloc::boxed::Box;

    fn decide(metrics: &mut Metrics, client: &str) {
        let holder = Holder { client: client.into(), record: "{}".into() };
        let subject = Subject { holder: Some(Arc::new(holder)), verb: Some(Verb::List) };
        let refusal = Refusal::NoAnswer;
        metrics.decided(&Verdict::Refuse(Refused::new(subject, refusal)));
    }

    fn seconds(seconds: u64) -> Steady {
        Steady::from_millis(seconds * 1000)
    }

    #[test]
    fn what_was_counted_is_handed_over_once() {
        let mut metrics = Metrics::default();
        metrics.samples(0, seconds(1));
        decide(&mut metrics, "a.b");
        decide(&mut metrics, "a.b");
        metrics.asked(true, None);
        let sample = |name: &str, change| Sample { name: name.to_string(), change };
        assert_eq!(
            metrics.samples(3, seconds(2)),
            [
                sample("keyhole_requests_waiting", Change::Shift(3)),
                sample("keyhole_tokens_renewed_total", Change::Add(1)),
                sample(
                    "keyhole_decisions_total.client.a.b.verb.list.outcome.unavailable",
                    Change::Add(2)
                ),
            ]
        );
        assert_eq!(metrics.samples(3, seconds(3)), []);
        let fewer = [sample("keyhole_requests_waiting", Change::Shift(-3))];
        assert_eq!(metrics.samples(0, seconds(4)), fewer);
    }

    #[test]
    fn whatever_can_be_counted_is_there_from_the_start() {
        let mut metrics = Metrics::default();
        let mut expected: Vec<Sample> = COUNTERS
            .map(|name| Sample { name: name.to_string(), change: Change::Add(0) })
            .into();
        let name = "keyhole_requests_waiting".to_string();
        expected.insert(0, Sample { name, change: Change::Shift(0) });
        assert_eq!(metrics.samples(0, seconds(1)), expected);
        metrics.rejected();
        metrics.resent();
        metrics.policy_refused();
        let refused = |status| {
            let (message, retry_after) = (String::new(), None);
            Failure::Refused { status, message, retry_after }
        };
        for failure in [
            Failure::Keys(Box::new(Failure::NoAnswer)),
            Failure::malformed(""),
            Failure::NoAnswer,
            Failure::UnknownKey,
            refused(403),
            refused(500),
        ] {
            metrics.asked(false, Some(&failure));
        }
        metrics.asked(false, None);
        metrics.asked(true, None);
        for failure in [
            Failure::malformed(""),
            Failure::NoAnswer,
            refused(302),
            refused(403),
            refused(500),
        ] {
            metrics.issuer_asked(Some(&failure));
        }
        metrics.issuer_asked(None);
        metrics.verified(1);
        for why in [
            Why::Algorithm,
            Why::Audience,
            Why::Client(String::new()),
            Why::Expired,
            Why::Header("crit"),
            Why::Issuer,
            Why::Key,
            Why::Keys { wait: Duration::ZERO },
            Why::Malformed(""),
            Why::NotYetValid,
            Why::Several,
            Why::Signature,
            Why::TooMany,
        ] {
            let refusal = LoginRefused { issuer: None, why }.into();
            metrics.refused(&Refused::new(Subject::default(), refusal));
        }
        let samples = metrics.samples(0, seconds(2));
        let names = samples.iter().map(|sample| &*sample.name);
        let names: Vec<&str> =
            names.filter(|name| !name.starts_with("keyhole_decisions_total")).collect();
        assert_eq!(names, COUNTERS);
    }

    #[test]
    fn no_more_names_than_a_bound() {
        let mut metrics = Metrics::default();
        metrics.samples(0, seconds(1));
        for n in 0..1000 {
            decide(&mut metrics, &format!("c{n}"));
        }
        let samples = metrics.samples(0, seconds(2));
        assert_eq!(samples.len(), MOST_CLIENTS + 1);
        assert!(samples.iter().any(|sample| {
            sample.name.contains(".other.") && sample.change == Change::Add(744)
        }));
    }
}
