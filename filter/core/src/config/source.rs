//! Where a policy is read from, if it is not written into the plugin configuration.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::problem::{At, Problems};
use super::syntax::{is_label, is_segment, is_subdomain};
use super::written;
use crate::pod::failure::Failure;

const DEFAULT_KEY: &str = "policy.yaml";
const DEFAULT_REFRESH_SECONDS: u64 = 2;
const REFRESH_SECONDS: core::ops::RangeInclusive<u64> = 1..=300;

/// A key of a ConfigMap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) refresh: Duration,
}

// === impl Source ===

impl Source {
    pub(crate) fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps/{}", self.namespace, self.name)
    }

    /// Where what was found lies in shared memory; the number is that of the format.
    pub(crate) fn shared_key(&self) -> String {
        format!("policy/1/{}/{}/{}", self.namespace, self.name, self.key)
    }

    /// Where the text of the last good policy lies.
    pub(crate) fn text_key(&self) -> String {
        format!("policy-text/1/{}/{}/{}", self.namespace, self.name, self.key)
    }

    /// Why there is no policy to be had, in words of this.
    pub(crate) fn sentence(&self, failure: &Failure) -> String {
        let Self { namespace, name, key, .. } = self;
        let what = format!("the ConfigMap {namespace}/{name}");
        match failure {
            Failure::Refused { status: 404, .. } => {
                format!(
                    "{what} does not exist: create it, with the policy under the key `{key}`"
                )
            }
            Failure::Refused { status: 403, message, .. } => format!(
                "{what} cannot be read: {message}: allow it to the gateway's account, as `keyhole rbac gateway --config-map {namespace}/{name}` prints it"
            ),
            failure => format!("{what} cannot be read: {failure}"),
        }
    }
}

/// `None` if it cannot be used; why is in `problems`.
pub(super) fn compile(
    written: &written::PolicySource,
    at: &At<'_>,
    problems: &Problems<'_>,
) -> Option<Source> {
    let at = at.field("configMap");
    let written::ConfigMap { namespace, name, key, refresh_seconds } =
        written.config_map.0.as_ref()?;
    let key = key.as_deref().unwrap_or(DEFAULT_KEY);
    for (field, value, valid) in [
        ("namespace", namespace.as_str(), is_label(namespace)),
        ("name", name, is_subdomain(name)),
        ("key", key, is_segment(key)),
    ] {
        if !valid {
            let message = format!("`{value}` is not a Kubernetes name: correct it");
            problems.add(&at.field(field), message);
        }
    }
    let seconds = refresh_seconds.as_ref().and_then(|seconds| seconds.0);
    let seconds = seconds.unwrap_or(DEFAULT_REFRESH_SECONDS);
    if !REFRESH_SECONDS.contains(&seconds) {
        let message = format!("is {seconds}: write 1 to 300");
        problems.add(&at.field("refreshSeconds"), message);
    }
    Some(Source {
        namespace: namespace.clone(),
        name: name.clone(),
        key: key.to_owned(),
        refresh: Duration::from_secs(seconds),
    })
}
