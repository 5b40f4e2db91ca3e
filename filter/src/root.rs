//! One plugin configuration: its policy, and the calls that leave on its behalf.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use keyhole_core::{
    Answer, Effect, LivePolicy, Loaded, PluginConfig, Policy, Purpose, Severity, Verdict,
    Worker, load_plugin_config,
};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, Status};

use crate::http::{Http, Outcome, SOON, carry_out};
use crate::{host, worker};

/// For the tokens' sake: without a policy there are no accounts.
static NO_POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);

/// Denies everything until it has a policy.
pub(crate) struct Root {
    id: u32,
    policy: Option<Rc<Policy>>,
    live: Option<LivePolicy>,
    calls: HashMap<u32, Purpose>,
}

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self { id, policy: None, live: None, calls: HashMap::new() }
    }

    /// Streams are resumed last: while the host acts on one, it takes a call for one
    /// of that stream's root, which after a reload is another.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        let mut resumed = Vec::new();
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Call(call) => match host::send(&call) {
                    Ok(id) => drop(self.calls.insert(id, call.purpose)),
                    Err(_) => effects.extend(self.answered(call.purpose, &Answer::None)),
                },
                Effect::Notice(notice) => match notice.severity {
                    Severity::Info => log::info!("{notice}"),
                    Severity::Warning => log::warn!("{notice}"),
                },
                Effect::Policy(loaded) => self.put_in_force(*loaded),
                Effect::PolicyRefused => worker::with(Worker::policy_refused),
                Effect::Resume { stream, verdict } => resumed.push((stream, verdict)),
            }
        }
        for (stream, verdict) in &resumed {
            if resume(*stream, verdict).is_err() {
                log::warn!("a waiting request could not be resumed: it has ended");
            }
        }
        if !resumed.is_empty() && host::act_on(self.id).is_err() {
            log::error!("Envoy does not know the root context: its calls may be lost");
        }
    }

    fn answered(&mut self, purpose: Purpose, answer: &Answer) -> Vec<Effect> {
        let now = host::now();
        let Self { policy, live, .. } = self;
        worker::with_shared(|worker, shared| match (purpose, live) {
            (Purpose::Policy(flight), Some(live)) => live.answered(flight, answer, shared, now),
            (purpose, _) => {
                let policy = policy.as_deref().unwrap_or(&NO_POLICY);
                worker.answered(policy, purpose, answer, shared, now)
            }
        })
    }

    fn tick(&mut self) -> Vec<Effect> {
        let now = host::now();
        let Self { policy, live, .. } = self;
        worker::with_shared(|worker, shared| {
            let mut effects = worker.tick(policy.as_deref().unwrap_or(&NO_POLICY), shared, now);
            effects.extend(live.iter_mut().flat_map(|live| live.tick(shared, now)));
            effects
        })
    }

    fn put_in_force(&mut self, loaded: Loaded) {
        let Loaded { policy, revision } = &loaded;
        let (clients, roles) = (policy.clients().len(), policy.role_count());
        log::info!("policy {revision} active: clients {clients}, roles {roles}");
        let now = host::now();
        worker::with(|worker| worker.policy_loaded(&loaded, now));
        self.policy = Some(Rc::new(loaded.policy));
    }
}

fn resume(stream: u32, verdict: &Verdict<'_>) -> Result<(), Status> {
    host::act_on(stream)?;
    match carry_out(verdict)? {
        Outcome::Forwarded => host::resume_request(),
        Outcome::Answered => Ok(()),
    }
}

fn hand_over_metrics() {
    for sample in worker::with(|worker| worker.samples(host::now())) {
        if worker::with_metrics(|metrics| metrics.record(&sample)).is_err() {
            log::warn!("Envoy did not take the metric {}", sample.name);
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, num_headers: usize, _: usize, _: usize) {
        if let Some(purpose) = self.calls.remove(&call) {
            let effects = self.answered(purpose.clone(), &host::answer(num_headers, &purpose));
            self.carry_out(effects);
        }
    }
}

/// A timer outlives its root context otherwise. Not in `on_done`: Envoy would call that for
/// every stream, too.
impl Drop for Root {
    fn drop(&mut self) {
        if host::tick_every(Duration::ZERO).is_err() {
            log::warn!("Envoy did not stop the timer of a policy that is no longer in force");
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let Some(text) = host::configuration() else {
            log::error!(
                "policy refused: the plugin configuration is missing: give it a `policy`"
            );
            return false;
        };
        match load_plugin_config(&text) {
            Ok(PluginConfig::Inline(loaded)) => {
                self.put_in_force(loaded);
                host::tick_every(worker::with(|worker| worker.pace())).is_ok()
            }
            // What an earlier worker read is there at once, with the first tick.
            Ok(PluginConfig::Live(source)) => {
                self.live = Some(LivePolicy::new(source));
                host::tick_every(SOON).is_ok()
            }
            Err(problems) => {
                for problem in problems {
                    log::error!("policy refused: {problem}");
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let effects = self.tick();
        self.carry_out(effects);
        hand_over_metrics();
        let pace = worker::with(|worker| worker.pace());
        let pace = self.live.as_ref().map_or(pace, |live| pace.min(live.pace()));
        if host::tick_every(pace).is_err() {
            log::error!("Envoy did not set the timer: tokens are not renewed");
        }
    }

    fn create_http_context(&self, stream: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(stream, self.policy.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
