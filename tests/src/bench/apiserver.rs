//! What the gateway adds to a real kube-apiserver: the same list asked of it directly and
//! through a gateway with TLS on both sides, as `scripts/up` makes them, in turn.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::DEMO_LIST;
use super::load::{Latency, Load};
use super::report::Spread;
use super::server::{rss_bytes, spent};
use crate::stack::{OwnStack, Stack};

const CONNECTIONS: u32 = 16;
/// So few that nobody waits for a processor.
const RATE: u32 = 100;
const PODS: usize = 20;

#[derive(Debug, Serialize)]
pub struct Row {
    pub what: &'static str,
    pub requests_per_second: Spread,
    pub p50: Spread,
    pub p99: Spread,
    /// Microseconds of a request, of the whole gateway.
    pub gateway_us: Spread,
    /// The same, of kube-apiserver; etcd is not asked for lists.
    pub apiserver_us: Spread,
    /// Of the gateway, after all of it.
    pub rss_bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct Report(Vec<Row>);

/// One way to ask.
struct Way<'s> {
    what: &'static str,
    stack: &'s Stack,
    origin: String,
    credential: String,
    rounds: Vec<Round>,
}

struct Round {
    requests_per_second: f64,
    latency: Latency,
    gateway_us: f64,
    apiserver_us: f64,
}

pub fn measure(rounds: usize, duration: Duration) -> Result<Report> {
    let one = Stack::own("bench", &[])?;
    let two = Stack::own("bench-two", &["--workers", "2"])?;
    for stack in [&one, &two] {
        fill(stack)?;
    }
    let token = one.kubectl(&["create", "token", "api-reader", "-n", "default"])?;
    let mut ways = [
        Way {
            what: "kube-apiserver",
            stack: &one,
            origin: format!("https://127.0.0.1:{}", one.apiserver_port()?),
            credential: format!("authorization: Bearer {}", token.trim()),
            rounds: Vec::new(),
        },
        Way::through("through Keyhole, 1 worker", &one),
        Way::through("through Keyhole, 2 workers", &two),
    ];
    let load = Load { path: DEMO_LIST, body_bytes: 0, connections: CONNECTIONS, duration };
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        for way in &mut ways {
            way.measure(&load)?;
        }
    }
    let rows = ways.into_iter().map(Way::row);
    rows.collect::<Result<_>>().map(Report)
}

/// Pods that nobody runs.
fn fill(stack: &OwnStack) -> Result<()> {
    for n in 0..PODS {
        let name = format!("web-{n}");
        stack.kubectl(&["run", &name, "--image=shop/web:1.2.3", "--labels=app=web"])?;
    }
    Ok(())
}

// === impl Way ===

impl<'s> Way<'s> {
    fn through(what: &'static str, stack: &'s Stack) -> Self {
        let credential = format!("x-api-key: {}", stack.var("KEYHOLE_KEY"));
        let origin = stack.var("KEYHOLE_URL").to_owned();
        Self { what, stack, origin, credential, rounds: Vec::new() }
    }

    fn measure(&mut self, load: &Load) -> Result<()> {
        let cpu =
            || Ok::<_, anyhow::Error>([self.spent("envoy")?, self.spent("kube-apiserver")?]);
        let before = cpu()?;
        let requests = load.saturate(&self.origin, &self.credential)? as f64;
        let after = cpu()?;
        let micros =
            |n: usize| after[n].saturating_sub(before[n]).as_secs_f64() * 1e6 / requests;
        let round = Round {
            requests_per_second: requests / load.duration.as_secs_f64(),
            latency: load.latency(&self.origin, &self.credential, RATE)?,
            gateway_us: micros(0),
            apiserver_us: micros(1),
        };
        self.rounds.push(round);
        Ok(())
    }

    fn spent(&self, process: &str) -> Result<Duration> {
        spent(self.stack.id(process)?)
    }

    fn row(self) -> Result<Row> {
        let Self { what, stack, rounds, .. } = self;
        let spread = |of: fn(&Round) -> f64| Spread::of(rounds.iter().map(of));
        Ok(Row {
            what,
            requests_per_second: spread(|round| round.requests_per_second),
            p50: spread(|round| round.latency.p50),
            p99: spread(|round| round.latency.p99),
            gateway_us: spread(|round| round.gateway_us),
            apiserver_us: spread(|round| round.apiserver_us),
            rss_bytes: rss_bytes(stack.id("envoy")?)?,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{PODS} pods                     p50    p99 ms at {RATE}/s   requests/s   gateway   kube-apiserver   RSS of the gateway"
        )?;
        for row in &self.0 {
            let Row { what, requests_per_second, p50, p99, gateway_us, apiserver_us, .. } = row;
            writeln!(
                f,
                "{what:<26} {:>6.2} {:>6.2} {:>21.0} {:>6.0} us {:>11.0} us {:>17.1} MB",
                p50.median,
                p99.median,
                requests_per_second.median,
                gateway_us.median,
                apiserver_us.median,
                row.rss_bytes as f64 / f64::from(1 << 20),
            )?;
        }
        Ok(())
    }
}
