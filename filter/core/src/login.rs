//! Who presents a token instead of an API key: checked against its issuer's keys once,
//! remembered for as long as it lasts.
//!
//! ```text
//!  token ──> remembered ─────────────────────────────────> client
//!    │            └─ refused a moment ago                      401
//!    │  Presented::read   three parts, no duplicate claims     401
//!    │  Issuers::get      the issuer is the policy's           401
//!    │  times, audience                                        401
//!    │  Issuer::may_know  the subject is a client's            401
//!    │  key               by its id, among the issuer's        401, 503 before they are here
//!    │   └─ by which it was right under an earlier policy: no other check
//!    │  Budget            so many signatures a second          429
//!    │  Key::verify       algorithm of the key, signature      401
//!    ▼
//!  Issuer::owner          subject or claims ──────────────> client
//! ```
//!
//! So a stranger's token costs no signature check unless it names an issuer, an audience, a
//! key and a subject that are right (of an issuer with `claims`, any subject); and those that
//! do are bounded.

mod budget;
mod fetch;
pub(crate) mod keys;
mod memory;
#[cfg_attr(target_os = "unknown", expect(dead_code, reason = "nothing is verified there"))]
pub(crate) mod presented;
#[cfg_attr(target_os = "unknown", path = "login/no_signature.rs")]
mod signature;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use hashbrown::HashMap;

use self::budget::Budget;
use self::keys::IssuerKeys;
use self::memory::{Accepted, Memory};
use self::presented::Presented;
use self::signature::verify;
use crate::jwks::Key;
use crate::pod::cache::Cached;
use crate::pod::failure::one_line;
use crate::pod::lifecycle::Flight;
use crate::policy::issuer::{Bearer, Issuer, KeySource, NoClient, Owner, Remote};
use crate::policy::key::KeyDigest;
use crate::policy::{Client, Holder, Policy};
use crate::time::{Now, UnixTime};
use crate::token::claims::TOLERANCE;

/// Longer tokens are not looked at. SQL Server's headers have 8 KB all together.
pub(crate) const MAX_TOKEN_BYTES: usize = 8192;
/// Keys are not fetched again sooner, whatever tokens name.
const KEYS_FLOOR: Duration = Duration::from_secs(10);

/// The tokens that one worker has seen, and the keys to check others with.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    keys: HashMap<Arc<Remote>, Cached<IssuerKeys>>,
    memory: Memory,
    budget: Budget,
    /// Signatures that were right, since they were last told.
    verified: u32,
}

/// Why nobody is known by a token. For the log only: a client never learns which.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginRefused {
    /// If it is one of the policy's.
    pub(crate) issuer: Option<Arc<str>>,
    pub(crate) why: Why,
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(target_os = "unknown", expect(dead_code, reason = "nothing is verified there"))]
pub(crate) enum Why {
    #[error("its algorithm is not that of its key")]
    Algorithm,
    #[error("it is for another audience")]
    Audience,
    #[error("no client has the subject `{0}`, or claims that it has")]
    Client(String),
    #[error("it has expired")]
    Expired,
    #[error("its header has `{0}`, which is not taken")]
    Header(&'static str),
    #[error("the policy does not name its issuer")]
    Issuer,
    #[error("the issuer's keys are not here, or may have changed")]
    Keys { wait: Duration },
    #[error("its issuer has no key of this id")]
    Key,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("it is not valid yet")]
    NotYetValid,
    #[error("it fits more than one client: make their `subject` or `claims` differ")]
    Several,
    #[error("its signature is wrong")]
    Signature,
    #[error("too many new tokens are to be checked")]
    TooMany,
}

/// A key that a token names.
struct Chosen<'k> {
    key: &'k Key,
    flight: Option<Flight>,
}

// === impl Logins ===

impl Logins {
    /// Another policy is in force: whoever is in it is known by what it says.
    pub(crate) fn policy_loaded(&mut self, policy: &Policy) {
        self.memory.policy_loaded();
        let wanted: Vec<_> = policy.issuers.remotes().collect();
        self.keys.retain(|remote, _| wanted.contains(&remote));
    }

