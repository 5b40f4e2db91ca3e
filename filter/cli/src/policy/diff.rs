//! `keyhole policy diff`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use keyhole_core::{
    Account, Gateway, ListedClient, ListedKey, Listing, Permissions, Verification,
};

use super::listing;
use crate::Outcome;
use crate::clock::written;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The policy as it is.
    old: PathBuf,
    /// The policy as it will be.
    new: PathBuf,
}

/// All of a client that has an effect.
#[derive(Default)]
struct Side {
    account: Option<String>,
    keys: BTreeMap<String, String>,
    permissions: Permissions,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (old, new) = (listing(&arguments.old)?, listing(&arguments.new)?);
    let changes = changes(&old, &new);
    if changes.is_empty() {
        println!("no change");
        return Ok(Outcome::Done);
    }
    print!("{changes}");
    Ok(Outcome::Changed)
}

/// Nothing if there is no change.
pub(crate) fn changes(old: &Listing, new: &Listing) -> String {
    let mut text = gateway(old.loaded.policy.gateway(), new.loaded.policy.gateway());
    let (old, new) = (sides(old), sides(new));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let none = Side::default();
    for name in names {
        let before = old.get(name).unwrap_or(&none);
        let after = new.get(name).unwrap_or(&none);
        let lines = before.changes(after);
        let what = match (old.contains_key(name), new.contains_key(name)) {
            (true, false) => " is removed",
            (false, true) => " is new",
            _ => "",
        };
        if !lines.is_empty() || !what.is_empty() {
            text.push_str(&format!("client {name}{what}\n"));
            lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
    }
    text
}

fn sides(listing: &Listing) -> BTreeMap<&str, Side> {
    let sides = listing.clients.iter().filter_map(|listed| {
        let client = listing.client(&listed.name)?;
        let permissions = listing.loaded.policy.permissions(client);
        Some((&*listed.name, Side::new(listed, client.account(), permissions)))
    });
    sides.collect()
}

fn gateway(old: &Gateway, new: &Gateway) -> String {
    let fields = |gateway: &Gateway| {
        let Gateway { verification, warm_up, token_wait } = gateway;
        let verification = match verification {
            Verification::ClaimsOnly => "claimsOnly",
            Verification::Signature => "signature",
        };
        [
            format!("tokenVerification: {verification}"),
            format!("tokenWaitSeconds: {}", token_wait.as_secs()),
            format!("warmUp: {warm_up}"),
        ]
    };
    let pairs = fields(old).into_iter().zip(fields(new));
    let lines = pairs.filter(|(old, new)| old != new);
    let lines: String = lines.map(|(old, new)| format!("  - {old}\n  + {new}\n")).collect();
    if lines.is_empty() { lines } else { format!("gateway\n{lines}") }
}

// === impl Side ===

impl Side {
    fn new(client: &ListedClient, account: &Account, permissions: Permissions) -> Self {
        let keys = client.keys.iter().map(|key| (key.digest.to_hex(), validity(key)));
        Self { account: Some(described(account)), keys: keys.collect(), permissions }
    }

    /// What there is no more (`-`), and what there is now (`+`).
    fn changes(&self, after: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.account != after.account {
            lines.extend(self.account.iter().map(|account| format!("- {account}")));
            lines.extend(after.account.iter().map(|account| format!("+ {account}")));
        }
        let key = |digest: &String, validity: &String| {
            let start: String = digest.chars().take(12).collect();
            format!("key {start}...{validity}")
        };
        for (digest, validity) in &self.keys {
            if after.keys.get(digest) != Some(validity) {
                lines.push(format!("- {}", key(digest, validity)));
            }
        }
        for (digest, validity) in &after.keys {
            if self.keys.get(digest) != Some(validity) {
                lines.push(format!("+ {}", key(digest, validity)));
            }
        }
        let denied = self.permissions.without(&after.permissions);
        let allowed = after.permissions.without(&self.permissions);
        lines.extend(denied.rules().iter().map(|rule| format!("- {rule}")));
        lines.extend(allowed.rules().iter().map(|rule| format!("+ {rule}")));
        lines
    }
}

fn described(account: &Account) -> String {
    let seconds = account.expiration.as_secs();
    let audiences = match account.audiences.is_empty() {
        true => String::new(),
        false => format!(", audiences {}", account.audiences.join(" ")),
    };
    format!("ServiceAccount {account}, tokens for {seconds} s{audiences}")
}

fn validity(key: &ListedKey) -> String {
    let from = key.not_before.map(|time| format!(" from {}", written(time)));
    let until = key.not_after.map(|time| format!(" until {}", written(time)));
    [from, until].into_iter().flatten().collect()
}
