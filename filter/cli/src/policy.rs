//! `keyhole policy`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use keyhole_core::{Loaded, Problem, load_policy};

use crate::Outcome;

/// The resource that Envoy reads; the policy is appended to it.
const RESOURCE: &str = include_str!("../../../envoy/ecds.yaml");
/// How deep the policy lies in it.
const INDENT: &str = "            ";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Say all that is wrong with a policy, with line and field.
    Check {
        /// The policy document: YAML or JSON.
        file: PathBuf,
    },
    /// Print the Envoy resource (file ECDS) that carries a policy.
    ///
    /// The output belongs into the folder that Envoy watches, as `ecds.yaml`:
    /// in a cluster this is a ConfigMap.
    Render {
        /// The policy document: YAML or JSON.
        file: PathBuf,
        /// Render what the gateway would refuse, too.
        #[arg(long)]
        unchecked: bool,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Check { file } => check(&file),
        Command::Render { file, unchecked } => render(&file, unchecked),
    }
}

fn check(file: &Path) -> anyhow::Result<Outcome> {
    match load_policy(&read(file)?) {
        Ok(Loaded { policy, revision }) => {
            let (clients, roles) = (policy.clients().len(), policy.role_count());
            let file = file.display();
            println!("{file}: valid: revision {revision}, clients {clients}, roles {roles}");
            Ok(Outcome::Done)
        }
        Err(problems) => {
            report(file, &problems);
            Ok(Outcome::Problems)
        }
    }
}

fn render(file: &Path, unchecked: bool) -> anyhow::Result<Outcome> {
    let text = read(file)?;
    match load_policy(&text) {
        Ok(loaded) => print!("{}", resource(&text, loaded.revision.as_str())),
        Err(_) if unchecked => print!("{}", resource(&text, "unchecked")),
        Err(problems) => {
            report(file, &problems);
            return Ok(Outcome::Problems);
        }
    }
    Ok(Outcome::Done)
}

pub(crate) fn read(file: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))
}

pub(crate) fn report(file: &Path, problems: &[Problem]) {
    for Problem { line, field, message } in problems {
        let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
        eprintln!("{}:{line}: {field}{message}", file.display());
    }
    eprintln!("{}: {} to mend", file.display(), count(problems.len()));
}

fn count(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    }
}

/// A literal block keeps the text as it is, whatever it contains.
fn resource(policy: &str, version: &str) -> String {
    let mut text = format!("version_info: {version:?}\n{RESOURCE}{INDENT}policy:\n");
    let mut started = false;
    for line in policy.lines() {
        // The start of the document falls away, for this is not one; the line stays,
        // empty. Any later `---` stays and is refused, as it is by `check`.
        let start = !started && line.trim_end() == "---";
        started |= start || !(line.is_empty() || line.starts_with('#'));
        if !line.is_empty() && !start {
            text.push_str(INDENT);
            text.push_str("  ");
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_core::load_plugin_config;

    const POLICY: &str = "\
---
# a comment
apiVersion: keyhole/v1
kind: Policy

clients: []
";

    #[test]
    fn what_is_rendered_is_what_was_written() {
        let rendered = resource(POLICY, "r1");
        assert!(rendered.starts_with("version_info: \"r1\"\n"));
        let (_, configuration) = rendered.split_once("value: |\n").unwrap();
        let loaded = load_plugin_config(configuration).unwrap();
        assert_eq!(loaded.revision, load_policy(POLICY).unwrap().revision);
    }
}
