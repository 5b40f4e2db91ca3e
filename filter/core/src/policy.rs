//! The compiled policy: who may do what, as whom.

pub(crate) mod account;
pub(crate) mod constraints;
pub(crate) mod grant;
pub(crate) mod hours;
pub(crate) mod issuer;
pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod names;
pub(crate) mod permissions;
pub(crate) mod rules;
pub(crate) mod sources;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;

use self::account::Account;
use self::grant::{Enforcement, Grant};
use self::hours::Hours;
use self::issuer::Issuers;
use self::key::KeyDigest;
use self::limits::Limits;
use self::names::Names;
use self::rules::{Question, Rules};
use self::sources::Sources;
use crate::request::attributes::Attributes;
use crate::time::UnixTime;
use crate::token::Verification;

/// All clients and roles, compiled. The empty policy denies everything.
///
/// Neither [`identify`](Self::identify) nor [`authorize`](Self::authorize) costs
/// more with more clients or more rules; `authorize` grows with the number of
/// roles of the one client.
#[derive(Debug, Default)]
pub struct Policy {
    pub(crate) keys: HashMap<KeyDigest, Key>,
    pub(crate) issuers: Issuers,
    pub(crate) clients: Vec<Client>,
    pub(crate) accounts: Vec<Arc<Account>>,
    pub(crate) roles: Vec<Rules>,
    pub(crate) names: Names,
    pub(crate) gateway: Gateway,
    pub(crate) asks_for_source: bool,
}

/// How the gateway deals with tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gateway {
    pub verification: Verification,
    /// Keep a token at hand for every account, asked for or not.
    pub warm_up: bool,
    /// How long a request waits for a token at most.
    pub token_wait: Duration,
}

/// A key's owner and the time in which it is valid.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) client: usize,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) not_after: Option<UnixTime>,
    pub(crate) hours: Option<Hours>,
    pub(crate) holder: Arc<Holder>,
}

/// Who sends a key.
#[derive(Debug)]
pub struct Holder {
    pub client: Arc<str>,
    /// What the log says of them, a JSON object: client, key and policy. Written once, for
    /// it is in the way of every request.
    pub record: Box<str>,
}

/// Who calls: the holder of an API key, or of a token.
#[derive(Debug)]
pub struct Client {
    pub(crate) name: Arc<str>,
    pub(crate) account: Arc<Account>,
    pub(crate) roles: Vec<usize>,
    pub(crate) enforcement: Enforcement,
    pub(crate) limits: Limits,
    pub(crate) sources: Sources,
}

/// Proof that the policy allowed a request; only [`Policy::authorize`] makes one.
#[derive(Clone, Debug)]
pub struct Permit<'p> {
    client: &'p Client,
    grant: Grant,
}

/// Why a key was not accepted. For the log only: a client never learns which.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyRefused {
    #[error("the key has expired")]
    Expired,
    #[error("no key was sent")]
    Missing,
    #[error("the key is not valid yet")]
    NotYetValid,
    #[error("the key is not valid at this hour")]
    OutsideHours,
    #[error("the key is not in the policy")]
    Unknown,
}

/// No rule of the client's roles covers the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no rule of this client allows it")]
pub struct NoRule;

// === impl Gateway ===

impl Default for Gateway {
    fn default() -> Self {
        let token_wait = Duration::from_secs(8);
        Self { verification: Verification::default(), warm_up: false, token_wait }
    }
}

// === impl Policy ===

impl Policy {
    pub fn identify(&self, key: &[u8], now: UnixTime) -> Result<&Client, KeyRefused> {
        self.holder(key, now).map(|(client, _)| client)
    }

