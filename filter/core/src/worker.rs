//! All that one worker of the gateway does over time. Events come in with the time;
//! what the host is to do goes out as [`Effect`]s.
//!
//! ```text
//!  request ──> admit ──> Verdict                        (a token is at hand)
//!                 └────> waits ─┐
//!  unauthorized ─────> waits ───┤
//!                               │ tick: look for tokens, in shared memory first
//!                               │        └─> Call ──> answered ─┐
//!                               └─────────── Resume <───────────┘
//! ```

mod bodies;
pub(crate) mod effect;
mod fetch;
pub(crate) mod identity;
pub(crate) mod metrics;
pub(crate) mod notice;
pub(crate) mod probe;
pub(crate) mod skew;
pub(crate) mod sweep;
mod waits;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;

use self::effect::{Call, Effect, Purpose};
use self::identity::Identity;
use self::metrics::{Metrics, Sample};
use self::probe::Probe;
use self::skew::Skew;
use self::sweep::Sweep;
use crate::admit::{Arrival, Pending, Progress, Sent, Subject, Verdict, identify};
use crate::answer::Answer;
use crate::body::Watched;
use crate::config::{Loaded, Revision};
use crate::headers::HeaderList;
use crate::login::Logins;
use crate::pod::cache::Cached;
use crate::pod::quota::{self, Lease};
use crate::pod::shared::Shared;
use crate::policy::Policy;
use crate::refusal::{Refusal, Refused};
use crate::resend::{self, Original, Whole};
use crate::time::{Now, Steady, UnixTime};
use crate::token::keys::Keys;
use crate::token::tokens::Tokens;
use crate::token::waiting::{Resumed, Waiter, Waiting};
use crate::wait::Wait;

/// How often to look for tokens to renew.
const IDLE: Duration = Duration::from_secs(1);
/// How often to look for what other workers got, while requests wait for it.
const BUSY: Duration = Duration::from_millis(10);
/// Requests sent once more at a time: their answers are held in memory, each of up to
/// `http.async_response_buffer_limit` in envoy/bootstrap.yaml.
const MOST_RESENT: usize = 8;
/// How often to look whether the gateway is ready, until it is.
const STARTING: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
pub struct Worker {
    tokens: Tokens,
    keys: Cached<Keys>,
    identity: Cached<Identity>,
    pub(crate) logins: Logins,
    waiting: Waiting,
    /// As whom a request went that had waited; the host knows of the others.
    resumed: HashMap<u32, Sent>,
    /// Requests that were sent once more, until when they are waited for.
    resent: Vec<(u32, Sent, Steady)>,
    /// What the log is to say of requests that the gateway sends itself.
    records: HashMap<u32, (Subject, Box<str>)>,
    /// Clients that wait for a condition.
    waits: HashMap<u32, Wait>,
    /// Bodies that do not just pass, by their streams.
    bodies: HashMap<u32, Watched>,
    /// Of requests that are counted, until they end.
    leases: HashMap<u32, Lease>,
    /// Until when each TokenRequest on its way counts.
    calls: Vec<Steady>,
    policy: Option<(Revision, UnixTime)>,
    skew: Skew,
    sweep: Sweep,
    pub(crate) metrics: Metrics,
}

// === impl Worker ===

impl Worker {
    /// Another policy is in force from now on.
    pub fn policy_loaded(&mut self, Loaded { policy, revision }: &Loaded, now: Now) {
        self.policy = Some((revision.clone(), now.wall));
        self.metrics.policy(revision, now.wall);
        self.sweep.policy_loaded(policy);
        self.tokens.keep_only(policy.accounts());
        self.logins.policy_loaded(policy);
        // It may say how to do without what failed.
        self.tokens.look_again();
    }

    /// A policy was refused; the one in force stays.
    pub fn policy_refused(&mut self) {
        self.metrics.policy_refused();
    }

