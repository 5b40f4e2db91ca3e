//! `keyhole key`.

use anyhow::Context;
use clap::Subcommand;
use keyhole_core::{KeyDigest, format_key};

use crate::Outcome;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key for a client: print it once, and its digest for the policy.
    ///
    /// The key has 256 random bits. It is stored nowhere; the policy holds only
    /// the digest that is printed below it. Several keys of one client may
    /// overlap: add the new digest, change SQL Server's credential, remove the
    /// old digest.
    New {
        /// The client's name in the policy, such as sql-prod-01.
        client: String,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::New { client } => new(&client),
    }
}

fn new(client: &str) -> anyhow::Result<Outcome> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    anyhow::ensure!(
        !client.is_empty() && client.chars().all(plain),
        "`{client}` is not a client's name: write lower-case letters, digits and `-`"
    );
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).context("the system gave no random bytes")?;
    let key = format_key(client, &secret);
    println!("# The key. It is shown this once: put it into SQL Server's credential.");
    println!("{key}");
    println!("# For the policy, under `keys` of the client `{client}`:");
    println!("- sha256: {}", KeyDigest::of(key.as_bytes()).to_hex());
    Ok(Outcome::Done)
}