    pub(crate) fn holder(
        &self,
        key: &[u8],
        now: UnixTime,
    ) -> Result<(&Client, &Arc<Holder>), KeyRefused> {
        let key = self.keys.get(&KeyDigest::of(key)).ok_or(KeyRefused::Unknown)?;
        if key.not_before.is_some_and(|start| now < start) {
            return Err(KeyRefused::NotYetValid);
        }
        if key.not_after.is_some_and(|end| now >= end) {
            return Err(KeyRefused::Expired);
        }
        if key.hours.is_some_and(|hours| !hours.include(now)) {
            return Err(KeyRefused::OutsideHours);
        }
        let client = self.clients.get(key.client).ok_or(KeyRefused::Unknown)?;
        Ok((client, &key.holder))
    }

    pub fn authorize<'p>(
        &self,
        client: &'p Client,
        attributes: &Attributes<'_>,
    ) -> Result<Permit<'p>, NoRule> {
        let question = Question::new(&self.names, attributes);
        let roles = || client.roles.iter().filter_map(|role| self.roles.get(*role));
        if roles().any(|rules| rules.allow(&question)) {
            return Ok(Permit { client, grant: Grant::Allowed });
        }
        let terms: Vec<_> = roles().flat_map(|rules| rules.terms(&question)).collect();
        let grant = Grant::on(&terms, client.enforcement).ok_or(NoRule)?;
        Ok(Permit { client, grant })
    }

    /// Whether a request has to come with its source.
    pub fn asks_for_source(&self) -> bool {
        self.asks_for_source
    }

    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// The client of this name; looks at all of them.
    pub fn client(&self, name: &str) -> Option<&Client> {
        self.clients.iter().find(|client| *client.name == *name)
    }

    /// The accounts of all clients, each once.
    pub fn accounts(&self) -> &[Arc<Account>] {
        &self.accounts
    }

    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub fn role_count(&self) -> usize {
        self.roles.len()
    }
}

// === impl Client ===

impl Client {
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub fn enforcement(&self) -> Enforcement {
        self.enforcement
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn sources(&self) -> &Sources {
        &self.sources
    }
}

// === impl Permit ===

impl<'p> Permit<'p> {
    pub fn client(&self) -> &'p Client {
        self.client
    }

