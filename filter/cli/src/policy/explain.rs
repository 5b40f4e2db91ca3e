//! `keyhole policy explain`.

use std::path::PathBuf;

use clap::Args;
use keyhole_core::{Attempt, explain};

use super::{client, listing, read};
use crate::Outcome;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The policy document: YAML or JSON.
    file: PathBuf,
    /// The client that asks, by its name in the policy. Its key is taken for valid.
    #[arg(long)]
    client: String,
    /// The request has a body of this type. Server-side apply
    /// (application/apply-patch+yaml) needs `create` beside `patch`.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The body, for rules with `constraints`; in JSON, if there is no --content-type.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// GET, POST, PUT, PATCH or DELETE.
    method: String,
    /// The path and query, such as /api/v1/namespaces/default/pods?limit=5.
    target: String,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { file, client: name, content_type, body, method, target } = arguments;
    let listing = listing(file)?;
    let client = client(&listing.loaded.policy, name)?;
    let body = body.as_deref().map(read).transpose()?;
    let body = body.as_deref().map(str::as_bytes);
    let attempt = Attempt { method, target, content_type: content_type.as_deref(), body };
    let explanation = explain(&listing, client, &attempt);
    print!("{}", explanation.words(&file.display().to_string()));
    Ok(match explanation.judged {
        Ok(_) => Outcome::Done,
        Err(_) => Outcome::Denied,
    })
}
