//! `keyhole policy`.

mod check;
mod decisions;
mod diff;
mod explain;
mod junit;
mod replay;
mod suggest;
mod test;
mod warnings;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use keyhole_core::{
    Client, Listing, Loaded, Policy, Problem, list_policy, load_policy, policy_schema,
};

use crate::Outcome;
use crate::object::Object;

pub(crate) use self::diff::changes;

/// The resource that Envoy reads; the policy is appended to it.
const RESOURCE: &str = include_str!("../../../envoy/ecds.yaml");
/// How deep the policy lies in it.
const INDENT: &str = "            ";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Say all that is wrong with a policy, with line, column and field, and warn of
    /// what is dangerous.
    ///
    /// Warnings are for stars in rules; for secrets, tokens, RBAC, nodes and webhooks;
    /// for what is not enforced; for keys without an end, with one more than a year away,
    /// or in the past.
    #[command(
        after_help = "Exit codes: 0 valid, 1 the policy has problems (or warnings, with --deny-warnings), 2 the command could not run."
    )]
    Check(check::Arguments),
    /// Say what a new policy allows (+) and denies (-) that the old one did not.
    ///
    /// Compares what each client may do, as whom, and with which keys, not how that is
    /// written: the order of rules, their spread over roles, and rules that lie within
    /// others do not matter. What changes is printed as rules; part of a rule with `-` may
    /// still be allowed.
    #[command(after_help = "Exit codes: 0 no change, 1 changes, 2 the command could not run.")]
    Diff(diff::Arguments),
    /// Say whether a policy allows a request, and why.
    ///
    /// Prints how the request is read, and the rules that allow it; or else the
    /// nearest rule, in what it differs, and the smallest rule that would allow it.
    ///
    ///   keyhole policy explain policy.yaml --client sql-prod-01 -- GET /api/v1/nodes
    #[command(
        verbatim_doc_comment,
        after_help = "Exit codes: 0 allowed, 1 denied or refused, 2 the command could not run."
    )]
    Explain(explain::Arguments),
    /// Print the Envoy resource (file ECDS) that carries a policy.
    ///
    /// The output belongs into the folder that Envoy watches, as `ecds.yaml`:
    /// in a cluster this is a ConfigMap.
    ///
    /// With --config-map the resource carries no policy, but where the gateway reads it:
    /// it then takes up a change of that ConfigMap within seconds, and needs the Role
    /// that `keyhole rbac gateway --config-map` prints.
    Render {
        /// The policy document: YAML or JSON.
        #[arg(required_unless_present = "config_map", conflicts_with = "config_map")]
        file: Option<PathBuf>,
        /// Render what the gateway would refuse, too.
        #[arg(long)]
        unchecked: bool,
        /// Where the gateway is to read the policy: NAMESPACE/NAME; its key is `policy.yaml`.
        #[arg(long)]
        config_map: Option<Object>,
    },
    /// Say which of the requests in a log a new policy would decide otherwise.
    ///
    /// Reads Envoy's access log as envoy/bootstrap.yaml writes it, and judges each request
    /// by both policies: `allow`, `report`, `deny`, or the code of another refusal. Bodies
    /// are not in the log, and so `constraints` count as kept.
    #[command(
        after_help = "Exit codes: 0 nothing would change, 1 something would, 2 the command could not run."
    )]
    Replay(replay::Arguments),
    /// Print the JSON Schema of policies, by which editors complete and check them.
    ///
    /// An editor with a YAML language server takes it from a comment at the top of a
    /// policy, with a path from there or a URL:
    ///
    ///   # yaml-language-server: $schema=policy.schema.json
    ///
    /// `keyhole policy check` finds more: a schema cannot say that the roles of a client
    /// exist, for example.
    #[command(
        verbatim_doc_comment,
        after_help = "Exit codes: 0 done, 2 the command could not run."
    )]
    Schema,
    /// Print the smallest roles that allow what is in a log.
    ///
    /// Let a client run with `enforcement: report` for a while, then write its rules from
    /// what it did. Reads Envoy's access log as envoy/bootstrap.yaml writes it.
    ///
    ///   kubectl logs -n keyhole deploy/keyhole | keyhole policy suggest - --client sql-prod-01
    #[command(
        verbatim_doc_comment,
        after_help = "Exit codes: 0 done, 2 the command could not run."
    )]
    Suggest(suggest::Arguments),
    /// Judge requests by a policy, and compare with what is expected.
    ///
    /// The tests are a YAML list; `name`, `contentType` and `body` may be left out:
    ///
    ///   - name: reports never delete
    ///     client: sql-report
    ///     request: DELETE /api/v1/namespaces/shop/pods/web-0
    ///     expect: deny
    ///   - {client: sql-report, request: GET /version, expect: allow}
    ///
    /// `expect` is `allow`, `deny` (the rules do not allow it: a 403), `report` (it is
    /// allowed, but not by what is enforced), or the code of another refusal: 400, 405 or
    /// 415. A test that expects `deny` thus fails when its path is misspelled.
    #[command(
        verbatim_doc_comment,
        after_help = "Exit codes: 0 all passed, 1 one failed, 2 the command could not run."
    )]
    Test(test::Arguments),
}

pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Render { file: Some(file), unchecked, .. } => render(&file, unchecked),
        Command::Render { config_map: Some(config_map), .. } => Ok(render_source(&config_map)),
        Command::Render { .. } => anyhow::bail!("give the policy's file, or --config-map"),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Schema => schema(),
        Command::Suggest(arguments) => suggest::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
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

fn render_source(Object { namespace, name }: &Object) -> Outcome {
    print!(
        "{RESOURCE}{INDENT}policySource:\n{INDENT}  configMap: {{namespace: {namespace}, name: {name}}}\n"
    );
    Outcome::Done
}

fn schema() -> anyhow::Result<Outcome> {
    println!("{}", serde_json::to_string_pretty(&policy_schema())?);
    Ok(Outcome::Done)
}

pub(crate) fn read(file: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))
}

/// The policy in a file; `None` if it has problems, which have been told.
pub(crate) fn load(file: &Path) -> anyhow::Result<Option<Loaded>> {
    match load_policy(&read(file)?) {
        Ok(loaded) => Ok(Some(loaded)),
        Err(problems) => {
            report(file, &problems);
            Ok(None)
        }
    }
}

/// The policy in a file, for commands that cannot do without one.
pub(crate) fn listing(file: &Path) -> anyhow::Result<Listing> {
    list_policy(&read(file)?).map_err(|problems| {
        report(file, &problems);
        anyhow::anyhow!("{} is not a valid policy", file.display())
    })
}

pub(crate) fn client<'p>(policy: &'p Policy, name: &str) -> anyhow::Result<&'p Client> {
    policy.client(name).ok_or_else(|| {
        let names: Vec<&str> = policy.clients().iter().map(|client| &**client.name()).collect();
        match names.is_empty() {
            true => anyhow::anyhow!("no client `{name}` is in the policy: it has none"),
            false => {
                let names = names.join("`, `");
                anyhow::anyhow!("no client `{name}` is in the policy: write one of `{names}`")
            }
        }
    })
}

fn report(file: &Path, problems: &[Problem]) {
    for problem in problems {
        eprintln!("{}", placed(file, "", problem));
    }
    eprintln!("{}: {} to mend", file.display(), count(problems.len(), "problem"));
}

/// A problem as compilers write it, with a word before the message.
fn placed(file: &Path, word: &str, problem: &Problem) -> String {
    let Problem { line, column, field, message } = problem;
    let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
    format!("{}:{line}:{column}: {word}{field}{message}", file.display())
}

pub(crate) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
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
    use keyhole_core::{PluginConfig, load_plugin_config};

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
        let PluginConfig::Inline(loaded) = load_plugin_config(configuration).unwrap() else {
            panic!("it carries the policy");
        };
        assert_eq!(loaded.revision, load_policy(POLICY).unwrap().revision);
    }
}
