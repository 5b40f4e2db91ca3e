//! `keyhole drain`: what Envoy's pod does between being told to end and ending.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use ureq::Agent;

use crate::Outcome;

const STATISTICS: &str = "/stats?filter=^http\\.clients\\.downstream_(cx|rq)_active$";
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(crate) struct Arguments {
    /// Envoy's admin interface.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9901")]
    admin: String,
    /// How long new clients may still come, for not every node knows at once that this
    /// pod is going.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    spread: u64,
    /// How long nobody asks for anything, until a connection that is kept open does not
    /// count any more.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    quiet: u64,
}

/// Who uses the clients' listener at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Use {
    connections: u64,
    requests: u64,
}

struct Envoy {
    agent: Agent,
    admin: String,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let envoy = Envoy::new(&arguments.admin);
    // From now on each answer ends its connection, in the client's knowledge.
    envoy.post("/healthcheck/fail")?;
    let (spread, quiet) =
        (Duration::from_secs(arguments.spread), Duration::from_secs(arguments.quiet));
    let start = Instant::now();
    let mut last_request = start;
    loop {
        let now = envoy.in_use()?;
        if now.requests > 0 {
            last_request = Instant::now();
        }
        let over = now.connections == 0 || last_request.elapsed() >= quiet;
        if over && start.elapsed() >= spread {
            println!("drained: {}", now.idle());
            return Ok(Outcome::Done);
        }
        sleep(BETWEEN_LOOKS);
    }
}

// === impl Use ===

impl Use {
    /// Of lines as `http.clients.downstream_rq_active: 3`.
    fn read(statistics: &str) -> Option<Self> {
        let of = |name| {
            let line = statistics.lines().find_map(|line| line.strip_prefix(name))?;
            line.strip_prefix(": ")?.parse().ok()
        };
        Some(Self {
            connections: of("http.clients.downstream_cx_active")?,
            requests: of("http.clients.downstream_rq_active")?,
        })
    }

    fn idle(self) -> String {
        match self.connections {
            0 => "nobody is connected".to_owned(),
            1 => "1 connection is idle".to_owned(),
            many => format!("{many} connections are idle"),
        }
    }
}

// === impl Envoy ===

impl Envoy {
    fn new(admin: &str) -> Self {
        let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(5)));
        let admin = admin.trim_end_matches('/').to_owned();
        Self { agent: config.proxy(None).build().new_agent(), admin }
    }

    fn post(&self, path: &str) -> anyhow::Result<()> {
        let url = format!("{}{path}", self.admin);
        self.agent.post(&url).send_empty().with_context(|| unreachable(&url))?;
        Ok(())
    }

    fn in_use(&self) -> anyhow::Result<Use> {
        let url = format!("{}{STATISTICS}", self.admin);
        let mut answer = self.agent.get(&url).call().with_context(|| unreachable(&url))?;
        let statistics =
            answer.body_mut().read_to_string().with_context(|| unreachable(&url))?;
        Use::read(&statistics).with_context(|| {
            format!("{url} tells of no listener `clients`: is this Keyhole's Envoy?")
        })
    }
}

fn unreachable(url: &str) -> String {
    format!("Envoy's admin did not answer at {url}: does Envoy run in this pod? See --admin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_requests_are_read_from_envoys_statistics() {
        let active = |connections, requests| Some(Use { connections, requests });
        let rows = [
            (
                "http.clients.downstream_cx_active: 2\nhttp.clients.downstream_rq_active: 1\n",
                active(2, 1),
            ),
            (
                "http.clients.downstream_rq_active: 0\nhttp.clients.downstream_cx_active: 7",
                active(7, 0),
            ),
            ("http.clients.downstream_cx_active: 2\n", None),
            (
                "http.clients.downstream_cx_active: -\nhttp.clients.downstream_rq_active: 1",
                None,
            ),
            ("", None),
        ];
        for (statistics, expected) in rows {
            assert_eq!(Use::read(statistics), expected, "{statistics}");
        }
    }
}
