//! Turns a written policy into the one that runs.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use jiff::Timestamp;

use super::problem::{At, Problems};
use super::syntax::{is_label, is_subdomain};
use super::written::{ApiVersion, Kind, TokenVerification, Tolerant};
use super::{Revision, issuer, limits, rule, written};
use crate::policy::account::Account;
use crate::policy::grant::Enforcement;
use crate::policy::hours::Hours;
use crate::policy::issuer::Owner;
use crate::policy::key::KeyDigest;
use crate::policy::rules::Rules;
use crate::policy::{Client, Holder, Key, Policy};
use crate::time::UnixTime;
use crate::token::Verification;

pub(super) const DEFAULT_EXPIRATION_SECONDS: u64 = 3600;
/// What the apiserver accepts at least (`ValidateTokenRequest`), and the most
/// that is still a short-lived token.
pub(super) const EXPIRATION_SECONDS: core::ops::RangeInclusive<u64> = 600..=86_400;

/// SQL Server's own timeout is 30 s by default.
pub(super) const TOKEN_WAIT_SECONDS: core::ops::RangeInclusive<u64> = 1..=30;

/// Compiles as much as can be; what cannot is recorded in `problems`.
pub(super) fn compile(
    written: &written::Policy,
    revision: &Revision,
    at: &At<'_>,
    problems: &Problems<'_>,
) -> Policy {
    let written::Policy {
        api_version: Tolerant(Some(ApiVersion::V1) | None),
        kind: Tolerant(Some(Kind::Policy) | None),
        gateway,
        clients,
        roles,
    } = written;
    let mut compiler = Compiler {
        revision,
        at,
        problems,
        policy: Policy::default(),
        roles: HashMap::new(),
        clients: HashMap::new(),
        accounts: HashMap::new(),
        entries: 0,
    };
    if let Some(gateway) = gateway {
        compiler.gateway(gateway);
    }
    for (index, role) in roles.iter().flat_map(|roles| roles.iter()) {
        compiler.role(index, role);
    }
    for (index, client) in clients.iter() {
        compiler.client(index, client);
    }
    issuer::check_sources(clients, &compiler.policy.issuers, at, problems);
    compiler.policy
}

struct Compiler<'w, 'p, 'n> {
    revision: &'p Revision,
    at: &'p At<'p>,
    problems: &'p Problems<'n>,
    policy: Policy,
    roles: HashMap<&'w str, usize>,
    clients: HashMap<&'w str, usize>,
    accounts: HashMap<Account, Arc<Account>>,
    entries: usize,
}

impl<'w> Compiler<'w, '_, '_> {
    fn gateway(&mut self, written: &written::Gateway) {
        let written::Gateway { token_verification, token_wait_seconds, warm_up } = written;
        let gateway = &mut self.policy.gateway;
        if let Some(Tolerant(Some(verification))) = token_verification {
            gateway.verification = match verification {
                TokenVerification::ClaimsOnly => Verification::ClaimsOnly,
                TokenVerification::Signature => Verification::Signature,
            };
        }
        if let Some(Tolerant(Some(seconds))) = token_wait_seconds {
            gateway.token_wait = Duration::from_secs(*seconds);
            if !TOKEN_WAIT_SECONDS.contains(seconds) {
                let at = self.at.field("gateway");
                let message = format!("is {seconds}: write 1 to 30");
                self.problems.add(&at.field("tokenWaitSeconds"), message);
            }
        }
        if let Some(Tolerant(Some(warm_up))) = warm_up {
            gateway.warm_up = *warm_up;
        }
    }

    fn role(&mut self, index: usize, role: &'w written::Role) {
        let written::Role { name, rules } = role;
        let at = self.at.field("roles");
        let at = at.index(index);
        let at_name = at.field("name");
        if !is_label(name) {
            self.problems.add(&at_name, NotALabel(name));
        }
        if rules.is_empty() {
            self.problems.add(&at.field("rules"), "is empty: add a rule, or remove the role");
        }
        let mut compiled = Rules::default();
        let at_rules = at.field("rules");
        for (index, written) in rules.iter() {
            let at = at_rules.index(index);
            let (names, entries) = (&mut self.policy.names, &mut self.entries);
            rule::compile(written, &at, self.problems, names, &mut compiled, entries);
        }
        if self.roles.insert(name, self.policy.roles.len()).is_some() {
            let message = format!("the role `{name}` is defined twice: merge the two");
            self.problems.add(&at_name, message);
        }
        self.policy.roles.push(compiled);
    }

