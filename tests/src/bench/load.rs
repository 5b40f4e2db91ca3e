//! wrk for as much as goes, oha for latency at a fixed rate.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::Core;
use crate::stack::{root, text};

/// In milliseconds. The time that a request should have been sent counts, not the time
/// that it was: a stall is not left out because nothing could be sent in it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub path: &'static str,
    /// Of a POST; without one it is a GET.
    pub body_bytes: usize,
    pub connections: u32,
    pub duration: Duration,
}

// === impl Load ===

impl Load {
    /// As many requests as the gateway answers; how many they were.
    pub fn saturate(&self, origin: &str, credential: &str) -> Result<u64> {
        let mut wrk = pinned(tool("wrk"));
        wrk.args(["-t1", &format!("-c{}", self.connections), &self.lasting("-d")]);
        if self.body_bytes > 0 {
            let script = root().join("target/bench/post.lua");
            let size = self.body_bytes;
            fs::write(
                &script,
                format!(
                    "wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\nwrk.body = string.rep(' ', {size})\n"
                ),
            )?;
            wrk.arg("-s").arg(script);
        }
        let printed = run(wrk.args(["-H", credential]).arg(self.url(origin)))?;
        ensure!(!printed.contains("Non-2xx"), "not all were answered 200:\n{printed}");
        let count =
            printed.split(" requests in ").next().and_then(|head| head.split(' ').next_back());
        count
            .and_then(|count| count.parse().ok())
            .filter(|count| *count > 0)
            .with_context(|| format!("wrk:\n{printed}"))
    }

    /// So many requests a second.
    pub fn latency(&self, origin: &str, credential: &str, rate: u32) -> Result<Latency> {
        let mut oha = pinned(tool("oha"));
        oha.args(["--no-tui", "--output-format", "json", "--latency-correction", "--insecure"]);
        oha.args(["-c", &self.connections.to_string(), "-q", &rate.to_string()]);
        oha.args(["-z", &self.lasting("")]).args(["-H", credential]);
        let report: Value = serde_json::from_str(&run(oha.arg(self.url(origin)))?)?;
        let codes = report["statusCodeDistribution"].as_object().context("no codes")?;
        ensure!(codes.keys().eq(["200"]), "not all were answered 200: {codes:?}");
        let of = |name| {
            let seconds = report["latencyPercentiles"][name].as_f64();
            seconds.map(|seconds| seconds * 1000.0).context("no percentile")
        };
        Ok(Latency { p50: of("p50")?, p99: of("p99")?, p999: of("p99.9")? })
    }

    fn url(&self, origin: &str) -> String {
        format!("{origin}{}", self.path)
    }

    fn lasting(&self, option: &str) -> String {
        format!("{option}{}s", self.duration.as_secs())
    }
}

/// The status of one request with this header.
pub fn status(port: u16, path: &str, credential: &str) -> Result<u16> {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}"]);
    let url = format!("http://127.0.0.1:{port}{path}");
    let output = curl.args(["-H", credential, &url]).output()?;
    Ok(text(&output).trim().parse()?)
}

/// What `scripts/bench` has installed.
pub(super) fn tool(name: &str) -> PathBuf {
    root().join(".tools/bench/bin").join(name)
}

fn pinned(program: PathBuf) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &(Core::Load as u8).to_string()]).arg(program);
    command
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", text(&output));
    Ok(String::from_utf8(output.stdout)?)
}
