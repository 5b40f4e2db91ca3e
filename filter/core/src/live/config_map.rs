//! The ConfigMap of a policy, and the Event that says why it was refused.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::json;

use crate::answer::Answer;
use crate::config::{Problem, Source};
use crate::pod::failure::Failure;

/// What an Event's `message` may have (`validation.ValidateEventCreate`).
const LONGEST_MESSAGE: usize = 1024;

#[derive(Debug, Deserialize)]
pub(crate) struct ConfigMap {
    pub(crate) metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    uid: String,
    pub(crate) resource_version: String,
}

/// The path and the body of a request that makes an Event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

// === impl ConfigMap ===

impl ConfigMap {
    pub(crate) fn read(answer: &Answer) -> Result<Self, Failure> {
        match answer.status() {
            Some(200) => answer.json().ok_or_else(|| Failure::malformed("it is no ConfigMap")),
            _ => Err(Failure::of(answer)),
        }
    }

    pub(crate) fn policy(&self, key: &str) -> Result<&str, Failure> {
        self.data.get(key).map(String::as_str).ok_or_else(|| {
            let keys: Vec<&str> = self.data.keys().map(String::as_str).collect();
            let has = if keys.is_empty() { "none".to_string() } else { keys.join(", ") };
            Failure::Malformed(format!("it has no key `{key}`; its keys are: {has}"))
        })
    }

    /// Says on the ConfigMap why its policy is not in force.
    pub(crate) fn refusal(&self, source: &Source, problems: &[Problem]) -> Event {
        let Source { namespace, name, .. } = source;
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let message = format!("the last good policy stays in force: {}", lines.join("; "));
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": format!("{name}-"), "namespace": namespace},
            "involvedObject": {
                "apiVersion": "v1", "kind": "ConfigMap", "namespace": namespace, "name": name,
                "uid": self.metadata.uid, "resourceVersion": self.metadata.resource_version,
            },
            "type": "Warning",
            "reason": "PolicyRefused",
            "message": message.chars().take(LONGEST_MESSAGE).collect::<String>(),
            "source": {"component": "keyhole"},
            "count": 1,
        });
        let path = format!("/api/v1/namespaces/{namespace}/events");
        Event { path, body: event.to_string().into_bytes() }
    }
}