    /// Judges a request; without a verdict it waits until it is resumed by an effect.
    pub fn request<'a>(
        &mut self,
        policy: &Policy,
        stream: u32,
        arrival: &Arrival<'a>,
        shared: &dyn Shared,
        now: Now,
    ) -> Option<Verdict<'a>> {
        if let Some(probe) = Probe::of(arrival.headers) {
            return Some(self.probe(probe, now));
        }
        let permitted = match self.permit(policy, stream, arrival, shared, now) {
            Ok(pending) if pending.wait().is_some() => {
                return self.begin_wait(stream, pending.into_owned(), now);
            }
            Ok(mut pending) if pending.wants_whole_answer() => {
                self.note(stream, &mut pending);
                let waiter = Waiter::Whole(Whole::bodiless(pending.into_owned()));
                return self.wait_for_token(policy, stream, waiter, now);
            }
            permitted => permitted,
        };
        let verdict = match permitted.map(|own| own.resume(&mut self.tokens, now.steady)) {
            Err(refused) => Verdict::Refuse(refused),
            Ok(Progress::Done(verdict)) => verdict,
            Ok(Progress::Pending(pending)) => {
                let waiter = Waiter::First(pending.into_owned());
                self.wait_for_token(policy, stream, waiter, now)?
            }
        };
        self.decided(stream, &verdict);
        Some(verdict)
    }

    /// Counts a request that the gateway sends itself.
    fn note(&mut self, stream: u32, pending: &mut Pending<'_>) {
        let (record, is_reported) = pending.take_record();
        let subject = pending.subject();
        self.metrics.sent_by_gateway(subject, is_reported);
        self.records.extend(record.map(|record| (stream, (subject.clone(), record))));
    }

    /// For the log, of a request that waits and will not be forwarded.
    pub fn take_record(&mut self, stream: u32) -> Option<(Subject, Box<str>)> {
        self.records.remove(&stream)
    }

    /// The part of it that needs no token.
    fn permit<'a>(
        &mut self,
        policy: &Policy,
        stream: u32,
        arrival: &Arrival<'a>,
        shared: &dyn Shared,
        now: Now,
    ) -> Result<Pending<'a>, Refused> {
        let caller = identify(policy, Some(&mut self.logins), arrival, now)?;
        let client = caller.client();
        match quota::take(client.name(), client.limits(), shared, now.steady) {
            Ok(lease) => self.leases.extend(lease.map(|lease| (stream, lease))),
            Err(exceeded) => return Err(caller.refuse(exceeded.into())),
        }
        let (pending, watched) = caller.judge(policy)?;
        self.bodies.extend(watched.map(|watched| (stream, watched)));
        Ok(pending)
    }

    /// A decision that is not made before the body has come is not counted yet.
    fn decided(&mut self, stream: u32, verdict: &Verdict<'_>) {
        let held = self.bodies.get(&stream).is_some_and(Watched::is_held);
        if !(held && matches!(verdict, Verdict::Forward(_))) {
            self.metrics.decided(verdict);
        }
    }

    /// The same, before there is a policy.
    pub fn request_without_policy(&mut self, headers: &HeaderList) -> Verdict<'static> {
        let verdict = Probe::of(headers).unwrap_or(Probe::Ready).verdict(None, Err(None));
        self.metrics.decided(&verdict);
        verdict
    }

    /// The apiserver answered 401 to what was sent. Without a verdict the request
    /// waits to be sent once more; `original` is what is needed for that, if it
    /// could be had.
    pub fn unauthorized(
        &mut self,
        policy: &Policy,
        stream: u32,
        sent: &Sent,
        original: Option<Original>,
        now: Now,
    ) -> Option<Verdict<'static>> {
        self.metrics.rejected();
        let another = self.tokens.reject(&sent.account, sent.flight, now.steady);
        let original = original.filter(|_| another);
        let whole = original.and_then(|own| Whole::new(policy, &mut self.logins, own, now));
        let Some(whole) = whole else {
            return Some(resend::rejected(sent));
        };
        self.metrics.resent();
        self.wait_for_token(policy, stream, Waiter::Whole(whole), now)
    }

    /// The body has told how the request is to be sent, but its head is on its way. Without
    /// a verdict it waits to be sent by the gateway itself.
    pub fn send_whole(
        &mut self,
        policy: &Policy,
        stream: u32,
        original: Original,
        now: Now,
    ) -> Option<Verdict<'static>> {
        // What it was sent as has not left.
        self.resumed.remove(&stream);
        let Some(whole) = Whole::new(policy, &mut self.logins, original, now) else {
            let refused = Refused::new(Subject::default(), Refusal::Host);
            return Some(Verdict::Refuse(refused));
        };
        self.wait_for_token(policy, stream, Waiter::Whole(whole), now)
    }

    /// There is a verdict only if too many wait already.
    fn wait_for_token(
        &mut self,
        policy: &Policy,
        stream: u32,
        waiter: Waiter,
        now: Now,
    ) -> Option<Verdict<'static>> {
        self.waiting.push(stream, waiter, policy.gateway.token_wait, now.steady).err()
    }

    /// As whom a request went that had waited.
    pub fn take_sent(&mut self, stream: u32) -> Option<Sent> {
        let resent = || self.resent.iter().find(|(own, ..)| *own == stream);
        self.resumed.remove(&stream).or_else(|| resent().map(|(_, sent, _)| sent.clone()))
    }

    /// Forgets a stream that has ended.
    pub fn ended(&mut self, stream: u32, shared: &dyn Shared) {
        self.bodies.remove(&stream);
        self.waits.remove(&stream);
        self.records.remove(&stream);
        if let Some(lease) = self.leases.remove(&stream) {
            lease.give_back(shared);
        }
        self.resumed.remove(&stream);
        self.waiting.remove(stream);
        self.resent.retain(|(own, ..)| *own != stream);
    }

    /// To be called every [`pace`](Self::pace), and soon after a request began to wait.
    pub fn tick(&mut self, policy: &Policy, shared: &dyn Shared, now: Now) -> Vec<Effect> {
        self.calls.retain(|until| now.steady < *until);
        let mut effects = Vec::new();
        effects.extend(self.look_for_identity(shared, now));
        effects.extend(self.look_for_keys(policy, shared, now));
        effects.extend(self.look_for_issuer_keys(policy, shared, now));
        if policy.gateway.warm_up {
            for account in policy.accounts() {
                self.tokens.want(account, now.steady);
            }
        }
        effects.extend(self.look_for_tokens(policy, shared, now));
        effects.extend(self.resume_waiting(now));
        effects.extend(self.turn_waits(now));
        self.leases.values_mut().for_each(|lease| lease.renew(shared, now.steady));
        self.sweep.step(shared, &mut self.metrics, now);
        effects
    }

    /// The answer to a call, or that there was none.
    pub fn answered(
        &mut self,
        policy: &Policy,
        purpose: Purpose,
        answer: &Answer,
        shared: &dyn Shared,
        now: Now,
    ) -> Vec<Effect> {
        if let Purpose::IssuerKeys { flight, remote } = &purpose {
            let notice = self.settle_issuer_keys(*flight, remote, answer, shared, now);
            return notice.into_iter().collect();
        }
        let mut effects: Vec<Effect> =
            self.skew.notice(answer, now).map(Effect::Notice).into_iter().collect();
        match purpose {
            Purpose::Discovery(flight) => {
                effects.push(self.discovered(flight, answer, shared, now));
                effects.extend(self.look_for_tokens(policy, shared, now));
            }
            Purpose::Identity(flight) => {
                effects.push(self.settle_identity(flight, answer, shared, now));
                if self.identity.is_held() {
                    effects.extend(self.look_for_keys(policy, shared, now));
                }
            }
            Purpose::Keys { flight, issuer } => {
                let result = Keys::read(issuer, answer);
                effects.push(self.settle_keys(flight, result, shared, now));
                effects.extend(self.look_for_tokens(policy, shared, now));
            }
            // Not the apiserver's, and those of a LivePolicy.
            Purpose::IssuerKeys { .. } | Purpose::Event | Purpose::Policy(_) => {}
            Purpose::Resend { stream, sent } => {
                effects.extend(self.resent(stream, &sent, answer, now));
            }
            Purpose::Wait { stream, sent } => {
                effects.extend(self.wait_answered(stream, &sent, answer, now));
            }
            Purpose::Token(wanted) => {
                self.calls.pop();
                effects.push(self.settle_token(policy, &wanted, answer, shared, now));
                effects.extend(self.look_for_tokens(policy, shared, now));
            }
        }
        effects.extend(self.resume_waiting(now));
        effects.extend(self.turn_waits(now));
        effects
    }

    /// How long until the next tick.
    pub fn pace(&self) -> Duration {
        match self.held_up() {
            0 if self.identity.is_held() => IDLE,
            0 => STARTING,
            _ => BUSY,
        }
    }

    /// What has changed in the metrics since the last time.
    pub fn samples(&mut self, now: Now) -> Vec<Sample> {
        let waiting = self.held_up();
        self.metrics.verified(self.logins.take_verified());
        self.metrics.samples(waiting, now.steady)
    }

    /// Requests that wait for a token, or for their second answer.
    fn held_up(&self) -> usize {
        self.waiting.len().saturating_add(self.resent.len())
    }

    fn probe(&self, probe: Probe, now: Now) -> Verdict<'static> {
        let identity = match self.identity.held(now.steady) {
            Some(_) => Ok(()),
            None => Err(self.identity.failure(now.steady).map(|(_, failure)| failure)),
        };
        probe.verdict(self.policy.as_ref(), identity)
    }

    fn resent(
        &mut self,
        stream: u32,
        sent: &Sent,
        answer: &Answer,
        now: Now,
    ) -> Option<Effect> {
        let at = self.resent.iter().position(|(own, ..)| *own == stream)?;
        self.resent.swap_remove(at);
        if answer.status() == Some(401) {
            self.metrics.rejected();
            self.tokens.reject(&sent.account, sent.flight, now.steady);
        }
        Some(Effect::Resume { stream, verdict: resend::verdict(sent, answer) })
    }

    fn resume_waiting(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        let room = MOST_RESENT.saturating_sub(self.resent.len());
        for (stream, resumed) in self.waiting.resume(&mut self.tokens, room, now.steady) {
            effects.push(match resumed {
                Resumed::Verdict(verdict) => {
                    self.decided(stream, &verdict);
                    if let Verdict::Forward(forward) = &verdict {
                        self.resumed.insert(stream, forward.sent().clone());
                    }
                    Effect::Resume { stream, verdict }
                }
                Resumed::Resend(ready) => {
                    let lost_at = now.steady.after(effect::RESEND_LOST_AFTER);
                    self.resent.push((stream, ready.sent.clone(), lost_at));
                    Effect::Call(Call::resend(stream, ready))
                }
            });
        }
        // A call that was cancelled without a word.
        let lost = self.resent.extract_if(.., |(_, _, lost_at)| now.steady >= *lost_at);
        effects.extend(
            lost.map(|(stream, sent, _)| Effect::Resume {
                stream,
                verdict: resend::lost(&sent),
            }),
        );
        effects
    }
}

#[cfg(test)]
mod limits;
#[cfg(test)]
mod model;
#[cfg(test)]
pub(crate) mod tests;