    fn client(&mut self, index: usize, client: &'w written::Client) {
        let written::Client {
            name,
            keys,
            tokens,
            service_account,
            source_ranges,
            limits,
            enforcement,
            roles,
        } = client;
        let at = self.at.field("clients");
        let at = at.index(index);
        let at_name = at.field("name");
        if !is_subdomain(name) {
            self.problems.add(&at_name, NotALabel(name));
        }
        if self.clients.insert(name, index).is_some() {
            let message = format!("the client `{name}` is defined twice: merge the two");
            self.problems.add(&at_name, message);
        }
        let id = self.policy.clients.len();
        let name: Arc<str> = name.as_str().into();
        self.credentials(id, &name, keys.as_ref(), tokens.as_ref(), &at);
        let sources = source_ranges
            .as_ref()
            .map(|list| limits::sources(list, &at.field("sourceRanges"), self.problems))
            .unwrap_or_default();
        self.policy.asks_for_source |= !sources.ranges().is_empty();
        let limits = limits
            .as_ref()
            .and_then(|limits| limits.0.as_ref())
            .map(|written| limits::limits(written, &at.field("limits"), self.problems))
            .unwrap_or_default();
        let enforcement = Enforcement::of(enforcement.as_ref());
        let roles = self.client_roles(roles, &at.field("roles"));
        let Some(account) = &service_account.0 else { return };
        let account = self.account(account, &at.field("serviceAccount"));
        let account = self.shared_account(account);
        let client = Client { name, account, roles, enforcement, limits, sources };
        self.policy.clients.push(client);
    }

    fn credentials(
        &mut self,
        client: usize,
        name: &Arc<str>,
        keys: Option<&written::List<written::Key>>,
        tokens: Option<&written::List<written::Token>>,
        at: &At<'_>,
    ) {
        let at_keys = at.field("keys");
        if keys.is_some_and(written::List::is_empty) {
            let message = match tokens {
                None => {
                    "is empty, so nobody can be this client: add a key, or remove the client"
                }
                Some(_) => "is empty: add a key, or remove it",
            };
            self.problems.add(&at_keys, message);
        }
        let at_tokens = at.field("tokens");
        if tokens.is_some_and(written::List::is_empty) {
            self.problems.add(&at_tokens, "is empty: add a token, or remove it");
        }
        if keys.is_none() && tokens.is_none() {
            let message = "has neither `keys` nor `tokens`, so nobody can be this client: add one of them, or remove the client";
            self.problems.add(at, message);
        }
        for (index, key) in keys.into_iter().flat_map(written::List::iter) {
            self.key(client, name, key, &at_keys.index(index));
        }
        for (index, token) in tokens.into_iter().flat_map(written::List::iter) {
            let owner = Owner::new(client, name, &token.issuer, self.revision.as_str());
            let issuers = &mut self.policy.issuers;
            issuer::compile(owner, token, issuers, &at_tokens.index(index), self.problems);
        }
    }

    fn key(&mut self, client: usize, name: &Arc<str>, key: &written::Key, at: &At<'_>) {
        let written::Key { sha256, not_before, not_after, hours } = key;
        let not_before = self.time(not_before.as_deref(), &at.field("notBefore"));
        let not_after = self.time(not_after.as_deref(), &at.field("notAfter"));
        if let (Some(start), Some(end)) = (not_before, not_after)
            && start >= end
        {
            let message = "is not after `notBefore`, so the key is never valid: swap the two";
            self.problems.add(&at.field("notAfter"), message);
        }
        let hours = hours.as_deref().and_then(|text| self.hours(text, &at.field("hours")));
        let at = at.field("sha256");
        let Some(digest) = KeyDigest::parse(sha256) else {
            let message = "is not 64 lower-case hex digits: write the SHA-256 digest of the key, \
                           as `keyhole key new` prints it";
            return self.problems.add(&at, message);
        };
        match self.policy.keys.entry(digest) {
            Entry::Occupied(_) => {
                let message = "is given twice: a key belongs to one client, and is listed once";
                self.problems.add(&at, message);
            }
            Entry::Vacant(entry) => {
                let (id, revision) = (digest.id(), self.revision.as_str());
                let record = [
                    r#"{"client":""#,
                    name,
                    r#"","key":""#,
                    &id,
                    r#"","policy":""#,
                    revision,
                    r#""}"#,
                ];
                let record = record.concat().into_boxed_str();
                let holder = Arc::new(Holder { client: Arc::clone(name), record });
                entry.insert(Key { client, not_before, not_after, hours, holder });
            }
        }
    }

