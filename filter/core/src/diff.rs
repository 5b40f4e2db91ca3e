//! What a change of a policy allows and denies: in permissions, not in text.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::config::listing::{ListedClient, ListedKey, Listing};
use crate::config::text::RuleText;
use crate::policy::account::Account;
use crate::policy::grant::Enforcement;
use crate::policy::limits::{Limits, Rate};
use crate::policy::permissions::Permissions;
use crate::policy::{Client, Gateway};
use crate::token::Verification;

/// All that differs; nothing if there is no change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Diff {
    pub parts: Vec<Part>,
}

/// What differs in one part of a policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    pub of: Of,
    pub fate: Fate,
    pub lines: Vec<Line>,
}

/// The gateway, or a client by its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Of {
    Client(String),
    Gateway,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    Kept,
    New,
    Removed,
}

/// A trait, a key or a rule: one that there is no more, or one that there is now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    Gone(String),
    New(String),
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

/// Compares what each client may do, as whom, and with which keys, not how that is written.
pub fn diff(old: &Listing, new: &Listing) -> Diff {
    let gateway = gateway(old.loaded.policy.gateway(), new.loaded.policy.gateway());
    let (old, new) = (sides(old), sides(new));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let none = Side::default();
    let clients = names.into_iter().filter_map(|name| {
        let (before, after) = (old.get(name), new.get(name));
        let fate = match (before, after) {
            (Some(_), None) => Fate::Removed,
            (None, Some(_)) => Fate::New,
            _ => Fate::Kept,
        };
        let lines = before.unwrap_or(&none).changes(after.unwrap_or(&none));
        let part = Part { of: Of::Client(name.to_owned()), fate, lines };
        part.is_change().then_some(part)
    });
    Diff { parts: gateway.into_iter().chain(clients).collect() }
}

fn sides(listing: &Listing) -> BTreeMap<&str, Side> {
    let sides = listing.clients.iter().filter_map(|listed| {
        let client = listing.client(&listed.name)?;
        let permissions = listing.loaded.policy.permissions_on_terms(client);
        Some((&*listed.name, Side::new(listed, client, permissions)))
    });
    sides.collect()
}

fn gateway(old: &Gateway, new: &Gateway) -> Option<Part> {
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
    let pairs = pairs.filter(|(old, new)| old != new);
    let lines = pairs.flat_map(|(old, new)| [Line::Gone(old), Line::New(new)]).collect();
    let part = Part { of: Of::Gateway, fate: Fate::Kept, lines };
    part.is_change().then_some(part)
}

// === impl Diff ===

impl Diff {
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| part.fmt(f))
    }
}

// === impl Part ===

impl Part {
    fn is_change(&self) -> bool {
        !self.lines.is_empty() || self.fate != Fate::Kept
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, fate, lines } = self;
        let fate = match fate {
            Fate::Kept => "",
            Fate::New => " is new",
            Fate::Removed => " is removed",
        };
        match of {
            Of::Client(name) => writeln!(f, "client {name}{fate}")?,
            Of::Gateway => writeln!(f, "gateway{fate}")?,
        }
        lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

// === impl Line ===

impl Line {
    pub fn text(&self) -> &str {
        match self {
            Self::Gone(text) | Self::New(text) => text,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(text) => write!(f, "- {text}"),
            Self::New(text) => write!(f, "+ {text}"),
        }
    }
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

    fn changes(&self, after: &Self) -> Vec<Line> {
        let key = |(digest, validity): &(String, String)| {
            let start: String = digest.chars().take(12).collect();
            format!("key {start}...{validity}")
        };
        let token = |token: &String| format!("token {token}");
        let mut lines = changed(&self.traits, &after.traits, String::clone);
        lines.extend(changed(&self.keys, &after.keys, key));
        lines.extend(changed(&self.tokens, &after.tokens, token));
        let rules = |rules: Vec<RuleText>| rules.into_iter().map(|rule| rule.to_string());
        lines.extend(rules(self.permissions_not_in(after)).map(Line::Gone));
        lines.extend(rules(after.permissions_not_in(self)).map(Line::New));
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

fn changed<T: PartialEq>(old: &[T], new: &[T], text: impl Fn(&T) -> String) -> Vec<Line> {
    let gone = old.iter().filter(|own| !new.contains(own));
    let new = new.iter().filter(|own| !old.contains(own));
    let gone = gone.map(|own| Line::Gone(text(own)));
    gone.chain(new.map(|own| Line::New(text(own)))).collect()
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
    let from = key.not_before.map(|time| format!(" from {time}"));
    let until = key.not_after.map(|time| format!(" until {time}"));
    let hours = key.hours.map(|hours| format!(" at {hours} UTC"));
    [from, until, hours].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::listing::list_policy;
    use crate::policy::key::KeyDigest;

    fn listing(clients: &str) -> Listing {
        let digest = KeyDigest::of(b"k").to_hex();
        let clients = clients.replace("KEY", &format!("keys: [{{sha256: {digest}}}]"));
        list_policy(&format!(
            "{{apiVersion: keyhole/v1, kind: Policy, {clients}, roles: [\
             {{name: get, rules: [{{namespaces: [d], apiGroups: [a], resources: [r], verbs: [get]}}]}}, \
             {{name: all, rules: [{{namespaces: [d], apiGroups: [a], resources: [r], verbs: [get, list]}}]}}]}}"
        ))
        .unwrap()
    }

    #[test]
    #[rustfmt::skip]
    fn a_diff_tells_of_each_part_what_is_gone_and_what_is_new() {
        const NONE: &str = "clients: []";
        const GET: &str = "clients: [{name: c, KEY, serviceAccount: {namespace: d, name: s}, roles: [get]}]";
        const ALL: &str = "clients: [{name: c, KEY, serviceAccount: {namespace: d, name: s}, roles: [all, get]}]";
        const OTHER: &str = "clients: [{name: c, KEY, serviceAccount: {namespace: d, name: t}, roles: [get]}]";
        const WARM: &str = "gateway: {warmUp: true}, clients: []";
        for (old, new, expected) in [
            (GET,  GET,   ""),
            (GET,  ALL,   "client c\n  + {namespaces: [d], apiGroups: [a], resources: [r], verbs: [list]}\n"),
            (ALL,  GET,   "client c\n  - {namespaces: [d], apiGroups: [a], resources: [r], verbs: [list]}\n"),
            (GET,  OTHER, "client c\n  - ServiceAccount d/s, tokens for 3600 s\n  + ServiceAccount d/t, tokens for 3600 s\n"),
            (NONE, WARM,  "gateway\n  - warmUp: false\n  + warmUp: true\n"),
        ] {
            let diff = diff(&listing(old), &listing(new));
            assert_eq!((diff.to_string().as_str(), diff.is_empty()), (expected, expected.is_empty()));
        }
        let new = diff(&listing(NONE), &listing(GET)).parts;
        assert_eq!((new.len(), &new[0].of, new[0].fate), (1, &Of::Client("c".to_owned()), Fate::New));
        assert_eq!(diff(&listing(GET), &listing(NONE)).parts[0].fate, Fate::Removed);
    }
}
