//! `keyhole policy replay`.

use std::path::PathBuf;

use clap::Args;
use keyhole_core::{Explanation, Listing, Refusal, explain};

use super::decisions::{Asked, Decisions};
use super::{count, listing};
use crate::Outcome;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The policy as it is.
    old: PathBuf,
    /// The policy as it will be.
    new: PathBuf,
    /// Envoy's access log; `-` for standard input.
    log: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { old, new, log } = arguments;
    let (old, new) = (listing(old)?, listing(new)?);
    let decisions = Decisions::read(log)?;
    let mut changed = 0_usize;
    for (asked, times) in &decisions.asked {
        let (before, after) = (outcome(&old, asked), outcome(&new, asked));
        if before != after {
            changed = changed.saturating_add(*times);
            let Asked { client, method, path, content_type, .. } = asked;
            let body = content_type.as_ref().map(|body| format!(" ({body})"));
            let body = body.unwrap_or_default();
            println!("{before} -> {after}  {times}x  {client}: {method} {path}{body}");
        }
    }
    let total = count(decisions.total(), "request");
    println!("{total}, {changed} would be decided otherwise");
    if decisions.others > 0 {
        eprintln!("{}: {} of something else", log.display(), count(decisions.others, "line"));
    }
    Ok(if changed == 0 { Outcome::Done } else { Outcome::Changed })
}

/// The log does not have the bodies.
fn outcome(listing: &Listing, asked: &Asked) -> String {
    let Some(client) = listing.client(&asked.client) else { return "no client".to_owned() };
    let attempt = asked.attempt();
    let Explanation { judged, depends_on_body, .. } = explain(listing, client, &attempt);
    match judged {
        Ok(_) if depends_on_body => "allow by body".to_owned(),
        Ok(None) => "allow".to_owned(),
        Ok(Some(_)) => "report".to_owned(),
        Err(Refusal::Forbidden(_)) => "deny".to_owned(),
        Err(refusal) => refusal.reply().code.to_string(),
    }
}