    fn time(&self, text: Option<&str>, at: &At<'_>) -> Option<UnixTime> {
        let text = text?;
        match text.parse::<Timestamp>() {
            Ok(time) => {
                Some(UnixTime::from_millis(time.as_millisecond().try_into().unwrap_or(0)))
            }
            Err(_) => {
                let message =
                    format!("`{text}` is not a time: write one like 2026-11-01T00:00:00Z");
                self.problems.add(at, message);
                None
            }
        }
    }

    fn hours(&self, text: &str, at: &At<'_>) -> Option<Hours> {
        let hours = Hours::parse(text);
        if hours.is_none() {
            let message =
                format!("`{text}` are not hours of a day: write them like 06:00-20:00, in UTC");
            self.problems.add(at, message);
        }
        hours
    }

    /// Clients of equal accounts share one.
    fn shared_account(&mut self, account: Account) -> Arc<Account> {
        let accounts = &mut self.policy.accounts;
        let known = self.accounts.entry(account).or_insert_with_key(|account| {
            let account = Arc::new(account.clone());
            accounts.push(Arc::clone(&account));
            account
        });
        Arc::clone(known)
    }

    fn account(&self, account: &written::ServiceAccount, at: &At<'_>) -> Account {
        let written::ServiceAccount { namespace, name, expiration_seconds, audiences } =
            account;
        if !is_label(namespace) {
            self.problems.add(&at.field("namespace"), NotALabel(namespace));
        }
        if !is_subdomain(name) {
            self.problems.add(&at.field("name"), NotALabel(name));
        }
        let seconds = expiration_seconds.as_ref().and_then(|seconds| seconds.0);
        let seconds = seconds.unwrap_or(DEFAULT_EXPIRATION_SECONDS);
        if !EXPIRATION_SECONDS.contains(&seconds) {
            let message = format!("is {seconds}: write 600 (the apiserver's minimum) to 86400");
            self.problems.add(&at.field("expirationSeconds"), message);
        }
        let at = at.field("audiences");
        let mut seen: HashSet<&str> = HashSet::new();
        for (index, audience) in audiences.iter().flat_map(|list| list.iter()) {
            if audience.is_empty() || !seen.insert(audience) {
                let message = "is empty or given twice: remove it";
                self.problems.add(&at.index(index), message);
            }
        }
        Account {
            namespace: namespace.clone(),
            name: name.clone(),
            expiration: Duration::from_secs(seconds),
            audiences: audiences
                .iter()
                .flat_map(|list| list.iter())
                .map(|(_, a)| a.clone())
                .collect(),
        }
    }

    fn client_roles(&self, names: &written::List<String>, at: &At<'_>) -> Vec<usize> {
        let mut roles = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        for (index, name) in names.iter() {
            let at = at.index(index);
            match self.roles.get(name.as_str()) {
                Some(_) if !seen.insert(name) => {
                    self.problems.add(&at, format!("the role `{name}` is given twice"));
                }
                Some(role) => roles.push(*role),
                // A role that could not be read has been reported already.
                None if self.problems.any_below(&self.at.field("roles")) => {}
                None => {
                    let message =
                        format!("no role `{name}` is defined: {}", self.known_roles());
                    self.problems.add(&at, message);
                }
            }
        }
        roles
    }

    fn known_roles(&self) -> String {
        let mut names: Vec<&str> = self.roles.keys().copied().collect();
        names.sort_unstable();
        match names.is_empty() {
            true => "add it under `roles`".to_owned(),
            false => format!("write one of `{}`, or add it under `roles`", names.join("`, `")),
        }
    }
}

impl Enforcement {
    pub(super) fn of(written: Option<&Tolerant<written::Enforcement>>) -> Self {
        match written {
            Some(Tolerant(Some(written::Enforcement::Report))) => Self::Report,
            Some(Tolerant(Some(written::Enforcement::Enforce) | None)) | None => Self::Enforce,
        }
    }
}

struct NotALabel<'a>(&'a str);

impl fmt::Display for NotALabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a Kubernetes name: write lower-case letters, digits and `-`",
            self.0
        )
    }
}
