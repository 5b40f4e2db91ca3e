//! What is to go wrong now, and what was seen.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};

use super::{Fault, Kind};

/// How many requests came.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// TokenRequests, by account (`NAMESPACE/NAME`).
    pub token_requests: BTreeMap<String, usize>,
    pub keys: usize,
    /// Clients' requests that were forwarded, by method.
    pub clients: BTreeMap<String, usize>,
}

#[derive(Debug, Default)]
pub(super) struct Plan(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    token_requests: Option<Fault>,
    keys: Option<Fault>,
    clients: Option<Fault>,
    counts: Counts,
    /// Clients' tokens.
    seen: HashSet<HeaderValue>,
    revoked: HashSet<HeaderValue>,
}

// === impl Kind ===

impl Kind {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        match path {
            "/openid/v1/jwks" | "/.well-known/openid-configuration" => Self::Keys,
            _ if method == Method::POST && path.ends_with("/token") => Self::TokenRequests,
            _ => Self::Clients,
        }
    }
}

// === impl Counts ===

impl Counts {
    /// All TokenRequests.
    pub fn tokens(&self) -> usize {
        self.token_requests.values().sum()
    }

    /// The TokenRequests for this account.
    pub fn tokens_of(&self, account: &str) -> usize {
        self.token_requests.get(account).copied().unwrap_or_default()
    }
}

// === impl Plan ===

impl Plan {
    pub(super) fn set(&self, kind: Kind, fault: Option<Fault>) {
        let mut state = self.state();
        if let Some(Fault::Revoked) = fault {
            state.revoked = state.seen.clone();
        }
        *state.fault(kind) = fault;
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// Counts a request and says what it meets.
    pub(super) fn meets(&self, kind: Kind, path: &str, headers: &HeaderMap) -> Option<Fault> {
        let mut state = self.state();
        match kind {
            Kind::TokenRequests => {
                *state.counts.token_requests.entry(account(path)).or_default() += 1;
            }
            Kind::Keys => state.counts.keys += 1,
            Kind::Clients => {}
        }
        let token = headers.get(AUTHORIZATION).filter(|_| kind == Kind::Clients);
        state.seen.extend(token.cloned());
        let revoked = token.is_some_and(|token| state.revoked.contains(token));
        let fault = state.fault(kind);
        match fault {
            Some(Fault::Unauthorized(0)) => *fault = None,
            Some(Fault::Unauthorized(left)) => *left -= 1,
            Some(Fault::Revoked) if !revoked => return None,
            _ => {}
        }
        fault.clone()
    }

    pub(super) fn forwarded(&self, method: &Method) {
        *self.state().counts.clients.entry(method.to_string()).or_default() += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics with it")
    }
}

// === impl State ===

impl State {
    fn fault(&mut self, kind: Kind) -> &mut Option<Fault> {
        match kind {
            Kind::TokenRequests => &mut self.token_requests,
            Kind::Keys => &mut self.keys,
            Kind::Clients => &mut self.clients,
        }
    }
}

/// `NAMESPACE/NAME` of `/api/v1/namespaces/NAMESPACE/serviceaccounts/NAME/token`.
fn account(path: &str) -> String {
    let mut segments = path.split('/');
    let (namespace, name) = (segments.nth(4), segments.nth(1));
    format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_request_names_its_account() {
        assert_eq!(account("/api/v1/namespaces/d/serviceaccounts/a/token"), "d/a");
    }

    #[test]
    fn so_many_requests_are_unauthorized_and_no_more() {
        let plan = Plan::default();
        plan.set(Kind::Clients, Some(Fault::Unauthorized(2)));
        let met = [(); 4]
            .map(|()| plan.meets(Kind::Clients, "/version", &HeaderMap::new()).is_some());
        assert_eq!(met, [true, true, false, false]);
    }

    #[test]
    fn tokens_seen_before_are_revoked_and_later_ones_are_not() {
        let plan = Plan::default();
        let with = |token: &'static str| {
            HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(token))])
        };
        assert!(plan.meets(Kind::Clients, "/version", &with("old")).is_none());
        plan.set(Kind::Clients, Some(Fault::Revoked));
        assert!(plan.meets(Kind::Clients, "/version", &with("old")).is_some());
        assert!(plan.meets(Kind::Clients, "/version", &with("new")).is_none());
        assert!(plan.meets(Kind::Clients, "/version", &with("new")).is_none());
    }
}
