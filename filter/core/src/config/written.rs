//! What is written: the policy document and the plugin configuration that holds
//! it, as serde reads them. Nothing is checked here but the shape.

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Policy {
    pub(super) api_version: Tolerant<ApiVersion>,
    pub(super) kind: Tolerant<Kind>,
    pub(super) gateway: Option<Gateway>,
    pub(super) clients: List<Client>,
    pub(super) roles: Option<List<Role>>,
}

#[derive(Debug, Deserialize)]
pub(super) enum ApiVersion {
    #[serde(rename = "keyhole/v1")]
    V1,
}

#[derive(Debug, Deserialize)]
pub(super) enum Kind {
    Policy,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Gateway {
    pub(super) token_verification: Option<Tolerant<TokenVerification>>,
    pub(super) token_wait_seconds: Option<Tolerant<u64>>,
    pub(super) warm_up: Option<Tolerant<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TokenVerification {
    ClaimsOnly,
    Signature,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) keys: List<Key>,
    pub(super) service_account: Tolerant<ServiceAccount>,
    pub(super) source_ranges: Option<List<String>>,
    pub(super) limits: Option<Tolerant<Limits>>,
    pub(super) enforcement: Option<Tolerant<Enforcement>>,
    pub(super) roles: List<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Limits {
    pub(super) requests_per_second: Option<Tolerant<u64>>,
    pub(super) burst: Option<Tolerant<u64>>,
    pub(super) requests_in_flight: Option<Tolerant<u64>>,
    pub(super) body_bytes: Option<Tolerant<u64>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Enforcement {
    Enforce,
    Report,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Key {
    pub(super) sha256: String,
    pub(super) not_before: Option<String>,
    pub(super) not_after: Option<String>,
    pub(super) hours: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ServiceAccount {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) expiration_seconds: Option<Tolerant<u64>>,
    pub(super) audiences: Option<List<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) rules: List<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) namespaces: Option<List<String>>,
    pub(super) cluster_scope: Option<Tolerant<bool>>,
    pub(super) api_groups: Option<List<String>>,
    pub(super) resources: Option<List<String>>,
    pub(super) resource_names: Option<List<String>>,
    #[serde(rename = "nonResourceURLs")]
    pub(super) non_resource_urls: Option<List<String>>,
    pub(super) verbs: Option<List<String>>,
    pub(super) enforcement: Option<Tolerant<Enforcement>>,
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
