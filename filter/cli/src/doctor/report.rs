//! What was found, and what to do about it.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Output {
    /// One JSON document.
    Json,
    /// Warnings and problems only.
    Short,
    /// A line for each check.
    Text,
}

/// What a check is about.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Area {
    Accounts,
    Certificate,
    Cluster,
    Gateway,
    Policy,
    Rights,
    Url,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Problem,
    Warning,
}

#[derive(Debug, Serialize)]
struct Finding {
    area: Area,
    level: Level,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// All findings, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

/// As JSON. Fields may be added, but none is taken away.
#[derive(Serialize)]
struct Document<'a> {
    healthy: bool,
    checks: &'a [Finding],
}

// === impl Report ===

impl Report {
    pub(super) fn ok(&mut self, area: Area, found: impl Into<String>) {
        self.push(area, Level::Ok, found.into(), None);
    }

    pub(super) fn problem(
        &mut self,
        area: Area,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.push(area, Level::Problem, found.into(), Some(mend.into()));
    }

    pub(super) fn warning(
        &mut self,
        area: Area,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.push(area, Level::Warning, found.into(), Some(mend.into()));
    }

    /// Nothing needs to be done at once.
    pub(super) fn is_healthy(&self) -> bool {
        self.count(Level::Problem) == 0
    }

    pub(super) fn print(&self, output: Output) -> anyhow::Result<()> {
        let shown = |finding: &&Finding| match output {
            Output::Short => finding.level != Level::Ok,
            Output::Json | Output::Text => true,
        };
        if let Output::Json = output {
            let document = Document { healthy: self.is_healthy(), checks: &self.findings };
            println!("{}", serde_json::to_string_pretty(&document)?);
            return Ok(());
        }
        for finding in self.findings.iter().filter(shown) {
            println!("{finding}");
        }
        let (checks, problems) = (self.findings.len(), self.count(Level::Problem));
        println!(
            "checks {checks}, problems {problems}, warnings {}",
            self.count(Level::Warning)
        );
        Ok(())
    }

    fn push(&mut self, area: Area, level: Level, found: String, mend: Option<String>) {
        self.findings.push(Finding { area, level, found, mend });
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

// === impl Finding ===

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { area, level, found, mend } = self;
        // Parts of it others have written.
        let moves = |char: char| char.is_control() && char != '\n';
        let found = found.replace(moves, "\u{fffd}");
        write!(f, "{} {:<11} {found}", level.mark(), area.as_str())?;
        match mend {
            Some(mend) => write!(f, "\n{:14}mend: {mend}", ""),
            None => Ok(()),
        }
    }
}

// === impl Area ===

impl Area {
    fn as_str(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Certificate => "certificate",
            Self::Cluster => "cluster",
            Self::Gateway => "gateway",
            Self::Policy => "policy",
            Self::Rights => "rights",
            Self::Url => "url",
        }
    }
}

// === impl Level ===

impl Level {
    fn mark(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Problem => "x",
            Self::Warning => "!",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_written_moves_no_cursor() {
        let mut report = Report::default();
        report.ok(Area::Url, "503: \u{1b}[2J\rhealthy\u{9b}0m\nnext");
        let shown: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["✓ url         503: \u{fffd}[2J\u{fffd}healthy\u{fffd}0m\nnext"]);
    }
}
