//! `keyhole policy diff`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use keyhole_core::{
    Account, Client, Enforcement, Gateway, Limits, ListedClient, ListedKey, Listing,
    Permissions, Rate, RuleText, Verification,
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
    /// As whom, from where and how much.
    traits: Vec<String>,
    /// Digests, and when they are valid, in the policy's order.
    keys: Vec<(String, String)>,
    /// Whose tokens it presents.
    tokens: Vec<String>,
    /// By the terms that they are given on.
    permissions: BTreeMap<String, Permissions>,
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
        let permissions = listing.loaded.policy.permissions_on_terms(client);
        Some((&*listed.name, Side::new(listed, client, permissions)))
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
    fn new(
        listed: &ListedClient,
        client: &Client,
        permissions: BTreeMap<String, Permissions>,
    ) -> Self {
        let keys = listed.keys.iter().map(|key| (key.digest.to_hex(), validity(key)));
        let enforcement = match client.enforcement() {
            Enforcement::Enforce => None,
            Enforcement::Report => {
                Some("enforcement: report (whatever the rules say, it is allowed)".to_owned())
            }
        };
        let limits = Some(client.limits()).filter(|limits| **limits != Limits::default());
        let limits = limits.map(|limits| format!("limits: {}", limited(limits)));
        let traits = [Some(described(client.account())), enforcement, limits, sources(client)];
        Self {
            traits: traits.into_iter().flatten().collect(),
            keys: keys.collect(),
            tokens: listed.tokens.clone(),
            permissions,
        }
    }

    /// What there is no more (`-`), and what there is now (`+`).
    fn changes(&self, after: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let gone = self.traits.iter().filter(|own| !after.traits.contains(own));
        lines.extend(gone.map(|own| format!("- {own}")));
        let new = after.traits.iter().filter(|own| !self.traits.contains(own));
        lines.extend(new.map(|own| format!("+ {own}")));
        let key = |digest: &String, validity: &String| {
            let start: String = digest.chars().take(12).collect();
            format!("key {start}...{validity}")
        };
        let gone = self.keys.iter().filter(|key| !after.keys.contains(key));
        lines.extend(gone.map(|(digest, validity)| format!("- {}", key(digest, validity))));
        let new = after.keys.iter().filter(|key| !self.keys.contains(key));
        lines.extend(new.map(|(digest, validity)| format!("+ {}", key(digest, validity))));
        let gone = self.tokens.iter().filter(|token| !after.tokens.contains(token));
        lines.extend(gone.map(|token| format!("- token {token}")));
        let new = after.tokens.iter().filter(|token| !self.tokens.contains(token));
        lines.extend(new.map(|token| format!("+ token {token}")));
        lines.extend(self.permissions_not_in(after).iter().map(|rule| format!("- {rule}")));
        lines.extend(after.permissions_not_in(self).iter().map(|rule| format!("+ {rule}")));
        lines
    }

    /// As rules. What is there without terms needs no word on terms.
    fn permissions_not_in(&self, other: &Self) -> Vec<RuleText> {
        let none = Permissions::default();
        let free = self.permissions.get("").unwrap_or(&none);
        let rules = self.permissions.iter().flat_map(|(terms, permissions)| {
            let same = other.permissions.get(terms).unwrap_or(&none);
            let rest = permissions.without(same);
            if terms.is_empty() { rest } else { rest.without(free) }.rules(terms)
        });
        rules.collect()
    }
}

fn limited(limits: &Limits) -> String {
    let Limits { rate, in_flight, body_bytes } = limits;
    let rate = rate.map(|Rate { per_second, burst }| {
        format!("requestsPerSecond: {per_second}, burst: {burst}")
    });
    let in_flight = in_flight.map(|most| format!("requestsInFlight: {most}"));
    let body_bytes = body_bytes.map(|most| format!("bodyBytes: {most}"));
    let all: Vec<String> = [rate, in_flight, body_bytes].into_iter().flatten().collect();
    format!("{{{}}}", all.join(", "))
}

fn sources(client: &Client) -> Option<String> {
    let ranges: Vec<String> = client.sources().ranges().iter().map(|r| r.to_string()).collect();
    (!ranges.is_empty()).then(|| format!("sourceRanges: [{}]", ranges.join(", ")))
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
    let hours = key.hours.map(|hours| format!(" at {hours} UTC"));
    [from, until, hours].into_iter().flatten().collect()
}
