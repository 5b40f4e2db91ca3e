//! `scripts/bench`: all contestants side by side.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser};
use keyhole_tests::bench::apiserver;
use keyhole_tests::bench::authz::{self, Protocol};
use keyhole_tests::bench::chart;
use keyhole_tests::bench::contestant::{ALL, Contestant, Running};
use keyhole_tests::bench::gateway::{Gateway, Words};
use keyhole_tests::bench::load::Load;
use keyhole_tests::bench::report::{Report, Round, Row};
use keyhole_tests::bench::scale;
use serde_json::json;

const CONNECTIONS: u32 = 16;

#[derive(Parser)]
enum Command {
    /// Measures
    Run(Plan),
    /// Measures how the cost grows
    Scale {
        /// Of each measurement
        #[arg(long)]
        seconds: u64,
        /// A folder for scale.json, configurations and logs
        #[arg(long)]
        out: PathBuf,
    },
    /// Measures what a gateway adds to a real kube-apiserver
    Apiserver {
        #[arg(long)]
        rounds: usize,
        /// Of each measurement
        #[arg(long)]
        seconds: u64,
        /// A folder for apiserver.json
        #[arg(long)]
        out: PathBuf,
    },
    /// Plays a service that is asked
    Serve { protocol: Protocol, port: u16 },
}

#[derive(Args)]
struct Plan {
    /// A few contestants only, without latencies
    #[arg(long)]
    quick: bool,
    #[arg(long)]
    rounds: usize,
    /// Of each measurement
    #[arg(long)]
    seconds: u64,
    /// Requests a second for the latencies
    #[arg(long, default_value_t = 2000)]
    rate: u32,
    /// A folder for bench.json, bench.svg, configurations and logs
    #[arg(long)]
    out: PathBuf,
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Run(plan) => {
            fs::create_dir_all(&plan.out)?;
            let report = plan.run(&plan.out)?;
            let seen = json!({"ratios": report.ratios(), "report": report});
            fs::write(plan.out.join("bench.json"), serde_json::to_string_pretty(&seen)?)?;
            fs::write(plan.out.join("bench.svg"), chart::draw(&report))?;
            print!("{report}");
            Ok(())
        }
        Command::Scale { seconds, out } => {
            fs::create_dir_all(&out)?;
            let scale = scale::measure(&out, Duration::from_secs(seconds))?;
            fs::write(out.join("scale.json"), serde_json::to_string_pretty(&scale)?)?;
            print!("{scale}");
            Ok(())
        }
        Command::Apiserver { rounds, seconds, out } => {
            fs::create_dir_all(&out)?;
            let report = apiserver::measure(rounds, Duration::from_secs(seconds))?;
            fs::write(out.join("apiserver.json"), serde_json::to_string_pretty(&report)?)?;
            print!("{report}");
            Ok(())
        }
        Command::Serve { protocol, port } => authz::serve(protocol, port),
    }
}

impl Plan {
    fn run(&self, dir: &Path) -> Result<Report> {
        let words = Words::new()?;
        let upstream = Gateway::upstream(dir, &words)?;
        let words = words.with("UPSTREAM", upstream.port);
        let chosen = |own: &&Contestant| own.quick || !self.quick;
        let mut all = Vec::new();
        for contestant in ALL.iter().filter(chosen) {
            println!("starting: {}", contestant.name);
            all.push(contestant.start(dir, &words)?);
        }
        for running in &all {
            self.load(running, 1).saturate(&running.origin(), &running.credential)?;
        }
        let mut rows: Vec<Row> = Vec::new();
        for Running { contestant, .. } in &all {
            let (name, what) = (contestant.name, contestant.what);
            rows.push(Row { name, what, rss_bytes: 0, rounds: Vec::new() });
        }
        for round in 1..=self.rounds {
            println!("round {round} of {}", self.rounds);
            for (running, row) in all.iter().zip(&mut rows) {
                row.rounds.push(self.measure(running)?);
                row.rss_bytes = running.rss_bytes()?;
            }
        }
        Ok(Report {
            processor: Report::processor(),
            connections: CONNECTIONS,
            seconds: self.seconds,
            rate: self.rate,
            rows,
        })
    }

    fn measure(&self, running: &Running) -> Result<Round> {
        let load = self.load(running, self.seconds);
        let before = running.cpu()?;
        let requests = load.saturate(&running.origin(), &running.credential)? as f64;
        let after = running.cpu()?;
        let micros = |n: usize| (after[n] - before[n]).as_secs_f64() * 1e6 / requests;
        let latency = match self.quick {
            true => None,
            false => Some(load.latency(&running.origin(), &running.credential, self.rate)?),
        };
        Ok(Round {
            cpu_us: micros(0),
            service_us: micros(1),
            requests_per_second: requests / self.seconds as f64,
            latency,
        })
    }

    fn load(&self, running: &Running, seconds: u64) -> Load {
        let duration = Duration::from_secs(seconds);
        Load {
            path: running.contestant.path(),
            body_bytes: 0,
            connections: CONNECTIONS,
            duration,
        }
    }
}
