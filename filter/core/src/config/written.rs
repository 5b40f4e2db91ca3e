//! What is written: the policy document and the plugin configuration that holds
//! it, as serde reads them. Nothing is checked here but the shape.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

/// A value, or `None` where one was written that cannot be read: the decoder has
/// recorded why, and goes on to find what else is wrong.
#[derive(Debug)]
pub(super) struct Tolerant<T>(pub(super) Option<T>);

/// A list whose unreadable items are left out; the others keep their indices.
#[derive(Debug, Deserialize)]
pub(super) struct List<T>(Tolerant<Vec<Tolerant<T>>>);

/// The plugin configuration of the filter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PluginConfig {
    pub(super) policy: Option<Policy>,
    pub(super) policy_source: Option<PolicySource>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PolicySource {
    pub(super) config_map: Tolerant<ConfigMap>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ConfigMap {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) key: Option<String>,
    pub(super) refresh_seconds: Option<Tolerant<u64>>,
}

/// What clients may do through Keyhole: the policy document.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Policy {
    /// The version of this format.
    pub(super) api_version: Tolerant<ApiVersion>,
    /// Always `Policy`.
    pub(super) kind: Tolerant<Kind>,
    /// How the gateway deals with tokens. Left out: the defaults.
    pub(super) gateway: Option<Gateway>,
    /// Who may call, each by its own keys or tokens.
    pub(super) clients: List<Client>,
    /// Named lists of rules, which clients refer to.
    pub(super) roles: Option<List<Role>>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) enum ApiVersion {
    #[serde(rename = "keyhole/v1")]
    V1,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) enum Kind {
    Policy,
}

/// How the gateway deals with the tokens of ServiceAccounts.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Gateway {
    /// What is checked before a token is first used. Default: `signature`.
    pub(super) token_verification: Option<Tolerant<TokenVerification>>,
    /// How long a request waits for a token at most, in seconds (1 to 30); then it gets a
    /// 503. Default: 8.
    pub(super) token_wait_seconds: Option<Tolerant<u64>>,
    /// Keep a token at hand for every account, asked for or not. Default: `false`.
    pub(super) warm_up: Option<Tolerant<bool>>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) enum TokenVerification {
    /// Issuer, audience, subject and times: for clusters that hide their keys from the
    /// gateway.
    ClaimsOnly,
    /// The signature by the cluster's own keys, too.
    Signature,
}

/// Who calls with one of these keys or tokens, as whom, and what it may do.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Client {
    /// Stands in logs and refusals, as `keyhole:NAME`: lower-case letters, digits, `-` and
    /// `.`. No other client has it.
    pub(super) name: String,
    /// Several overlap while a key is replaced (`keyhole key rotate`). A key belongs to
    /// one client. Write `keys`, `tokens` or both.
    pub(super) keys: Option<List<Key>>,
    /// Tokens that identify the client instead of a key, as `Authorization: Bearer`: of a
    /// managed identity, of another cluster, of any OpenID Connect issuer.
    pub(super) tokens: Option<List<Token>>,
    /// As whom kube-apiserver sees the client's requests.
    pub(super) service_account: Tolerant<ServiceAccount>,
    /// From where the client may call, as in `10.0.0.0/8`. Behind proxies, tell Envoy how
    /// many (`xff_num_trusted_hops`). Default: from anywhere.
    pub(super) source_ranges: Option<List<String>>,
    /// How much the client may send. Default: as much as it likes.
    pub(super) limits: Option<Tolerant<Limits>>,
    /// `report`: whatever the rules do not allow is allowed all the same, and logged and
    /// counted, so that rules can be written from what the client does. Default: `enforce`.
    pub(super) enforcement: Option<Tolerant<Enforcement>>,
    /// Names of `roles`: the client may do what any of their rules allows, and nothing
    /// else.
    pub(super) roles: List<String>,
}

/// Bounds of one client, which each pod of the gateway counts for itself. More is answered
/// with 429, a larger body with 413.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Limits {
    /// Requests a second in the long run, 1 to 10000. Default: no limit.
    pub(super) requests_per_second: Option<Tolerant<u64>>,
    /// How many requests may come at once after a pause, 1 to 10000. Default: as many as
    /// `requestsPerSecond`.
    pub(super) burst: Option<Tolerant<u64>>,
    /// Requests that are not answered yet, watches among them, 1 to 1000. Default: no limit.
    pub(super) requests_in_flight: Option<Tolerant<u64>>,
    /// Size of a request's body in bytes, 1 to 3145728. Default: 3145728, the apiserver's own
    /// limit.
    pub(super) body_bytes: Option<Tolerant<u64>>,
}

/// Whether a denial is carried out.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) enum Enforcement {
    /// Yes.
    Enforce,
    /// No, it is only logged and counted.
    Report,
}

/// An API key, by its digest: the key itself is nowhere in the policy.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Key {
    /// The SHA-256 digest of the key in 64 lower-case hex digits, as `keyhole key new`
    /// prints it. Quote it.
    pub(super) sha256: String,
    /// From when the key is valid, such as `2026-11-01T00:00:00Z`. Default: always was.
    pub(super) not_before: Option<String>,
    /// Until when the key is valid, such as `2027-11-01T00:00:00Z`. Default: for ever.
    pub(super) not_after: Option<String>,
    /// The hours of the day in which the key is valid, in UTC, as in `06:00-20:00`; over
    /// midnight, as in `22:00-04:00`. Default: all.
    pub(super) hours: Option<String>,
}

