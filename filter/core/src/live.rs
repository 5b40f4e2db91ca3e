//! The policy that lies in a ConfigMap of the cluster, read by the gateway itself.
//!
//! One worker of the pod reads it; the others find what it found in shared memory,
//! and so does a worker that starts anew. A policy that cannot be read or is refused
//! never replaces the one in force.

pub(crate) mod config_map;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use self::config_map::ConfigMap;
use crate::answer::Answer;
use crate::config::{Problem, Source, load_policy};
use crate::pod::cache::Cached;
use crate::pod::failure::Failure;
use crate::pod::lifecycle::Lasting;
use crate::pod::shared::{self, Shared};
use crate::time::{Now, Steady};
use crate::worker::effect::{Call, Effect, Purpose};
use crate::worker::notice::Notice;

const STARTING: Duration = Duration::from_millis(100);

/// A policy that is read from a ConfigMap again and again.
#[derive(Debug)]
pub struct LivePolicy {
    source: Source,
    found: Cached<Found>,
    active: Option<String>,
}

/// What is in the ConfigMap.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Found {
    resource_version: String,
    /// That of the last good policy; its text lies in shared memory, too.
    revision: Option<String>,
    renew_at: Steady,
}

// === impl Found ===

/// The last good policy stays in force, however long there is no other.
impl Lasting for Found {
    fn renew_at(&self) -> Option<Steady> {
        Some(self.renew_at)
    }

    fn ends_at(&self) -> Option<Steady> {
        None
    }
}

// === impl LivePolicy ===

impl LivePolicy {
    pub fn new(source: Source) -> Self {
        Self { source, found: Cached::default(), active: None }
    }

    /// To be called with each tick; takes up what another worker has found, or sees
    /// to it that somebody looks.
    pub fn tick(&mut self, shared: &dyn Shared, now: Now) -> Vec<Effect> {
        let flight = self.found.refresh(shared, &self.source.shared_key(), now);
        let call = flight.map(|flight| Effect::Call(Call::policy(flight, &self.source.path())));
        call.into_iter().chain(self.take_up(shared, now)).collect()
    }

    /// How soon to look at the latest: without a policy nobody is served.
    pub const fn pace(&self) -> Duration {
        match self.active {
            None => STARTING,
            Some(_) => self.source.refresh,
        }
    }

    /// The answer to a call of [`tick`](Self::tick), or that there was none.
    pub fn answered(
        &mut self,
        purpose: &Purpose,
        answer: &Answer,
        shared: &dyn Shared,
        now: Now,
    ) -> Vec<Effect> {
        let Purpose::Policy(flight) = purpose else { return Vec::new() };
        let mut effects = Vec::new();
        let found = self.read(answer, shared, now, &mut effects);
        if let Err(failure) = &found {
            let notice = self.source.sentence(failure);
            effects.push(Effect::Notice(Notice::warning(&notice)));
        }
        self.found.settle(shared, &self.source.shared_key(), *flight, found, now);
        effects.extend(self.take_up(shared, now));
        effects
    }

    fn read(
        &self,
        answer: &Answer,
        shared: &dyn Shared,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<Found, Failure> {
        let map = ConfigMap::read(answer)?;
        let text = map.policy(&self.source.key)?;
        let before = self.found.held(now.steady).map(|held| &held.value);
        let resource_version = map.metadata.resource_version.clone();
        let renew_at = now.steady.after(jittered(self.source.refresh, now.jitter));
        let last_good = before.and_then(|before| before.revision.clone());
        if before.is_some_and(|before| before.resource_version == resource_version) {
            return Ok(Found { resource_version, revision: last_good, renew_at });
        }
        let revision = match load_policy(text) {
            Ok(loaded) => {
                let revision = loaded.revision.to_string();
                let key = self.source.text_key();
                shared::update(shared, &key, |_: String| (text.to_string(), ()));
                Some(revision)
            }
            Err(problems) => {
                effects.extend(self.refused(&map, &problems));
                last_good
            }
        };
        Ok(Found { resource_version, revision, renew_at })
    }

    fn refused(&self, map: &ConfigMap, problems: &[Problem]) -> Vec<Effect> {
        let lines = problems.iter().map(|problem| format!("policy refused: {problem}"));
        let mut effects: Vec<Effect> =
            lines.map(|line| Effect::Notice(Notice::warning(&line))).collect();
        effects.push(Effect::PolicyRefused);
        effects.push(Effect::Call(Call::event(map.refusal(&self.source, problems))));
        effects
    }

    /// Puts in force what was found, if it is not yet.
    fn take_up(&mut self, shared: &dyn Shared, now: Now) -> Option<Effect> {
        let revision = self.found.held(now.steady)?.value.revision.clone()?;
        if self.active.as_ref() == Some(&revision) {
            return None;
        }
        let text = shared.get(&self.source.text_key())?;
        let text: String = serde_json::from_slice(&text.value).ok()?;
        // It may be that of the next one already, which is not found yet.
        let loaded = load_policy(&text).ok().filter(|own| own.revision.as_str() == revision)?;
        self.active = Some(revision);
        Some(Effect::Policy(Box::new(loaded)))
    }
}

/// Up to a tenth sooner, so that many gateways do not ask at once.
fn jittered(refresh: Duration, jitter: u64) -> Duration {
    let tenth = u64::try_from(refresh.as_millis()).unwrap_or(u64::MAX) / 10;
    let sooner = jitter.checked_rem(tenth.max(1)).unwrap_or(0);
    refresh.saturating_sub(Duration::from_millis(sooner))
}

#[cfg(test)]
mod tests;
