//! What a worker asks issuers for.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::keys::IssuerKeys;
use crate::answer::Answer;
use crate::pod::lifecycle::Flight;
use crate::pod::shared::Shared;
use crate::policy::Policy;
use crate::policy::issuer::Remote;
use crate::time::Now;
use crate::worker::Worker;
use crate::worker::effect::{Call, Effect};
use crate::worker::notice::Notice;

// === impl Worker ===

impl Worker {
    /// The policy's issuers are asked before the first token comes, and every few minutes.
    pub(crate) fn look_for_issuer_keys(
        &mut self,
        policy: &Policy,
        shared: &dyn Shared,
        now: Now,
    ) -> Vec<Effect> {
        let call = |remote: &Arc<Remote>| {
            let cached = self.logins.keys.entry(Arc::clone(remote)).or_default();
            let flight = cached.refresh(shared, &remote.shared_key(), now)?;
            Some(Effect::Call(Call::issuer_keys(flight, Arc::clone(remote))))
        };
        policy.issuers.remotes().filter_map(call).collect()
    }

    pub(crate) fn settle_issuer_keys(
        &mut self,
        flight: Flight,
        remote: &Arc<Remote>,
        answer: &Answer,
        shared: &dyn Shared,
        now: Now,
    ) -> Option<Effect> {
        let result = IssuerKeys::read(answer, now);
        self.metrics.issuer_asked(result.as_ref().err());
        let cached = self.logins.keys.entry(Arc::clone(remote)).or_default();
        let held = cached.held(now.steady).map(|held| &held.value.keys);
        let notice = match &result {
            // Every few minutes the same.
            Ok(IssuerKeys { keys, .. }) if held == Some(keys) => None,
            Ok(IssuerKeys { keys, .. }) => Some(Notice::info(&format_args!(
                "tokens of {} are checked against {} keys",
                remote.issuer,
                keys.len()
            ))),
            Err(failure) => Some(Notice::warning(&remote.sentence(failure))),
        };
        cached.settle(shared, &remote.shared_key(), flight, result, now);
        notice.map(Effect::Notice)
    }
}
