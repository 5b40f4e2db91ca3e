//! How the cost of a request grows: with the policy, the connections, the body on its way
//! there, and the answer on its way back.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::contestant::{Contestant, Running};
use super::gateway::{Gateway, Words};
use super::load::Load;
use super::report::Spread;
use super::{LARGE_LIST, LIST, POD};

const ROUNDS: usize = 5;
const CONNECTIONS: u32 = 16;
const POLICIES: [(usize, usize); 4] = [(1, 20), (100, 100), (1000, 1000), (10_000, 1000)];

#[derive(Debug, Serialize)]
pub struct Scale {
    pub policies: Vec<PolicyRow>,
    pub traffic: Vec<TrafficRow>,
}

#[derive(Debug, Serialize)]
pub struct PolicyRow {
    pub clients: usize,
    pub rules: usize,
    /// Until the first request is answered 200, beyond what a bare Envoy takes.
    pub load_seconds: f64,
    /// Beyond a bare Envoy.
    pub rss_bytes: u64,
    pub cpu_us: Spread,
}

#[derive(Debug, Serialize)]
pub struct TrafficRow {
    pub what: String,
    pub bare_us: Spread,
    pub keyhole_us: Spread,
}

pub fn measure(dir: &Path, duration: Duration) -> Result<Scale> {
    let words = Words::new()?;
    let upstream = Gateway::upstream(dir, &words)?;
    let words = words.with("UPSTREAM", upstream.port);
    let load = Load { path: POD, body_bytes: 0, connections: CONNECTIONS, duration };

    let (bare, bare_takes) = started(Contestant::BARE, dir, &words)?;
    let mut policies = Vec::new();
    for (clients, rules) in POLICIES {
        println!("{clients} clients");
        let (running, takes) = started(Contestant::keyhole(clients, rules), dir, &words)?;
        load.saturate(&running.origin(), &running.credential)?;
        let cpu_us = cpu(&load, &running)?;
        let rss_bytes = running.rss_bytes()?.saturating_sub(bare.rss_bytes()?);
        let load_seconds = takes.saturating_sub(bare_takes).as_secs_f64();
        policies.push(PolicyRow { clients, rules, load_seconds, rss_bytes, cpu_us });
    }

    let (keyhole, _) = started(Contestant::keyhole(1, 20), dir, &words)?;
    let mut traffic = Vec::new();
    let loads = [1, 16, 100, 1000]
        .map(|n| (format!("{n} connections"), Load { connections: n, ..load }));
    let bodies =
        [(1 << 10, "1 KB"), (64 << 10, "64 KB"), (1 << 20, "1 MB"), (10 << 20, "10 MB")];
    let bodies =
        bodies.map(|(n, size)| (format!("a body of {size}"), Load { body_bytes: n, ..load }));
    let lists = [
        ("a list of 2 KB back, compact", LIST),
        ("4 MB back", LARGE_LIST),
        ("4 MB back, compact", LARGE_LIST.trim_end_matches("?view=full")),
    ];
    let lists = lists.map(|(what, path)| (what.to_owned(), Load { path, ..load }));
    for (what, load) in loads.into_iter().chain(bodies).chain(lists) {
        println!("{what}");
        let (bare_us, keyhole_us) = (cpu(&load, &bare)?, cpu(&load, &keyhole)?);
        traffic.push(TrafficRow { what, bare_us, keyhole_us });
    }
    Ok(Scale { policies, traffic })
}

fn started(contestant: Contestant, dir: &Path, words: &Words) -> Result<(Running, Duration)> {
    let begun = Instant::now();
    Ok((contestant.start(dir, words)?, begun.elapsed()))
}

/// Microseconds of the proxy for a request.
fn cpu(load: &Load, running: &Running) -> Result<Spread> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let [before, _] = running.cpu()?;
        let requests = load.saturate(&running.origin(), &running.credential)? as f64;
        let [after, _] = running.cpu()?;
        rounds.push((after - before).as_secs_f64() * 1e6 / requests);
    }
    Ok(Spread::of(rounds))
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "policy                       loads in      memory   CPU of a request")?;
        for PolicyRow { clients, rules, load_seconds, rss_bytes, cpu_us } in &self.policies {
            let megabytes = *rss_bytes as f64 / f64::from(1 << 20);
            let Spread { median, low, high } = cpu_us;
            writeln!(
                f,
                "{clients:>6} clients, {rules:>4} rules {load_seconds:>10.1} s {megabytes:>8.1} MB {median:>9.1} us ({low:.1}, {high:.1})"
            )?;
        }
        writeln!(f, "\n                                bare     keyhole   difference")?;
        for TrafficRow { what, bare_us, keyhole_us } in &self.traffic {
            let (bare, keyhole) = (bare_us.median, keyhole_us.median);
            writeln!(
                f,
                "{what:<30} {bare:>8.1} us {keyhole:>8.1} us {:>+9.1} us",
                keyhole - bare
            )?;
        }
        Ok(())
    }
}
