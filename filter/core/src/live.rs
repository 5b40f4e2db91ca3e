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
use crate::config::{Loaded, Problem, Source, load_policy};
use crate::pod::cache::Cached;
use crate::pod::failure::Failure;
use crate::pod::lifecycle::{Flight, Lasting};
use crate::pod::shared::{self, Shared};
use crate::time::{Now, Steady, part_of};
use crate::worker::effect::{Call, Effect};
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
        call.into_iter().chain(self.take_up(None, shared, now)).collect()
    }

    /// How soon to look at the latest: without a policy nobody is served.
    pub const fn pace(&self) -> Duration {
        match self.active {
            None => STARTING,
            Some(_) => self.source.refresh,
        }
    }

    /// The answer to the call of a [`tick`](Self::tick), or that there was none.
    pub fn answered(
        &mut self,
        flight: Flight,
        answer: &Answer,
        shared: &dyn Shared,
        now: Now,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let (found, read) = match self.read(answer, shared, now, &mut effects) {
            Ok((found, read)) => (Ok(found), read),
            Err(failure) => {
                let notice = self.source.sentence(&failure);
                effects.push(Effect::Notice(Notice::warning(&notice)));
                (Err(failure), None)
            }
        };
        self.found.settle(shared, &self.source.shared_key(), flight, found, now);
        effects.extend(self.take_up(read, shared, now));
        effects
    }

    /// What is in the ConfigMap, and its policy if it is a new and a good one.
    fn read(
        &self,
        answer: &Answer,
        shared: &dyn Shared,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(Found, Option<Loaded>), Failure> {
        let map = ConfigMap::read(answer)?;
        let text = map.policy(&self.source.key)?;
        let before = self.found.held(now.steady).map(|held| &held.value);
        let resource_version = map.metadata.resource_version.clone();
        let refresh = self.source.refresh;
        let tenth = refresh.checked_div(10).unwrap_or_default();
        let renew_at = now.steady.after(refresh.saturating_sub(part_of(tenth, now.jitter)));
        let last_good = before.and_then(|before| before.revision.clone());
        if before.is_some_and(|before| before.resource_version == resource_version) {
            return Ok((Found { resource_version, revision: last_good, renew_at }, None));
        }
        let (revision, read) = match load_policy(text) {
            Ok(loaded) => {
                let key = self.source.text_key();
                shared::update(shared, &key, |_: String| (text.to_string(), ()));
                (Some(loaded.revision.to_string()), Some(loaded))
            }
            Err(problems) => {
                effects.extend(self.refused(&map, &problems));
                (last_good, None)
            }
        };
        Ok((Found { resource_version, revision, renew_at }, read))
    }

    fn refused(&self, map: &ConfigMap, problems: &[Problem]) -> Vec<Effect> {
        let lines = problems.iter().map(|problem| format!("policy refused: {problem}"));
        let mut effects: Vec<Effect> =
            lines.map(|line| Effect::Notice(Notice::warning(&line))).collect();
        effects.push(Effect::PolicyRefused);
        effects.push(Effect::Call(Call::event(map.refusal(&self.source, problems))));
        effects
    }

    /// Puts in force what was found, if it is not yet; `read` is what this worker has
    /// just read itself.
    fn take_up(
        &mut self,
        read: Option<Loaded>,
        shared: &dyn Shared,
        now: Now,
    ) -> Option<Effect> {
        let revision = self.found.held(now.steady)?.value.revision.clone()?;
        if self.active.as_ref() == Some(&revision) {
            return None;
        }
        // It may be that of the next one already, which is not found yet.
        let loaded = read
            .or_else(|| self.read_by_another(shared))
            .filter(|loaded| loaded.revision.as_str() == revision)?;
        self.active = Some(revision);
        Some(Effect::Policy(Box::new(loaded)))
    }

    fn read_by_another(&self, shared: &dyn Shared) -> Option<Loaded> {
        let text = shared.get(&self.source.text_key())?;
        let text: String = serde_json::from_slice(&text.value).ok()?;
        load_policy(&text).ok()
    }
}

#[cfg(test)]
mod tests;
