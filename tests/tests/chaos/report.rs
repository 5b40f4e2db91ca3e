//! The table of what was seen.

use std::io::{Write, stderr};

use keyhole_tests::load::{Made, Summary};

/// The rows so far, and what was not as it should be.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    problems: Vec<String>,
}

/// One row.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) load: Summary,
    pub(crate) made: Made,
    /// TokenRequests in the apiserver's audit log, and those that the front saw.
    pub(crate) audited: usize,
    pub(crate) asked: usize,
    pub(crate) bound: usize,
    pub(crate) problems: Vec<String>,
}

// === impl Report ===

impl Report {
    pub(crate) fn add(&mut self, line: Line) {
        let text = line.to_string();
        say(&text);
        for problem in &line.problems {
            say(&format!("    {problem}"));
        }
        self.lines.push(text);
        self.problems.extend(line.problems.iter().map(|p| format!("{}: {p}", line.name)));
    }

    /// Prints the table, and panics if anything was not as it should be.
    pub(crate) fn finish(&self) {
        say(&format!("\n{}", Line::head()));
        self.lines.iter().for_each(|line| say(line));
        assert!(self.problems.is_empty(), "\n{}", self.problems.join("\n"));
    }
}

// === impl Line ===

impl Line {
    fn head() -> String {
        format!(
            "{:<42} {:>5} {:>8} {:>7} {:>5} {:>4} {:>7} {:>12} {:>5} {:>7} {:>7}",
            "row",
            "sent",
            "answered",
            "refused",
            "wrong",
            "lost",
            "doubled",
            "tokens/bound",
            "asked",
            "p50",
            "p99"
        )
    }

    /// What holds in every row.
    pub(crate) fn check(&mut self) {
        let Self { load, made, audited, asked, bound, problems, .. } = self;
        problems.extend(load.wrong.iter().map(|answer| format!("wrong: {answer}")));
        problems.extend(load.lost.iter().map(|error| format!("lost: {error}")));
        if made.duplicates > 0 {
            problems.push(format!("{} mutations were carried out twice", made.duplicates));
        }
        if made.objects < load.created || made.objects > load.mutations {
            problems.push(format!(
                "{} mutations sent, {} answered 201, but {} objects there",
                load.mutations, load.created, made.objects
            ));
        }
        if audited > bound || asked > bound {
            problems.push(format!("{asked} TokenRequests, {audited} in the audit log"));
        }
        problems.sort_unstable();
        problems.dedup();
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, load, made, audited, asked, bound, .. } = self;
        write!(
            f,
            "{name:<42} {:>5} {:>8} {:>7} {:>5} {:>4} {:>7} {:>12} {asked:>5} {:>4} ms {:>4} ms",
            load.sent,
            load.ok,
            load.refused,
            load.wrong.len(),
            load.lost.len(),
            made.duplicates,
            format!("{audited}/{bound}"),
            load.percentile(50).as_millis(),
            load.percentile(99).as_millis()
        )
    }
}

/// Past the test harness, which keeps what a passing test prints.
pub(crate) fn say(text: &str) {
    writeln!(stderr(), "{text}").expect("stderr is there");
}
