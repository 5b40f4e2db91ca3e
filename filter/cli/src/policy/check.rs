//! `keyhole policy check`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use keyhole_core::{Listing, Problem, list_policy, warnings};
use serde::Serialize;

use super::{count, placed, read, report};
use crate::Outcome;
use crate::clock::now;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The policy document: YAML or JSON.
    file: PathBuf,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Fail if there are warnings.
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// One JSON document on stdout.
    Json,
    /// Lines as compilers write them.
    Text,
}

/// What is found, as JSON. Fields may be added, but none is taken away.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    file: String,
    valid: bool,
    revision: Option<&'a str>,
    clients: Option<usize>,
    roles: Option<usize>,
    problems: Vec<Found<'a>>,
    warnings: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    line: usize,
    column: usize,
    path: &'a str,
    message: &'a str,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { file, output, deny_warnings } = arguments;
    let checked = list_policy(&read(file)?);
    let warnings = match &checked {
        Ok(listing) => warnings(listing, now()?),
        Err(_) => Vec::new(),
    };
    match output {
        Output::Json => println!("{}", json(file, checked.as_ref(), &warnings)?),
        Output::Text => text(file, checked.as_ref(), &warnings),
    }
    match checked.is_err() || (*deny_warnings && !warnings.is_empty()) {
        true => Ok(Outcome::Problems),
        false => Ok(Outcome::Done),
    }
}

fn text(file: &Path, checked: Result<&Listing, &Vec<Problem>>, warnings: &[Problem]) {
    for warning in warnings {
        eprintln!("{}", placed(file, "warning: ", warning));
    }
    match checked {
        Ok(listing) => {
            let policy = &listing.loaded.policy;
            let (clients, roles) = (policy.clients().len(), policy.role_count());
            let (file, revision) = (file.display(), &listing.loaded.revision);
            let warnings = match warnings.len() {
                0 => String::new(),
                warnings => format!(", {}", count(warnings, "warning")),
            };
            println!(
                "{file}: valid: revision {revision}, clients {clients}, roles {roles}{warnings}"
            );
        }
        Err(problems) => report(file, problems),
    }
}

fn json(
    file: &Path,
    checked: Result<&Listing, &Vec<Problem>>,
    warnings: &[Problem],
) -> anyhow::Result<String> {
    let valid = checked.ok().map(|listing| &listing.loaded);
    let problems = checked.err().map(Vec::as_slice).unwrap_or_default();
    let report = Report {
        file: file.display().to_string(),
        valid: valid.is_some(),
        revision: valid.map(|loaded| loaded.revision.as_str()),
        clients: valid.map(|loaded| loaded.policy.clients().len()),
        roles: valid.map(|loaded| loaded.policy.role_count()),
        problems: problems.iter().map(Found::from).collect(),
        warnings: warnings.iter().map(Found::from).collect(),
    };
    Ok(serde_json::to_string_pretty(&report)?)
}

// === impl Found ===

impl<'a> From<&'a Problem> for Found<'a> {
    fn from(problem: &'a Problem) -> Self {
        let Problem { line, column, field, message } = problem;
        Self { line: *line, column: *column, path: field, message }
    }
}
