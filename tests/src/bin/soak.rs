//! The long run of `scripts/soak`: a steady load on a running stack, and what it
//! does to Envoy's memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyhole_tests::accounts::Caller;
use keyhole_tests::audit::Follower;
use keyhole_tests::load::{Load, Summary};
use keyhole_tests::soak::{Sample, Verdict, sparkline};
use keyhole_tests::stack::Stack;
use serde_json::{Value, json};

const INTERVAL: Duration = Duration::from_secs(10);
const THREADS: usize = 4;
/// With the requests' own time, about 50 requests a second in all.
const PAUSE: Duration = Duration::from_millis(70);
const SAMPLES_A_MINUTE: usize = 6;
const WIDTH: usize = 72;

struct Arguments {
    state: PathBuf,
    out: PathBuf,
    minutes: u64,
    accounts: usize,
}

struct Soak {
    stack: Stack,
    callers: Vec<Caller>,
    audit: Follower,
    token_requests: usize,
    begun: Instant,
    samples: Vec<Sample>,
}

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    let mut soak = Soak::new(&arguments)?;
    let ended = soak.run(Duration::from_secs(arguments.minutes * 60));
    // However it ended, what was seen is worth keeping.
    let samples = soak.samples;
    let verdict = Verdict::of(&samples);
    let report = json!({
        "minutes": arguments.minutes,
        "accounts": arguments.accounts,
        "verdict": verdict,
        "samples": samples,
    });
    fs::write(&arguments.out, serde_json::to_string_pretty(&report)?)?;
    plot(&samples);
    ended?;
    let Verdict { requests, failures, growth, passed } = verdict;
    println!(
        "{requests} requests, {failures} failed; memory {:+.1} % since the warm-up; {}",
        growth * 100.0,
        arguments.out.display()
    );
    ensure!(passed, "requests failed, or Envoy's memory grew by more than 10 %");
    println!("passed");
    Ok(())
}

fn plot(samples: &[Sample]) {
    let rss: Vec<u64> = samples.iter().map(|s| s.rss_bytes).collect();
    let failures: Vec<u64> = samples.iter().map(|s| s.failures as u64).collect();
    let top = |values: &[u64]| values.iter().max().copied().unwrap_or(0);
    println!("RSS       {}  top {} MiB", sparkline(&rss, WIDTH), top(&rss) >> 20);
    println!("failures  {}  top {} in 10 s", sparkline(&failures, WIDTH), top(&failures));
}

// === impl Arguments ===

impl Arguments {
    fn read() -> Result<Self> {
        let mut arguments = std::env::args().skip(1);
        let mut next = |what| arguments.next().with_context(|| format!("no {what}"));
        Ok(Self {
            state: next("state folder")?.into(),
            out: next("file for the report")?.into(),
            minutes: next("minutes")?.parse().context("minutes are a number")?,
            accounts: next("accounts")?.parse().context("accounts are a number")?,
        })
    }
}

// === impl Soak ===

impl Soak {
    fn new(arguments: &Arguments) -> Result<Self> {
        let stack = Stack::running(&arguments.state)?;
        let names: Vec<_> = (0..arguments.accounts).map(|n| format!("soak-{n}")).collect();
        let callers = stack.callers(&names)?;
        let audit = stack.audit().follow()?;
        let (begun, samples) = (Instant::now(), Vec::new());
        Ok(Self { stack, callers, audit, token_requests: 0, begun, samples })
    }

    fn run(&mut self, duration: Duration) -> Result<()> {
        while self.begun.elapsed() < duration {
            let name = format!("soak-{}", self.samples.len());
            let load = Load { name: &name, threads: THREADS, pause: PAUSE, duration: INTERVAL };
            let summary = load.run(&self.callers, &AtomicBool::new(false));
            let doubled = self.clean(&name)?;
            for failure in summary.wrong.iter().chain(&summary.lost).take(3) {
                println!("{failure}");
            }
            let sample = self.sample(&summary, doubled)?;
            self.samples.push(sample);
            if self.samples.len().is_multiple_of(SAMPLES_A_MINUTE) {
                progress(&self.samples);
            }
        }
        Ok(())
    }

    /// Deletes what a load made, and says how much of it was made twice.
    fn clean(&self, load: &str) -> Result<usize> {
        let made = self.stack.made(load)?;
        let path = format!("/api/v1/namespaces/default/configmaps?labelSelector=load%3D{load}");
        self.stack.kubectl(&["delete", "--raw", &path])?;
        Ok(made.duplicates)
    }

    fn sample(&mut self, summary: &Summary, doubled: usize) -> Result<Sample> {
        self.token_requests += self.audit.token_requests()?;
        let milliseconds = |percent| summary.percentile(percent).as_secs_f64() * 1000.0;
        Ok(Sample {
            seconds: self.begun.elapsed().as_secs(),
            rss_bytes: self.rss()?,
            allocated_bytes: self.allocated()?,
            requests: summary.sent,
            failures: summary.failed() + doubled,
            p50_ms: milliseconds(50),
            p99_ms: milliseconds(99),
            token_requests: self.token_requests,
        })
    }

    fn rss(&self) -> Result<u64> {
        let status =
            Path::new("/proc").join(self.stack.var("KEYHOLE_ENVOY_PID")).join("status");
        let status = fs::read_to_string(status).context("Envoy has ended")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
        Ok(kilobytes.parse::<u64>()? << 10)
    }

    fn allocated(&self) -> Result<u64> {
        let memory: Value = serde_json::from_str(&self.stack.admin("GET", "/memory")?)?;
        Ok(memory["allocated"].as_str().context("no `allocated`")?.parse()?)
    }
}

fn progress(samples: &[Sample]) {
    let Some(last) = samples.last() else { return };
    let minute = &samples[samples.len().saturating_sub(SAMPLES_A_MINUTE)..];
    println!(
        "{:>4} min: {} requests, {} failed, p50 {:.1} ms, p99 {:.1} ms, RSS {} MiB, {} TokenRequests so far",
        last.seconds / 60,
        minute.iter().map(|s| s.requests).sum::<usize>(),
        minute.iter().map(|s| s.failures).sum::<usize>(),
        last.p50_ms,
        last.p99_ms,
        last.rss_bytes >> 20,
        last.token_requests
    );
}
