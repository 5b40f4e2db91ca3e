//! `keyhole policy test`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use keyhole_core::{Expected, Policy, PolicyTest, judge, read_tests};

use super::junit::junit;
use super::{client, count, listing, read, report};
use crate::Outcome;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The policy document: YAML or JSON.
    file: PathBuf,
    /// The tests: a YAML list.
    tests: PathBuf,
    /// Write the results there, too, as JUnit XML.
    #[arg(long, value_name = "OUT.xml")]
    junit: Option<PathBuf>,
}

/// A test and, if it failed, what happened instead.
pub(super) struct Tested {
    pub(super) test: PolicyTest,
    pub(super) failure: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { file, tests: tests_file, junit: out } = arguments;
    let listing = listing(file)?;
    let tests = read_tests(&read(tests_file)?).map_err(|problems| {
        report(tests_file, &problems);
        anyhow::anyhow!("{} is not a list of tests", tests_file.display())
    })?;
    let tested = tests.into_iter().map(|test| {
        let failure = failure(file, &listing.loaded.policy, &test);
        Tested { test, failure }
    });
    let tested: Vec<Tested> = tested.collect();
    print!("{}", table(tests_file, &tested));
    if let Some(out) = out {
        fs::write(out, junit(tests_file, &tested))
            .with_context(|| format!("cannot write {}", out.display()))?;
    }
    match tested.iter().any(|tested| tested.failure.is_some()) {
        true => Ok(Outcome::Failed),
        false => Ok(Outcome::Done),
    }
}

fn failure(file: &Path, policy: &Policy, test: &PolicyTest) -> Option<String> {
    let client = match client(policy, &test.client) {
        Ok(client) => client,
        Err(error) => return Some(error.to_string()),
    };
    let judged = judge(policy, client, &test.attempt());
    let expected = test.expect;
    match (expected, &judged) {
        (Expected::Allow, Ok(None)) | (Expected::Report, Ok(Some(_))) => None,
        (Expected::Refuse(code), Err(refusal)) if refusal.reply().code == code => None,
        _ => {
            let is = match judged {
                Ok(None) => "allow".to_owned(),
                Ok(Some(refusal)) => format!("report: {refusal}"),
                Err(refusal) => format!("{}: {refusal}", refusal.reply().code),
            };
            Some(format!("expected {expected}, is {is}\nwhy: {}", why(file, test)))
        }
    }
}

fn table(tests: &Path, tested: &[Tested]) -> String {
    let width = tested.iter().map(|tested| tested.title().len()).max().unwrap_or(0);
    let mut text = String::new();
    for Tested { test, failure } in tested {
        let title = title(test);
        let place = format!("{}:{}", tests.display(), test.line);
        match failure {
            None => text.push_str(&format!("ok      {title:<width$}  {}\n", test.expect)),
            Some(failure) => {
                text.push_str(&format!("FAILED  {title:<width$}  {place}\n"));
                failure.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
            }
        }
    }
    let failed = tested.iter().filter(|tested| tested.failure.is_some()).count();
    text.push_str(&format!("{}, {failed} failed\n", count(tested.len(), "test")));
    text
}

/// The command that explains a decision, to be pasted into a shell.
fn why(file: &Path, test: &PolicyTest) -> String {
    let PolicyTest { client, method, target, content_type, body, .. } = test;
    let given = body.as_ref().map(|_| " --body BODY".to_owned()).unwrap_or_default();
    let body = content_type.as_ref().map(|given| format!(" --content-type {}", quoted(given)));
    let (file, client) = (quoted(&file.display().to_string()), quoted(client));
    let (body, method, target) = (body.unwrap_or_default(), quoted(method), quoted(target));
    format!("keyhole policy explain {file} --client {client}{body}{given} -- {method} {target}")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn title(test: &PolicyTest) -> String {
    let PolicyTest { name, client, method, target, .. } = test;
    name.clone().unwrap_or_else(|| format!("{client}: {method} {target}"))
}

// === impl Tested ===

impl Tested {
    pub(super) fn title(&self) -> String {
        title(&self.test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for (word, expected) in [
            ("/api/v1/pods", "/api/v1/pods"),
            ("/api?a=b&c", "'/api?a=b&c'"),
            ("a'b", r"'a'\''b'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
