//! What a worker asks the apiserver for: who the gateway is, the cluster's keys, and
//! tokens; what another worker has got already is taken from shared memory.

use alloc::vec::Vec;
use core::time::Duration;

use super::Worker;
use super::effect::{Call, Effect};
use super::notice::Notice;
use crate::answer::Answer;
use crate::pod::failure::Failure;
use crate::pod::lifecycle::{CALL_TIMEOUT, Flight};
use crate::pod::shared::Shared;
use crate::policy::Policy;
use crate::time::Now;
use crate::token::keys::Keys;
use crate::token::tokens::Wanted;
use crate::token::{Token, Verification};
use crate::worker::identity::Identity;

/// TokenRequests on their way at once, so that many accounts do not flood the
/// apiserver, nor the cluster's limit in envoy/bootstrap.yaml.
const MOST_CALLS: usize = 16;
/// The keys are not fetched again sooner, whatever tokens name.
const KEYS_FLOOR: Duration = Duration::from_secs(10);
/// The numbers are those of the formats.
const KEYS: &str = "keys/2";
const IDENTITY: &str = "identity/1";

impl Worker {
    pub(super) fn look_for_identity(
        &mut self,
        shared: &dyn Shared,
        now: Now,
    ) -> Option<Effect> {
        let flight = self.identity.refresh(shared, IDENTITY, now)?;
        Some(Effect::Call(Call::identity(flight)))
    }

    pub(super) fn look_for_keys(
        &mut self,
        policy: &Policy,
        shared: &dyn Shared,
        now: Now,
    ) -> Option<Effect> {
        // After a 401 the apiserver ends the connection, under what else is on it.
        let is_settled = self.identity.is_held() || self.identity.failure(now.steady).is_some();
        if policy.gateway.verification == Verification::ClaimsOnly || !is_settled {
            return None;
        }
        let flight = self.keys.refresh(shared, KEYS, now)?;
        Some(Effect::Call(Call::discovery(flight)))
    }

    /// Without keys to check tokens with, none are asked for.
    pub(super) fn look_for_tokens(
        &mut self,
        policy: &Policy,
        shared: &dyn Shared,
        now: Now,
    ) -> Vec<Effect> {
        let signature = policy.gateway.verification == Verification::Signature;
        if signature && self.keys.held(now.steady).is_none() {
            if let Some((until, failure)) = self.keys.failure(now.steady) {
                self.tokens.fail(until, &Failure::Keys(failure.clone().into()));
            }
            return Vec::new();
        }
        let room = MOST_CALLS.saturating_sub(self.calls.len());
        let wanted = self.tokens.look(shared, room, now);
        self.calls.extend(wanted.iter().map(|_| now.steady.after(CALL_TIMEOUT)));
        wanted.into_iter().map(|wanted| Effect::Call(Call::token(wanted))).collect()
    }

    pub(super) fn discovered(
        &mut self,
        flight: Flight,
        answer: &Answer,
        shared: &dyn Shared,
        now: Now,
    ) -> Effect {
        match Keys::issuer(answer) {
            Ok(issuer) => Effect::Call(Call::keys(flight, issuer)),
            Err(failure) => self.settle_keys(flight, Err(failure), shared, now),
        }
    }

    pub(super) fn settle_keys(
        &mut self,
        flight: Flight,
        result: Result<Keys, Failure>,
        shared: &dyn Shared,
        now: Now,
    ) -> Effect {
        let notice = Notice::keys(&result);
        self.keys.settle(shared, KEYS, flight, result, now);
        Effect::Notice(notice)
    }

    pub(super) fn settle_token(
        &mut self,
        policy: &Policy,
        wanted: &Wanted,
        answer: &Answer,
        shared: &dyn Shared,
        now: Now,
    ) -> Effect {
        let keys = self.keys.held(now.steady).map(|held| &held.value);
        let result = match (policy.gateway.verification, keys) {
            (Verification::ClaimsOnly, _) => Token::read(answer, &wanted.account, None, now),
            (Verification::Signature, Some(keys)) => {
                Token::read(answer, &wanted.account, Some(keys), now)
            }
            (Verification::Signature, None) => Err(Failure::UnknownKey),
        };
        if matches!(result, Err(Failure::UnknownKey)) {
            self.keys.outdate(now.steady.before(KEYS_FLOOR));
        }
        self.metrics.asked(wanted.renewal, result.as_ref().err());
        let notice = Notice::token(&wanted.account, &result);
        self.tokens.settle(shared, wanted, result, now);
        Effect::Notice(notice)
    }

    pub(super) fn settle_identity(
        &mut self,
        flight: Flight,
        answer: &Answer,
        shared: &dyn Shared,
        now: Now,
    ) -> Effect {
        let result = Identity::read(answer);
        let notice = Notice::identity(&result);
        self.identity.settle(shared, IDENTITY, flight, result, now);
        Effect::Notice(notice)
    }
}
