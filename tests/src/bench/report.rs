//! What was seen: as a table for people, and as JSON.

use std::fmt;
use std::fs;

use serde::Serialize;

use super::load::Latency;

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// What one round saw of a contestant; microseconds are those of a request.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Round {
    pub cpu_us: f64,
    /// Of whom the proxy asks.
    pub service_us: f64,
    pub requests_per_second: f64,
    pub latency: Option<Latency>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: &'static str,
    pub what: &'static str,
    pub rss_bytes: u64,
    pub rounds: Vec<Round>,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub processor: String,
    pub connections: u32,
    /// Of each measurement.
    pub seconds: u64,
    /// Of the requests whose latency is taken.
    pub rate: u32,
    /// The first is that of an Envoy that only forwards.
    pub rows: Vec<Row>,
}

/// Two rows side by side.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ratio {
    pub what: &'static str,
    pub is: f64,
    pub at_most: f64,
}

// === impl Spread ===

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        let median = (at(last / 2) + at(values.len() / 2)) / 2.0;
        Self { median, low: at(0), high: at(last) }
    }
}

// === impl Row ===

impl Row {
    pub fn requests_per_second(&self) -> Spread {
        Spread::of(self.rounds.iter().map(|round| round.requests_per_second))
    }

    pub fn latency(&self, of: impl Fn(Latency) -> f64) -> Spread {
        Spread::of(self.rounds.iter().filter_map(|round| round.latency).map(of))
    }
}

// === impl Report ===

impl Report {
    pub fn processor() -> String {
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("model name"));
        line.map_or("", |line| line.trim_start_matches([' ', '\t', ':'])).to_owned()
    }

    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// What the contestant takes on top of the bare Envoy of the same round.
    pub fn added(&self, row: &Row) -> Spread {
        let bare = self.rows.first().map_or(&[][..], |row| &row.rounds);
        let rounds = row.rounds.iter().zip(bare);
        Spread::of(rounds.map(|(round, bare)| round.cpu_us - bare.cpu_us))
    }

    /// What Keyhole promises.
    pub fn ratios(&self) -> Vec<Ratio> {
        let added = |name| self.row(name).map_or(f64::NAN, |row| self.added(row).median);
        let p99 = |name| {
            self.row(name).map_or(f64::NAN, |row| row.latency(|latency| latency.p99).median)
        };
        let cpu = |name| {
            let rounds = self.row(name).into_iter().flat_map(|row| &row.rounds);
            Spread::of(rounds.map(|round| round.cpu_us)).median
        };
        let ratio = |what, is, at_most| Ratio { what, is, at_most };
        let to = |other, what, at_most| ratio(what, added("keyhole") / added(other), at_most);
        let all = vec![
            to("native", "added CPU: keyhole / native filters", 2.0),
            to("nothing", "added CPU: keyhole / Wasm that does nothing", 3.0),
            to("lua", "added CPU: keyhole / Lua", 2.0),
            to("ext_authz, HTTP", "added CPU: keyhole / ext_authz over HTTP", 0.125),
            ratio(
                "CPU: 10,000 clients / 1 client",
                cpu("keyhole, 10,000") / cpu("keyhole"),
                1.05,
            ),
            ratio("CPU: by a token / by a key", cpu("keyhole, token") / cpu("keyhole"), 1.2),
            ratio("p99: keyhole / bare", p99("keyhole") / p99("bare"), 1.3),
        ];
        all.into_iter().filter(|ratio| !ratio.is.is_nan()).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, connections, seconds, rate, rows } = self;
        let rounds = rows.first().map_or(0, |row| row.rounds.len());
        writeln!(f, "{processor}; {rounds} rounds of {seconds} s, {connections} connections")?;
        writeln!(
            f,
            "                   added CPU of a request (lowest, highest)   requests/s    p50    p99  p99.9 ms at {rate}/s   RSS"
        )?;
        for row in rows {
            let Spread { median, low, high } = self.added(row);
            let service = Spread::of(row.rounds.iter().map(|round| round.service_us)).median;
            let service =
                if service > 0.0 { format!("+{service:.1} beside") } else { String::new() };
            write!(
                f,
                "{:<17} {median:>7.1} us ({low:>6.1}, {high:>6.1}) {service:>16} {:>12.0}",
                row.name,
                row.requests_per_second().median
            )?;
            for of in [|l: Latency| l.p50, |l: Latency| l.p99, |l: Latency| l.p999] {
                match row.latency(of).median {
                    none if none.is_nan() => write!(f, "      -")?,
                    milliseconds => write!(f, " {milliseconds:>6.2}")?,
                }
            }
            writeln!(f, " {:>14.1} MB", row.rss_bytes as f64 / f64::from(1 << 20))?;
        }
        for Ratio { what, is, at_most } in self.ratios() {
            let verdict = match is {
                ..0.0 => "too noisy to tell",
                is if is <= at_most => "as promised",
                _ => "MISSED",
            };
            writeln!(f, "{what}: {is:.2} (at most {at_most}): {verdict}")?;
        }
        Ok(())
    }
}
