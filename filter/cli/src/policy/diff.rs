//! `keyhole policy diff`.

use std::path::PathBuf;

use clap::Args;
use keyhole_core::diff::diff;

use super::listing;
use crate::Outcome;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The policy as it is.
    old: PathBuf,
    /// The policy as it will be.
    new: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (old, new) = (listing(&arguments.old)?, listing(&arguments.new)?);
    let changes = diff(&old, &new);
    if changes.is_empty() {
        println!("no change");
        return Ok(Outcome::Done);
    }
    print!("{changes}");
    Ok(Outcome::Changed)
}
