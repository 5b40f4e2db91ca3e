//! `keyhole log`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use keyhole_core::{Attributes, Request, ResourceAttributes};
use serde::Serialize;

use crate::Outcome;
use crate::access_log::{self, Asked, Caller, Claims, Envoy, Line};
use crate::policy::count;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Envoy's access log; `-` for standard input.
    #[arg(default_value = "-")]
    log: PathBuf,
}

/// A line of the log in Kubernetes terms.
#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    envoy: Envoy,
    #[serde(flatten)]
    caller: Option<Caller>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(flatten)]
    asked: Option<Asked>,
    #[serde(flatten)]
    terms: Option<Terms>,
    #[serde(flatten)]
    claims: Option<Claims>,
}

/// What the rules were asked; for a path that is no resource, the verb only.
#[derive(Serialize)]
struct Terms {
    verb: &'static str,
    #[serde(flatten)]
    resource: Option<Resource>,
}

/// An empty string means "none", as it does in Kubernetes.
#[derive(Serialize)]
struct Resource {
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

pub(crate) fn run(Arguments { log }: &Arguments) -> anyhow::Result<Outcome> {
    let mut out = io::stdout().lock();
    let mut written = Ok(());
    let others = access_log::read(log, |line| {
        if written.is_ok() {
            written = write(&mut out, line);
        }
    })?;
    match written {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Outcome::Done),
        written => written?,
    }
    if others > 0 {
        eprintln!("{}: {} of something else", log.display(), count(others, "line"));
    }
    Ok(Outcome::Done)
}

fn write(out: &mut impl Write, line: Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Entry::new(line))?;
    out.write_all(b"\n")
}

// === impl Entry ===

impl Entry {
    fn new(line: Line) -> Self {
        let (decision, asked) = (line.decision().map(str::to_owned), line.asked());
        let terms = asked.as_ref().and_then(Terms::of);
        let Line { envoy, caller, decision: decided, claims, .. } = line;
        let reason = decided.and_then(|decided| decided.reason);
        Self { envoy, caller, decision, reason, asked, terms, claims }
    }
}

// === impl Terms ===

impl Terms {
    fn of(asked: &Asked) -> Option<Self> {
        let Asked { method, path, .. } = asked;
        let request = Request::parse(method.as_bytes(), path.as_bytes()).ok()?;
        let resource = match &request.attributes {
            Attributes::NonResource { .. } => None,
            Attributes::Resource(attributes) => Some(Resource::of(attributes)),
        };
        Some(Self { verb: request.attributes.verb().as_str(), resource })
    }
}

// === impl Resource ===

impl Resource {
    fn of(attributes: &ResourceAttributes<'_>) -> Self {
        let ResourceAttributes { group, resource, subresource, namespace, name, .. } =
            attributes;
        Self {
            group: (*group).to_owned(),
            resource: (*resource).to_owned(),
            subresource: (*subresource).to_owned(),
            namespace: (*namespace).to_owned(),
            name: name.clone().into_owned(),
        }
    }
}
