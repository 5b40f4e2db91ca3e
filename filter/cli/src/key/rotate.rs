//! `keyhole key rotate`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use keyhole_core::diff::{Fate, Line, Of, Part, diff};
use keyhole_core::{KeyDigest, Listing, UnixTime, list_policy};

use super::edit::Rotation;
use crate::clock::now;
use crate::{Outcome, policy};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The client's name in the policy, such as sql-prod-01.
    client: String,
    /// The policy document: YAML or JSON.
    file: PathBuf,
    /// How long the old keys still serve.
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    overlap_days: u16,
    /// How long the new key serves.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    valid_days: u16,
    /// Write the key to this new file, which only you can read, instead of printing it.
    #[arg(long, value_name = "NEW-FILE")]
    key_file: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { client, file, overlap_days, valid_days, key_file } = arguments;
    let text = policy::read(file)?;
    let listing = policy::listing(file)?;
    policy::client(&listing.loaded.policy, client)?;
    let key = super::random(client)?;
    let now = now()?;
    let rotation = Rotation {
        client,
        digest: KeyDigest::of(key.as_bytes()).to_hex(),
        not_after: after(now, *valid_days),
        old_until: after(now, *overlap_days),
    };
    let rotated = rotation.apply(&text, &listing)?;
    check(&rotation, &listing, &rotated)
        .with_context(|| format!("{} is written in a way that cannot be changed here: put in the digest that `keyhole key new` prints", file.display()))?;
    match key_file {
        Some(file) => write(file, &key)
            .with_context(|| format!("cannot write the key to {}", file.display()))?,
        None => {
            eprintln!("# The key. It is shown this once: put it into SQL Server's credential.");
            eprintln!("{key}");
        }
    }
    print!("{rotated}");
    Ok(Outcome::Done)
}

fn after(now: UnixTime, days: u16) -> UnixTime {
    UnixTime::from_secs(now.as_secs().saturating_add(u64::from(days).saturating_mul(86_400)))
}

/// Nothing but this client's keys may have changed.
fn check(rotation: &Rotation<'_>, old: &Listing, rotated: &str) -> anyhow::Result<()> {
    let Ok(new) = list_policy(rotated) else { bail!("the policy would not be valid") };
    let changes = diff(old, &new).parts;
    let [Part { of: Of::Client(client), fate: Fate::Kept, lines }] = &changes[..] else {
        bail!("something else would change")
    };
    ensure!(client == rotation.client, "something else would change");
    let key = |line: &Line| line.text().starts_with("key ");
    ensure!(lines.iter().all(key), "more than keys would change");
    let keys = new.clients.iter().filter(|client| client.name == rotation.client);
    let mut keys = keys.flat_map(|client| &client.keys);
    let added = keys.any(|key| {
        key.digest.to_hex() == rotation.digest && key.not_after == Some(rotation.not_after)
    });
    ensure!(added, "the new key would not be in it");
    Ok(())
}

fn write(file: &Path, key: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    writeln!(options.open(file)?, "{key}")?;
    Ok(())
}
