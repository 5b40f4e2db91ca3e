//! What a long run shows: samples, a plot of them, and a verdict.

use serde::Serialize;

/// Memory may grow by so much of its size after the warm-up.
const GROWTH: f64 = 0.10;
const WARM_UP_SECONDS: u64 = 15 * 60;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One interval.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Since the start.
    pub seconds: u64,
    pub rss_bytes: u64,
    /// By Envoy's own account.
    pub allocated_bytes: u64,
    pub requests: usize,
    pub failures: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Since the start.
    pub token_requests: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub requests: usize,
    pub failures: usize,
    /// Of Envoy's memory since the warm-up, as a part of its size.
    pub growth: f64,
    pub passed: bool,
}

// === impl Verdict ===

impl Verdict {
    /// Compares the first tenth after the warm-up with the last.
    pub fn of(samples: &[Sample]) -> Self {
        let end = samples.last().map_or(0, |last| last.seconds);
        let warm_up = WARM_UP_SECONDS.min(end / 4);
        let warm: Vec<u64> =
            samples.iter().filter(|s| s.seconds > warm_up).map(|s| s.rss_bytes).collect();
        let tenth = (warm.len() / 10).max(1).min(warm.len());
        let (first, last) = (&warm[..tenth], &warm[warm.len() - tenth..]);
        let growth = median(last) / median(first).max(1.0) - 1.0;
        let requests = samples.iter().map(|s| s.requests).sum();
        let failures = samples.iter().map(|s| s.failures).sum();
        let passed = requests > 0 && failures == 0 && growth <= GROWTH;
        Self { requests, failures, growth, passed }
    }
}

fn median(values: &[u64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).map_or(0.0, |value| *value as f64)
}

/// A line of at most `width` bars, from zero to the greatest value. Of the values
/// that share a bar, the greatest shows.
pub fn sparkline(values: &[u64], width: usize) -> String {
    let per_bar = values.len().div_ceil(width).max(1);
    let bars = values.chunks(per_bar).map(|chunk| chunk.iter().max().copied().unwrap_or(0));
    let top = values.iter().max().copied().unwrap_or(0).max(1);
    bars.map(|value| BARS[(value * 7).div_ceil(top) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rss: impl Fn(u64) -> u64, failures: usize) -> Verdict {
        let sample = |n| Sample {
            seconds: n * 10,
            rss_bytes: rss(n) << 20,
            requests: 500,
            failures: if n == 50 { failures } else { 0 },
            ..Sample::default()
        };
        Verdict::of(&(1..=100).map(sample).collect::<Vec<_>>())
    }

    #[test]
    fn a_run_without_failures_and_growth_passes() {
        assert!(run(|_| 60, 0).passed);
    }

    #[test]
    fn one_failed_request_fails_the_run() {
        assert!(!run(|_| 60, 1).passed);
    }

    #[test]
    fn what_grows_in_the_warm_up_only_passes() {
        assert!(run(|n| 30 + n.min(20), 0).passed);
    }

    #[test]
    fn what_keeps_growing_fails() {
        assert!(!run(|n| 60 + n / 5, 0).passed);
    }

    #[test]
    fn a_run_without_requests_fails() {
        assert!(!Verdict::of(&[]).passed);
    }

    #[test]
    fn a_sparkline_is_no_wider_than_told_and_shows_every_failure() {
        assert_eq!(sparkline(&[0, 1, 4, 7], 10), "▁▂▅█");
        assert_eq!(sparkline(&[0, 0, 0, 1, 0, 0], 3), "▁█▁");
        assert_eq!(sparkline(&[0, 0], 10), "▁▁");
        assert_eq!(sparkline(&[], 10), "");
    }
}
