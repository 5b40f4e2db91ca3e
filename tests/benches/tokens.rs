//! What a TokenRequest costs kube-apiserver and etcd: a gateway that keeps all its tokens
//! at hand asks for 500 at once.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use keyhole_tests::stack::Stack;

const ACCOUNTS: usize = 500;

/// Of a process so far.
fn cpu(stack: &Stack, process: &str) -> Result<Duration> {
    let processes = fs::read_to_string(stack.state().join("processes"))?;
    let line = processes.lines().find(|line| line.split(' ').nth(1) == Some(process));
    let id = line.and_then(|line| line.split(' ').next()).context("no such process")?;
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // Its name, in brackets, may have blanks; user and system time come 12th after it.
    let (_, fields) = stat.rsplit_once(") ").context("no name")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
    // A hundredth of a second each, on Linux.
    Ok(Duration::from_millis(ticks * 10))
}

fn all(stack: &Stack) -> Result<[Duration; 3]> {
    Ok([cpu(stack, "kube-apiserver")?, cpu(stack, "etcd")?, cpu(stack, "envoy")?])
}

fn asked(stack: &Stack) -> Result<usize> {
    Ok(stack.audit().token_requests()?.len())
}

fn main() -> Result<()> {
    let stack = Stack::own("bench-tokens", &["--workers", "2"])?;
    let names: Vec<String> = (0..ACCOUNTS).map(|number| format!("a{number}")).collect();
    stack.callers(&names)?;
    sleep(Duration::from_secs(5));
    let policy = fs::read_to_string(stack.state().join("applied.yaml"))?;
    let warm = policy.replace("kind: Policy", "kind: Policy\ngateway: {warmUp: true}");
    let (before, had, start) = (all(&stack)?, asked(&stack)?, Instant::now());
    stack.apply(&warm).map_err(anyhow::Error::msg)?;
    while asked(&stack)? < had + ACCOUNTS {
        sleep(Duration::from_millis(200));
    }
    let took = start.elapsed();
    let after = all(&stack)?;
    // What they do anyway, in as much time.
    sleep(took);
    let idle = all(&stack)?;
    println!("{ACCOUNTS} TokenRequests in {took:?}");
    for (number, name) in ["kube-apiserver", "etcd", "envoy"].into_iter().enumerate() {
        let (busy, idle) = (after[number] - before[number], idle[number] - after[number]);
        let each = busy.saturating_sub(idle) / u32::try_from(ACCOUNTS)?;
        println!("{name}: {each:?} of CPU for each ({busy:?}, {idle:?} when idle)");
    }
    Ok(())
}
