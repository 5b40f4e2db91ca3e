//! One plugin configuration: its policy, and the calls that leave on its behalf.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use keyhole_core::{Account, Loaded, Policy, Verdict, load_plugin_config};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, Status};

use crate::host::Response;
use crate::http::{Http, Outcome, carry_out};
use crate::{host, worker};

/// How often to look for tokens to refresh.
const IDLE: Duration = Duration::from_secs(1);
/// How often to look for requests that have waited too long.
const BUSY: Duration = Duration::from_millis(50);

/// Denies everything until it is configured.
#[derive(Default)]
pub(crate) struct Root {
    policy: Rc<Policy>,
    calls: HashMap<u32, Account>,
}

impl Root {
    fn send_token_requests(&mut self) {
        for request in worker::with(|worker| worker.tokens.tick(host::now())) {
            match host::request_token(&request) {
                Ok(call) => drop(self.calls.insert(call, request.account)),
                Err(_) => take_answer(&request.account, None),
            }
        }
    }
}

/// Hands an answer to the core, then resumes who waited for it.
fn take_answer(account: &Account, response: Option<&Response>) {
    let answer = Response::answer(response);
    let (now, jitter) = (host::now(), host::jitter());
    match worker::with(|worker| worker.tokens.answered(account, answer, now, jitter)) {
        Ok(()) => log::info!("new token for the ServiceAccount {account}"),
        Err(failure) => log::warn!("no token for the ServiceAccount {account}: {failure}"),
    }
}

fn resume_waiting() {
    let now = host::now();
    for (stream, verdict) in
        worker::with(|worker| worker.waiting.resume(&mut worker.tokens, now))
    {
        if resume(stream, &verdict).is_err() {
            log::warn!("a waiting request could not be resumed: its stream has ended");
        }
    }
}

fn resume(stream: u32, verdict: &Verdict<'_>) -> Result<(), Status> {
    host::act_on(stream)?;
    match carry_out(verdict)? {
        Outcome::Forwarded => host::resume_request(),
        Outcome::Refused => Ok(()),
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, num_headers: usize, _: usize, _: usize) {
        if let Some(account) = self.calls.remove(&call) {
            take_answer(&account, host::response(num_headers).as_ref());
            resume_waiting();
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
                self.policy = Rc::new(policy);
                host::tick_every(IDLE).is_ok()
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
        self.send_token_requests();
        resume_waiting();
        let waiting = worker::with(|worker| !worker.waiting.is_empty());
        if host::tick_every(if waiting { BUSY } else { IDLE }).is_err() {
            log::error!("Envoy did not set the timer: tokens are not refreshed");
        }
    }

    fn create_http_context(&self, stream: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(stream, Rc::clone(&self.policy))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
