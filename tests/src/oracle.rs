//! Keyhole's reading of requests beside kube-apiserver's own.
//!
//! Whatever Keyhole would forward is rebuilt, and these bytes are given to the
//! apiserver's `RequestInfoFactory` (a Go program, `tests/kube/oracle`). Every
//! attribute must come out the same, and the rules must allow what came out.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use fastrand::Rng;
use keyhole_core::{Attributes, Policy, Request, ResourceAttributes, Verb, load_policy};

use crate::discovery::{self, Resource};
use crate::generate::{self, Raw};
use crate::stack::root;

const BATCH: usize = 10_000;

/// What a run has seen.
#[derive(Debug, Default)]
pub struct Report {
    pub requests: usize,
    pub forwarded: usize,
    /// The first few differences, made as short as they stay different.
    pub mismatches: Vec<String>,
}

/// The Go program, answering line by line.
struct Oracle {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// What Keyhole makes of a request that it would forward.
struct Forwarded {
    line: String,
    fields: String,
}

/// Judges `count` generated requests, and calls `progress` with the report so far.
pub fn run(count: usize, seed: u64, mut progress: impl FnMut(&Report)) -> Result<Report> {
    let resources = discovery::recorded();
    let policy = policy(&resources)?;
    let mut oracle = Oracle::start()?;
    let mut rng = Rng::with_seed(seed);
    let mut report = Report::default();
    while report.requests < count {
        let batch: Vec<Raw> = (0..BATCH.min(count - report.requests))
            .map(|_| generate::request(&mut rng, &resources))
            .collect();
        report.requests += batch.len();
        let forwarded: Vec<(Raw, Forwarded)> = batch
            .into_iter()
            .filter_map(|raw| Forwarded::of(&policy, &raw).map(|forwarded| (raw, forwarded)))
            .collect();
        report.forwarded += forwarded.len();
        let answers = oracle.ask(forwarded.iter().map(|(_, f)| f.line.as_str()))?;
        for ((raw, forwarded), answer) in forwarded.iter().zip(answers) {
            if !agree(&policy, forwarded, &answer) && report.mismatches.len() < 5 {
                report.mismatches.push(shrink(&policy, &mut oracle, raw)?);
            }
        }
        progress(&report);
    }
    Ok(report)
}

/// Allows whatever can be allowed, so that nothing is left out of the comparison.
fn policy(resources: &[Resource]) -> Result<Policy> {
    let names = |scope: &dyn Fn(&Resource) -> bool| {
        let named = resources.iter().filter(|r| r.name.contains('/') && scope(r));
        let named = named.filter(|r| !r.streams());
        let names: BTreeSet<&str> = named.map(|r| r.name.as_str()).chain(["*"]).collect();
        format!("{names:?}").replace('{', "[").replace('}', "]")
    };
    let namespaced = names(&|r| r.namespaced);
    let all = names(&|_| true);
    let digest = "0".repeat(64);
    let text = format!(
        r#"{{apiVersion: keyhole/v1, kind: Policy,
clients: [{{name: c, keys: [{{sha256: "{digest}"}}], serviceAccount: {{namespace: d, name: a}}, roles: [r]}}],
roles: [{{name: r, rules: [
{{namespaces: ["*"], apiGroups: ["*"], resources: {namespaced}, verbs: ["*", watch]}},
{{clusterScope: true, apiGroups: ["*"], resources: {all}, verbs: ["*", watch]}},
{{nonResourceURLs: ["/*", /], verbs: ["*"]}}]}}]}}"#
    );
    match load_policy(&text) {
        Ok(loaded) => Ok(loaded.policy),
        Err(problems) => bail!("{problems:?}"),
    }
}

/// Whether the apiserver reads the same, and the rules allow what it reads.
fn agree(policy: &Policy, forwarded: &Forwarded, answer: &str) -> bool {
    forwarded.fields == answer && allowed(policy, answer)
}

fn allowed(policy: &Policy, answer: &str) -> bool {
    let fields: Vec<&str> = answer.split('\t').collect();
    let [kind, verb, group, version, namespace, resource, subresource, name, path] = fields[..]
    else {
        return false;
    };
    let Some(verb) = Verb::parse(verb) else { return false };
    let attributes = match kind {
        "path" => Attributes::NonResource { path, verb },
        _ => Attributes::Resource(ResourceAttributes {
            verb,
            group,
            version,
            namespace,
            resource,
            subresource,
            name: name.into(),
        }),
    };
    policy.clients().iter().any(|client| policy.authorize(client, &attributes).is_ok())
}

/// Takes bytes away for as long as the two still differ.
fn shrink(policy: &Policy, oracle: &mut Oracle, raw: &Raw) -> Result<String> {
    let (method, mut target) = raw.clone();
    let mut at = 0;
    while at < target.len() {
        let mut shorter = target.clone();
        shorter.remove(at);
        match Forwarded::of(policy, &(method.clone(), shorter.clone())) {
            Some(forwarded) => {
                let answer = oracle.ask([forwarded.line.as_str()])?.remove(0);
                if agree(policy, &forwarded, &answer) { at += 1 } else { target = shorter }
            }
            None => at += 1,
        }
    }
    let forwarded = Forwarded::of(policy, &(method, target.clone())).context("shrunk away")?;
    let answer = oracle.ask([forwarded.line.as_str()])?.remove(0);
    Ok(format!(
        "sent `{}`, forwarded `{}`\n  keyhole   {:?}\n  apiserver {answer:?}",
        target.escape_ascii(),
        forwarded.line,
        forwarded.fields
    ))
}

// === impl Forwarded ===

impl Forwarded {
    fn of(policy: &Policy, (method, target): &Raw) -> Option<Self> {
        let request = Request::parse(method, target).ok()?;
        let target = request.target().ok()?;
        let client = policy.clients().first()?;
        policy.authorize(client, &request.attributes).ok()?;
        let fields = match &request.attributes {
            Attributes::NonResource { path, verb } => {
                format!("path\t{verb}\t\t\t\t\t\t\t{path}")
            }
            Attributes::Resource(r) => {
                let path = target.split('?').next().unwrap_or_default();
                format!(
                    "resource\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{path}",
                    r.verb, r.group, r.version, r.namespace, r.resource, r.subresource, r.name
                )
            }
        };
        Some(Self { line: format!("{} {target}", request.method.as_str()), fields })
    }
}

// === impl Oracle ===

impl Oracle {
    fn start() -> Result<Self> {
        let program = root().join(".tools/kube/oracle");
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The factory complains there about selectors that it cannot parse.
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("missing: {}. Run scripts/setup.", program.display()))?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().context("no pipe")?);
        Ok(Self { child, stdin, stdout })
    }

    fn ask<'l>(&mut self, lines: impl IntoIterator<Item = &'l str>) -> Result<Vec<String>> {
        let lines: Vec<&str> = lines.into_iter().collect();
        let (stdin, stdout) = (self.stdin.as_mut().context("ended")?, &mut self.stdout);
        // Written beside the reading, for the pipes hold less than a batch.
        thread::scope(|scope| {
            let writer = scope.spawn(|| -> Result<()> {
                let mut text = lines.join("\n");
                text.push_str("\n\n");
                stdin.write_all(text.as_bytes())?;
                Ok(stdin.flush()?)
            });
            let answers: Vec<String> =
                stdout.lines().take(lines.len()).collect::<Result<_, _>>()?;
            writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
            anyhow::ensure!(answers.len() == lines.len(), "the oracle ended early");
            Ok(answers)
        })
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It ends at the end of its input.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