    /// Whose token this is.
    pub(crate) fn identify<'p>(
        &mut self,
        policy: &'p Policy,
        token: &[u8],
        now: Now,
    ) -> Result<(&'p Client, Arc<Holder>), LoginRefused> {
        let unknown = |why| LoginRefused { issuer: None, why };
        if policy.issuers.0.is_empty() {
            return Err(unknown(Why::Issuer));
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(unknown(Why::Malformed("it is longer than 8 KiB")));
        }
        let digest = KeyDigest::of(token);
        if let Some(known) = self.remembered(policy, &digest, now) {
            return known;
        }
        let token = Presented::read(token).map_err(unknown)?;
        let issuer = token.issuer().and_then(|name| policy.issuers.get(name));
        let issuer = issuer.ok_or_else(|| unknown(Why::Issuer))?;
        let told = |why| LoginRefused { issuer: Some(Arc::clone(&issuer.name)), why };
        let expires = token.check_times(now.wall).map_err(told)?;
        let audience = token.audiences().find(|audience| issuer.audiences.contains(*audience));
        let audience = audience.ok_or_else(|| told(Why::Audience))?;
        // Whom nobody knows costs no signature: a stranger has to know a subject, too.
        if !issuer.may_know(&token) {
            return Err(told(no_client(&token)));
        }
        let Chosen { key, flight } =
            chosen(&mut self.keys, issuer, &token, now).map_err(told)?;
        // Under an earlier policy, perhaps: a signature does not depend on it.
        let is_checked = self.memory.accepted(&digest, now.steady).is_some_and(|own| {
            *own.issuer == *issuer.name
                && *own.key_id == *token.key_id()
                && own.key == key.fingerprint()
        });
        let judged = match is_checked {
            true => Ok(()),
            false if !self.budget.take(now.steady) => return Err(told(Why::TooMany)),
            false => verify(key, issuer, audience, &token, now.wall)
                .inspect(|()| self.verified = self.verified.saturating_add(1)),
        };
        let judged = judged.and_then(|()| whose(policy, issuer, &token));
        match judged {
            Ok((client, owner)) => {
                let until = expires.saturating_add(TOLERANCE.as_secs());
                let left = now.wall.until(UnixTime::from_secs(until));
                self.memory.accept(
                    digest,
                    now.steady,
                    Accepted {
                        client: owner.client,
                        holder: Arc::clone(&owner.holder),
                        issuer: Arc::clone(&issuer.name),
                        key_id: token.key_id().into(),
                        key: key.fingerprint(),
                        flight,
                        ends_at: now.steady.after(left),
                        until: UnixTime::from_secs(until),
                    },
                );
                Ok((client, Arc::clone(&owner.holder)))
            }
            Err(why) => {
                let refused = told(why);
                self.memory.refuse(digest, now.steady, refused.clone());
                Err(refused)
            }
        }
    }

    fn remembered<'p>(
        &mut self,
        policy: &'p Policy,
        digest: &KeyDigest,
        now: Now,
    ) -> Option<Result<(&'p Client, Arc<Holder>), LoginRefused>> {
        let Some(accepted) = self.memory.accepted(digest, now.steady) else {
            return self.memory.refused(digest, now.steady).map(|refused| Err(refused.clone()));
        };
        // A machine that slept has a steady clock that is late.
        if now.wall >= accepted.until {
            return None;
        }
        // Of this very policy: a stream may still be judged by the one before.
        let client = policy.clients.get(accepted.client)?;
        if !Arc::ptr_eq(client.name(), &accepted.holder.client) {
            return None;
        }
        let issuer = policy.issuers.get(&accepted.issuer)?;
        if let Some(KeySource::Remote(remote)) = &issuer.source {
            let held = self.keys.get(remote)?.held(now.steady)?;
            if accepted.flight != Some(held.flight) {
                // The issuer may have taken its key back.
                let key = held.value.keys.get(&accepted.key_id)?;
                if key.fingerprint() != accepted.key {
                    return None;
                }
                accepted.flight = Some(held.flight);
            }
        }
        Some(Ok((client, Arc::clone(&accepted.holder))))
    }

    /// How many signatures were right since this was last asked.
    pub(crate) fn take_verified(&mut self) -> u32 {
        core::mem::take(&mut self.verified)
    }
}

/// The key that the token names, and what brought it.
fn chosen<'k>(
    keys: &'k mut HashMap<Arc<Remote>, Cached<IssuerKeys>>,
    issuer: &'k Issuer,
    token: &Presented<'_>,
    now: Now,
) -> Result<Chosen<'k>, Why> {
    let remote = match &issuer.source {
        Some(KeySource::Written(set)) => {
            let key = set.get(token.key_id()).ok_or(Why::Key)?;
            return Ok(Chosen { key, flight: None });
        }
        Some(KeySource::Remote(remote)) => remote,
        None => return Err(Why::Key),
    };
    let cached = keys.entry(Arc::clone(remote)).or_default();
    let has = cached
        .held(now.steady)
        .is_some_and(|held| held.value.keys.get(token.key_id()).is_some());
    if !has {
        cached.outdate(now.steady.before(KEYS_FLOOR));
        let failing = cached.failure(now.steady).map(|(until, _)| now.steady.until(until));
        let wait = failing.unwrap_or(Duration::from_secs(1));
        return Err(match cached.is_fresh(now.steady) {
            true => Why::Key,
            false => Why::Keys { wait },
        });
    }
    let held = cached.held(now.steady).ok_or(Why::Key)?;
    let key = held.value.keys.get(token.key_id()).ok_or(Why::Key)?;
    Ok(Chosen { key, flight: Some(held.flight) })
}

fn whose<'p>(
    policy: &'p Policy,
    issuer: &'p Issuer,
    token: &Presented<'_>,
) -> Result<(&'p Client, &'p Owner), Why> {
    let owner = issuer.owner(token).map_err(|none| match none {
        NoClient::None => no_client(token),
        NoClient::Several => Why::Several,
    })?;
    policy.clients.get(owner.client).map(|client| (client, owner)).ok_or(Why::Several)
}

fn no_client(token: &Presented<'_>) -> Why {
    Why::Client(one_line(token.subject().unwrap_or_default()))
}

// === impl LoginRefused ===

impl LoginRefused {
    /// A word for metrics.
    pub(crate) const fn cause(&self) -> &'static str {
        match self.why {
            Why::Algorithm | Why::Signature => "signature",
            Why::Audience => "audience",
            Why::Client(_) | Why::Several => "client",
            Why::Expired | Why::NotYetValid => "time",
            Why::Header(_) | Why::Malformed(_) => "malformed",
            Why::Issuer => "issuer",
            Why::Key => "key",
            Why::Keys { .. } => "no_keys",
            Why::TooMany => "too_many",
        }
    }
}

impl fmt::Display for LoginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.issuer {
            Some(issuer) => write!(f, "a token of {issuer} is not accepted: {}", self.why),
            None => write!(f, "a token is not accepted: {}", self.why),
        }
    }
}

impl core::error::Error for LoginRefused {}
