//! One plugin configuration: its policy, and the calls that leave on its behalf.

use std::collections::HashMap;
use std::rc::Rc;

use keyhole_core::{
    Answer, Effect, Loaded, Policy, Purpose, Severity, Verdict, load_plugin_config,
};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, Status};

use crate::http::{Http, Outcome, carry_out};
use crate::{host, worker};

/// Denies everything until it is configured.
#[derive(Default)]
pub(crate) struct Root {
    policy: Rc<Policy>,
    calls: HashMap<u32, Purpose>,
}

impl Root {
    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Call(call) => match host::send(&call) {
                    Ok(id) => drop(self.calls.insert(id, call.purpose)),
                    Err(_) => self.take_answer(call.purpose, &Answer::None),
                },
                Effect::Notice(notice) => match notice.severity {
                    Severity::Info => log::info!("{notice}"),
                    Severity::Warning => log::warn!("{notice}"),
                },
                Effect::Resume { stream, verdict } => {
                    if resume(stream, &verdict).is_err() {
                        log::warn!("a waiting request could not be resumed: it has ended");
                    }
                }
            }
        }
    }

    fn take_answer(&mut self, purpose: Purpose, answer: &Answer) {
        let now = host::now();
        let effects = worker::with_shared(|worker, shared| {
            worker.answered(&self.policy, purpose, answer, shared, now)
        });
        self.carry_out(effects);
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
            let answer = host::answer(num_headers, &purpose);
            self.take_answer(purpose, &answer);
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
            Ok(Loaded { policy, revision }) => {
                let (clients, roles) = (policy.clients().len(), policy.role_count());
                log::info!("policy {revision} active: clients {clients}, roles {roles}");
                let now = host::now();
                worker::with(|worker| worker.policy_loaded(&revision, now));
                self.policy = Rc::new(policy);
                host::tick_every(worker::with(|worker| worker.pace())).is_ok()
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
        let now = host::now();
        let effects =
            worker::with_shared(|worker, shared| worker.tick(&self.policy, shared, now));
        self.carry_out(effects);
        hand_over_metrics();
        if host::tick_every(worker::with(|worker| worker.pace())).is_err() {
            log::error!("Envoy did not set the timer: tokens are not renewed");
        }
    }

    fn create_http_context(&self, stream: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(stream, Rc::clone(&self.policy))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
