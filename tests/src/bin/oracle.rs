//! The long run of `scripts/oracle`: Keyhole's reading of requests beside the apiserver's.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use keyhole_tests::oracle;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut count, mut seed) = (1_000_000, fastrand::u64(..));
    while let Some(argument) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{argument} needs a number"))?;
        match argument.as_str() {
            "--count" => count = value.parse().context("--count needs a number")?,
            "--seed" => seed = value.parse().context("--seed needs a number")?,
            _ => anyhow::bail!("unknown argument {argument}: use --count N, --seed N"),
        }
    }
    let start = Instant::now();
    let mut shown = 0;
    let report = oracle::run(count, seed, |report| {
        if report.requests >= shown + 1_000_000 {
            shown = report.requests;
            println!("{shown} requests, {} forwarded", report.forwarded);
        }
    })?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} requests (seed {seed}) in {seconds:.1} s, {:.0} a second; {} forwarded ({:.1} %); {} mismatches",
        report.requests,
        report.requests as f64 / seconds,
        report.forwarded,
        100.0 * report.forwarded as f64 / report.requests as f64,
        report.mismatches.len()
    );
    for mismatch in &report.mismatches {
        println!("{mismatch}");
    }
    ensure!(report.mismatches.is_empty(), "the two readings differ");
    ensure!(
        report.forwarded * 5 >= report.requests,
        "too few were forwarded to prove anything"
    );
    Ok(())
}