    pub(crate) fn into_grant(self) -> Grant {
        self.grant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_policy;
    use crate::explain::{Attempt, judge};
    use crate::request::Request;
    use alloc::format;

    /// A policy of one client whose one role has these rules.
    fn policy(rules: &str) -> Policy {
        policy_of(rules, "enforcement: enforce")
    }

    /// The same, with something more of its client.
    fn policy_of(rules: &str, client: &str) -> Policy {
        let digest = KeyDigest::of(b"k").to_hex();
        let text = format!(
            "{{apiVersion: keyhole/v1, kind: Policy, clients: [{{name: c, keys: [{{sha256: {digest}, \
             notBefore: 2026-01-01T00:00:00Z, notAfter: 2026-02-01T00:00:00Z, hours: 00:00-12:00}}], {client}, \
             serviceAccount: {{namespace: n, name: a}}, roles: [r]}}], \
             roles: [{{name: r, rules: [{rules}]}}]}}"
        );
        load_policy(&text).unwrap().policy
    }

    fn allows(policy: &Policy, request: &str) -> bool {
        let (method, target) = request.split_once(' ').unwrap();
        let request = Request::parse(method.as_bytes(), target.as_bytes()).unwrap();
        policy.authorize(&policy.clients[0], &request.attributes).is_ok()
    }

    #[test]
    fn a_key_is_valid_from_not_before_until_not_after() {
        let policy = policy("{nonResourceURLs: [/version], verbs: [get]}");
        let start = 1_767_225_600; // 2026-01-01T00:00:00Z
        let end = 1_769_904_000; // 2026-02-01T00:00:00Z
        for (key, now, expected) in [
            ("k", start - 1, Err(KeyRefused::NotYetValid)),
            ("k", start, Ok("c")),
            ("k", start + 12 * 3600 - 1, Ok("c")),
            ("k", start + 12 * 3600, Err(KeyRefused::OutsideHours)),
            ("k", end - 1, Err(KeyRefused::OutsideHours)),
            ("k", end - 12 * 3600 - 1, Ok("c")),
            ("k", end, Err(KeyRefused::Expired)),
            ("x", start, Err(KeyRefused::Unknown)),
            ("", start, Err(KeyRefused::Unknown)),
        ] {
            let client = policy.identify(key.as_bytes(), UnixTime::from_secs(now));
            assert_eq!(client.map(|client| &**client.name()), expected, "{key} {now}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn rules_match_like_rbac_but_imply_less() {
        const PODS: &str = r#"{namespaces: [d], apiGroups: [""], resources: [pods], verbs: [get, list]}"#;
        const ALL: &str = r#"{namespaces: ["*"], apiGroups: ["*"], resources: ["*"], verbs: ["*"]}"#;
        const CLUSTER: &str = r#"{clusterScope: true, apiGroups: ["*"], resources: ["*"], verbs: ["*"]}"#;
        const LOG: &str = r#"{namespaces: [d], apiGroups: [""], resources: [pods/log], verbs: [get]}"#;
        const NAMED: &str = r#"{namespaces: [d], apiGroups: [""], resources: [pods], resourceNames: [a], verbs: [get, list, watch]}"#;
        const NAMESPACE: &str = r#"{namespaces: [d], apiGroups: [""], resources: [namespaces], verbs: [get]}"#;
        const NAMESPACES: &str = r#"{clusterScope: true, apiGroups: [""], resources: [namespaces], resourceNames: [d], verbs: [get]}"#;
        const SCALE: &str = r#"{namespaces: ["*"], apiGroups: [apps], resources: [deployments/scale], verbs: [update]}"#;
        const HEALTH: &str = r#"{nonResourceURLs: [/healthz, "/healthz/*", /], verbs: [get]}"#;
        const EVERYWHERE: &str = r#"{nonResourceURLs: ["/*"], verbs: [get]}"#;
        for (rules, request, expected) in [
            // each dimension must match
            (PODS, "GET /api/v1/namespaces/d/pods",                        true),
            (PODS, "GET /api/v1/namespaces/d/pods/a",                      true),
            (PODS, "POST /api/v1/namespaces/d/pods",                       false),
            (PODS, "GET /api/v1/namespaces/d/pods?watch=1",                false),
            (PODS, "DELETE /api/v1/namespaces/d/pods",                     false),
            (PODS, "GET /api/v1/namespaces/e/pods",                        false),
            (PODS, "GET /api/v1/namespaces/dd/pods",                       false),
            (PODS, "GET /api/v1/pods",                                     false),
            (PODS, "GET /api/v1/namespaces/d/podsx",                       false),
            (PODS, "GET /api/v1/namespaces/d/Pods",                        false),
            (PODS, "GET /apis/apps/v1/namespaces/d/pods",                  false),
            (PODS, "GET /api/v1/namespaces/d/pods/a/log",                  false),
            (PODS, "GET /api/v1/namespaces/d",                             false),
            (PODS, "GET /pods",                                            false),
            // stars imply neither watch, nor subresources, nor the cluster scope
            (ALL,  "DELETE /apis/x.io/v1/namespaces/e/widgets/a",          true),
            (ALL,  "DELETE /api/v1/namespaces/e/pods",                     true),
            (ALL,  "GET /api/v1/namespaces/e/pods?watch=1",                false),
            (ALL,  "GET /api/v1/namespaces/e/pods/a/log",                  false),
            (ALL,  "GET /api/v1/pods",                                     false),
            (ALL,  "GET /api/v1/nodes/n",                                  false),
            (ALL,  "DELETE /api/v1/namespaces/e",                          false),
            (ALL,  "GET /version",                                         false),
            (CLUSTER, "GET /api/v1/pods",                                  true),
            (CLUSTER, "DELETE /api/v1/namespaces/e",                       true),
            (CLUSTER, "GET /api/v1/namespaces",                            true),
            (CLUSTER, "GET /api/v1/namespaces/e/pods",                     false),
            (CLUSTER, "PUT /api/v1/namespaces/e/finalize",                 false),
            // a subresource only by its name
            (LOG,  "GET /api/v1/namespaces/d/pods/a/log",                  true),
            (LOG,  "GET /api/v1/namespaces/d/pods/log",                    false),
            (LOG,  "GET /api/v1/namespaces/d/pods/a",                      false),
            (SCALE, "PUT /apis/apps/v1/namespaces/d/deployments/a/scale",  true),
            (SCALE, "PUT /apis/apps/v1/namespaces/d/deployments/a",        false),
            // a name in the path, or pinned by a field selector
            (NAMED, "GET /api/v1/namespaces/d/pods/a",                     true),
            (NAMED, "GET /api/v1/namespaces/d/pods/b",                     false),
            (NAMED, "GET /api/v1/namespaces/d/pods",                       false),
            (NAMED, "GET /api/v1/namespaces/d/pods?fieldSelector=metadata.name=a", true),
            (NAMED, "GET /api/v1/namespaces/d/pods?fieldSelector=metadata.name=b", false),
            (NAMED, "GET /api/v1/namespaces/d/pods?fieldSelector=metadata.name=a&watch=1", true),
            // a namespace lies in itself, and at the cluster scope
            (NAMESPACE, "GET /api/v1/namespaces/d",                        true),
            (NAMESPACE, "GET /api/v1/namespaces/e",                        false),
            (NAMESPACE, "GET /api/v1/namespaces",                          false),
            (NAMESPACES, "GET /api/v1/namespaces/d",                       true),
            (NAMESPACES, "GET /api/v1/namespaces/e",                       false),
            // paths, by whole segments
            (HEALTH, "GET /healthz",                                       true),
            (HEALTH, "GET /healthz/etcd",                                  true),
            (HEALTH, "GET /healthz/a/b",                                   true),
            (HEALTH, "GET /",                                              true),
            (HEALTH, "GET /healthzx",                                      false),
            (HEALTH, "GET /livez",                                         false),
            (HEALTH, "POST /healthz",                                      false),
            (EVERYWHERE, "GET /metrics",                                   true),
            (EVERYWHERE, "GET /debug/pprof/profile",                       true),
            (EVERYWHERE, "GET /api/v1/pods",                               false),
        ] {
            assert_eq!(allows(&policy(rules), request), expected, "{request} by {rules}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn what_is_not_enforced_is_allowed_and_reported() {
        const PODS: &str = r#"{namespaces: [d], apiGroups: [""], resources: [pods], verbs: [get]}"#;
        const REPORT: &str = r#"{namespaces: ["*"], apiGroups: [""], resources: [pods], verbs: [get, list], enforcement: report}"#;
        const VERSION: &str = "{nonResourceURLs: [/version], verbs: [get], enforcement: report}";
        let both = format!("{PODS}, {REPORT}");
        for (rules, client, request, expected) in [
            (PODS,    "enforce", "GET /api/v1/namespaces/d/pods/a", Some(Grant::Allowed)),
            (PODS,    "enforce", "GET /api/v1/namespaces/e/pods/a", None),
            (REPORT,  "enforce", "GET /api/v1/namespaces/e/pods/a", Some(Grant::Reported)),
            (REPORT,  "enforce", "DELETE /api/v1/namespaces/e/pods/a", None),
            (VERSION, "enforce", "GET /version",                    Some(Grant::Reported)),
            (VERSION, "enforce", "POST /version",                   None),
            (VERSION, "enforce", "GET /metrics",                    None),
            // what one rule enforces is not reported because of another one
            (&both,   "enforce", "GET /api/v1/namespaces/d/pods/a", Some(Grant::Allowed)),
            (&both,   "enforce", "GET /api/v1/namespaces/d/pods",   Some(Grant::Reported)),
            // a client that is reported on may do everything
            (PODS,    "report",  "GET /api/v1/namespaces/d/pods/a", Some(Grant::Allowed)),
            (PODS,    "report",  "DELETE /api/v1/nodes/n",          Some(Grant::Reported)),
            (PODS,    "report",  "GET /metrics",                    Some(Grant::Reported)),
        ] {
            let policy = policy_of(rules, &format!("enforcement: {client}"));
            let (method, target) = request.split_once(' ').unwrap();
            let read = Request::parse(method.as_bytes(), target.as_bytes()).unwrap();
            let permit = policy.authorize(&policy.clients[0], &read.attributes);
            let grant = permit.ok().map(|permit| permit.into_grant());
            assert_eq!(grant, expected, "{request} by {rules}, {client}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_body_keeps_one_of_the_rules_that_allow_its_request() {
        const A: &str = r#"{namespaces: [d], apiGroups: [""], resources: [pods], verbs: [get, create], constraints: {namePrefix: a-}}"#;
        const B: &str = r#"{namespaces: [d], apiGroups: [""], resources: ["*"], verbs: [create], constraints: {namePrefix: b-}}"#;
        const FREE: &str = r#"{namespaces: ["*"], apiGroups: [""], resources: [pods], verbs: [create]}"#;
        const B_REPORTED: &str = r#"{namespaces: [d], apiGroups: [""], resources: [pods], verbs: [create], constraints: {namePrefix: b-}, enforcement: report}"#;
        const FREE_REPORTED: &str = r#"{namespaces: [d], apiGroups: [""], resources: [pods], verbs: [create], enforcement: report}"#;
        const TWICE: &str = r#"a-1","name":"a-1"#;
        for (rules, client, name, expected) in [
            (&[A][..],             "enforce", "a-1", "yes"),
            (&[A],                 "enforce", "b-1", "no"),
            (&[A, B],              "enforce", "b-1", "yes"),
            (&[A, B],              "enforce", "c-1", "no"),
            (&[A, FREE],           "enforce", "c-1", "yes"),
            (&[A, B_REPORTED],     "enforce", "a-1", "yes"),
            (&[A, B_REPORTED],     "enforce", "b-1", "reported"),
            (&[A, B_REPORTED],     "enforce", "c-1", "no"),
            (&[B_REPORTED],        "enforce", "b-1", "reported"),
            (&[B_REPORTED],        "enforce", "c-1", "no"),
            (&[A, FREE_REPORTED],  "enforce", "a-1", "yes"),
            (&[A, FREE_REPORTED],  "enforce", "c-1", "reported"),
            (&[A],                 "report",  "a-1", "yes"),
            (&[A],                 "report",  "c-1", "reported"),
            // what cannot be read keeps nothing
            (&[A],                 "enforce", TWICE, "no"),
            (&[B_REPORTED],        "enforce", TWICE, "no"),
            (&[A, FREE_REPORTED],  "enforce", TWICE, "reported"),
            (&[A],                 "report",  TWICE, "reported"),
        ] {
            let policy = policy_of(&rules.join(", "), &format!("enforcement: {client}"));
            let body = format!(r#"{{"metadata":{{"name":"{name}"}}}}"#);
            let attempt = Attempt {
                method: "POST",
                target: "/api/v1/namespaces/d/pods",
                content_type: None,
                body: Some(body.as_bytes()),
            };
            let judged = match judge(&policy, &policy.clients[0], &attempt) {
                Ok(None) => "yes",
                Ok(Some(_)) => "reported",
                Err(_) => "no",
            };
            assert_eq!(judged, expected, "{name} by {rules:?}, {client}");
        }
        // What has no body is not asked for one.
        assert!(allows(&policy(A), "GET /api/v1/namespaces/d/pods/b-1"));
    }

    #[test]
    fn the_empty_policy_knows_nobody() {
        let policy = Policy::default();
        let refused = policy.identify(b"", UnixTime::from_secs(0)).map(drop);
        assert_eq!(refused, Err(KeyRefused::Unknown));
    }
}
