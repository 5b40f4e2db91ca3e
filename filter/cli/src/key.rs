//! `keyhole key`.

mod digest;
mod edit;
mod rotate;
mod spans;

use anyhow::Context;
use clap::Subcommand;
use keyhole_core::{KeyDigest, format_key};

use crate::Outcome;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print the digest of a key, for a policy.
    ///
    /// The key is read from a file or from standard input, never from the command line,
    /// where other users and the shell's history see it:
    ///
    ///   keyhole key digest < key.txt
    #[command(verbatim_doc_comment)]
    Digest(digest::Arguments),
    /// Make a key for a client: print it once, and its digest for the policy.
    ///
    /// The key has 256 random bits. It is stored nowhere; the policy holds only
    /// the digest that is printed below it. Several keys of one client may
    /// overlap: add the new digest, change SQL Server's credential, remove the
    /// old digest. `keyhole key rotate` does that in a policy.
    New {
        /// The client's name in the policy, such as sql-prod-01.
        client: String,
    },
    /// Make a new key for a client, and let its old ones end.
    ///
    /// Prints the policy with the digest of the new key added, and `notAfter` on the old
    /// keys that have none, or a later one; all else in the text stays as it is. The key
    /// itself is printed on standard error, once:
    ///
    ///   keyhole key rotate sql-prod-01 policy.yaml > new-policy.yaml
    ///
    /// Apply the new policy, change SQL Server's credential before the old keys end, and
    /// remove them after.
    #[command(verbatim_doc_comment)]
    Rotate(rotate::Arguments),
}

pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Digest(arguments) => digest::run(&arguments),
        Command::New { client } => new(&client),
        Command::Rotate(arguments) => rotate::run(&arguments),
    }
}

fn new(client: &str) -> anyhow::Result<Outcome> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    anyhow::ensure!(
        !client.is_empty() && client.chars().all(plain),
        "`{client}` is not a client's name: write lower-case letters, digits and `-`"
    );
    let key = random(client)?;
    println!("# The key. It is shown this once: put it into SQL Server's credential.");
    println!("{key}");
    println!("# For the policy, under `keys` of the client `{client}`:");
    println!("- sha256: {}", KeyDigest::of(key.as_bytes()).to_hex());
    Ok(Outcome::Done)
}

fn random(client: &str) -> anyhow::Result<String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).context("the system gave no random bytes")?;
    Ok(format_key(client, &secret))
}
