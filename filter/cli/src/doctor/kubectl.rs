//! The cluster, as the user's own kubectl sees it: with its login, and its context.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value, json};

use super::report::{Area, Report};
use crate::object::Object;

#[derive(Debug)]
pub(super) struct Kubectl {
    context: Option<String>,
}

/// What kubectl said instead of doing it.
#[derive(Debug)]
pub(super) struct Failed(pub(super) String);

/// What kubectl printed, or said.
pub(super) type Told<T> = Result<T, Failed>;

// === impl Kubectl ===

impl Kubectl {
    pub(super) fn new(context: Option<String>) -> Self {
        Self { context }
    }

    /// One object; `None` if there is none.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        kind: &str,
        object: &Object,
    ) -> anyhow::Result<Told<Option<T>>> {
        let Object { namespace, name } = object;
        self.read(&["get", kind, name, "-n", namespace, "--ignore-not-found", "-o", "json"])
    }

    /// What a command prints as JSON; `None` if it prints nothing.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        arguments: &[&str],
    ) -> anyhow::Result<Told<Option<T>>> {
        let output = self.command(arguments).stdin(Stdio::null()).output();
        let told = told(&output.context(NOT_FOUND)?);
        let Ok(text) = told else { return Ok(told.map(|_| None)) };
        match text.trim().is_empty() {
            true => Ok(Ok(None)),
            false => {
                let read = serde_json::from_str(&text);
                Ok(Ok(Some(read.with_context(|| not_understood(arguments))?)))
            }
        }
    }

    /// The answers to all of these reviews, in their order; by another user, if one is
    /// named.
    pub(super) fn create<T: DeserializeOwned>(
        &self,
        reviews: &[Value],
        user: Option<&str>,
    ) -> anyhow::Result<Told<Vec<T>>> {
        if reviews.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let mut arguments = vec!["create", "-f", "-", "-o", "json", "--validate=false"];
        arguments.extend(user.iter().flat_map(|user| ["--as", user]));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": reviews}).to_string();
        let mut command = self.command(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context(NOT_FOUND)?;
        // It reads all of it before it writes. If it ends before, it says why.
        let _ = child.stdin.take().map(|mut input| input.write_all(list.as_bytes()));
        let told = told(&child.wait_with_output()?);
        let Ok(text) = told else { return Ok(told.map(|_| Vec::new())) };
        let answers = Deserializer::from_str(&text).into_iter();
        let answers: Vec<T> =
            answers.collect::<Result<_, _>>().with_context(|| not_understood(&arguments))?;
        ensure!(answers.len() == reviews.len(), "kubectl left questions without an answer");
        Ok(Ok(answers))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.args(arguments).arg("--request-timeout=15s");
        command.args(self.context.iter().flat_map(|context| ["--context", context]));
        command
    }
}

const NOT_FOUND: &str = "kubectl cannot be started: install it, and put it on the PATH";

fn told(output: &Output) -> Told<String> {
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            // The last line is about what failed; those before are of its retries.
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().rev().find(|line| !line.trim().is_empty());
            Err(Failed(line.unwrap_or("kubectl failed and said nothing").trim().to_owned()))
        }
    }
}

fn not_understood(arguments: &[&str]) -> String {
    format!("kubectl {}: what it printed is not understood", arguments.join(" "))
}

// === impl Failed ===

impl Failed {
    /// For what the user may not look at, so that nothing is known of it.
    pub(super) fn report(self, area: Area, what: &str, report: &mut Report) {
        let found = format!("{what} cannot be looked at: {}", self.0);
        report.problem(
            area,
            found,
            "log in as somebody who may, such as an admin of the cluster",
        );
    }
}