/// What a JSON Web Token must say to be this client's, and who signs it. Where an issuer's
/// keys are is said once, by `jwks` or by `jwksUri` and `cluster`, at any of its entries.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Token {
    /// The token's `iss`, letter by letter.
    pub(super) issuer: String,
    /// What the token is for: its `aud`, or one of them.
    pub(super) audience: String,
    /// The token's `sub`. Write `subject` or `claims`.
    pub(super) subject: Option<String>,
    /// Claims that the token must have, by name: each is this text, or a list with it.
    pub(super) claims: Option<Tolerant<BTreeMap<String, String>>>,
    /// The issuer's public keys, written out: a JSON Web Key Set, as text.
    pub(super) jwks: Option<String>,
    /// Where the issuer publishes its keys, such as `https://issuer.example.com/keys`.
    pub(super) jwks_uri: Option<String>,
    /// The Envoy cluster that leads there, and verifies whom it meets.
    pub(super) cluster: Option<String>,
}

/// A ServiceAccount of the cluster. What it may do is the outer limit of its clients.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ServiceAccount {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// How long its tokens live, in seconds: 600 (the apiserver's minimum) to 86400.
    /// Default: 3600.
    pub(super) expiration_seconds: Option<Tolerant<u64>>,
    /// Audiences of its tokens. Default: the apiserver's own.
    pub(super) audiences: Option<List<String>>,
}

/// A named list of rules.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Role {
    /// What clients call it by: lower-case letters, digits and `-`.
    pub(super) name: String,
    /// Each allows something by itself; nothing is allowed but by a rule.
    pub(super) rules: List<Rule>,
}

/// What is allowed: in the shape of a Kubernetes RBAC rule, but with the place where it
/// holds. Write `namespaces`, `clusterScope: true` or `nonResourceURLs`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Rule {
    /// The namespaces where the rule holds; `*` is any. Not the cluster scope, where one
    /// lists the objects of all namespaces.
    pub(super) namespaces: Option<List<String>>,
    /// `true`: the rule holds for objects that lie in no namespace, and for lists over all
    /// namespaces.
    pub(super) cluster_scope: Option<Tolerant<bool>>,
    /// API groups such as `apps`, without a version; `""` is the core group, `*` is any.
    pub(super) api_groups: Option<List<String>>,
    /// Lower-case plurals such as `pods`, and subresources such as `pods/log`. `*` is any
    /// resource, but no subresource.
    pub(super) resources: Option<List<String>>,
    /// Names of objects. Left out: any name. Does not go with `deletecollection`, nor with
    /// `create` without `patch`.
    pub(super) resource_names: Option<List<String>>,
    /// Paths that are no resources, such as `/version`; `/healthz/*` is all below it.
    #[serde(rename = "nonResourceURLs")]
    pub(super) non_resource_urls: Option<List<String>>,
    /// Kubernetes verbs; for `nonResourceURLs`, HTTP methods in lower case. `*` is all but
    /// `watch`.
    pub(super) verbs: Option<List<String>>,
    /// What an object that is written must be like: holds for `create`, `update` and `patch`.
    pub(super) constraints: Option<Tolerant<Constraints>>,
    /// `report`: what only this rule allows is allowed, and logged and counted as if it were
    /// denied. Default: `enforce`.
    pub(super) enforcement: Option<Tolerant<Enforcement>>,
}

/// What the body of a write may say. What is left out is free. A server-side apply is judged
/// as a whole object, other patches by what they mention; JSON patches are refused.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Constraints {
    /// Images of containers of all sorts, and of image volumes. One that ends in `/`, `:` or
    /// `@` is a prefix, any other the whole reference; compared literally.
    pub(super) images: Option<List<String>>,
    /// What a pod may not ask for: `privileged`, `hostPath`, `hostNetwork`, `hostPID`,
    /// `hostIPC`, `hostPorts`, `addedCapabilities`.
    pub(super) forbid: Option<List<String>>,
    /// ServiceAccounts that a pod may run as. One that names none runs as `default`.
    pub(super) service_accounts: Option<List<String>>,
    /// With what the object's name starts.
    pub(super) name_prefix: Option<String>,
    /// Labels that the object must have: `team=db`, or `team` for any value.
    pub(super) labels: Option<List<String>>,
    /// How many pods at most: of `replicas`, also through `scale`; of a job, `parallelism`.
    pub(super) max_replicas: Option<Tolerant<u64>>,
}

// === impl List ===

impl<T> List<T> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        let items = self.0.0.iter().flatten().enumerate();
        items.filter_map(|(index, item)| Some((index, item.0.as_ref()?)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.0.as_ref().is_some_and(Vec::is_empty)
    }
}

// === impl Tolerant ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Tolerant<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct("Tolerant", TolerantVisitor(PhantomData))
    }
}

struct TolerantVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TolerantVisitor<T> {
    type Value = Tolerant<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    /// Not called for a missing field, which thus stays an error.
    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Tolerant<T>, D::Error> {
        Ok(Tolerant(T::deserialize(deserializer).ok()))
    }
}
