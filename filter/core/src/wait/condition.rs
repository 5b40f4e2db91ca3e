//! What a client can wait for, and how an object says it.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Condition {
    /// A Job or a Pod has done its work.
    Complete,
    Deleted,
    /// A Pod or a Node is ready, or a Deployment has rolled out.
    Ready,
}

/// How a wait ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It will never be met.
    Failed,
    Met,
    Timeout,
}

/// The fields by which the kinds of Kubernetes say how they are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    generation: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    conditions: Vec<Said>,
    observed_generation: Option<u64>,
    replicas: u64,
    updated_replicas: u64,
    available_replicas: u64,
}

#[derive(Debug, Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

// === impl Condition ===

impl Condition {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "complete" => Some(Self::Complete),
            "deleted" => Some(Self::Deleted),
            "ready" => Some(Self::Ready),
            _ => None,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Deleted => "deleted",
            Self::Ready => "ready",
        }
    }

    /// What an object that exists says to it; `None`: wait on.
    pub(crate) fn outcome(self, object: &Value) -> Option<Outcome> {
        let Object { metadata, spec, status } = Object::deserialize(object).ok()?;
        let has = |kind: &str, word: &str| {
            status.conditions.iter().any(|said| said.kind == kind && said.status == word)
        };
        let holds = |kind: &str| has(kind, "True");
        let met = |is: bool| is.then_some(Outcome::Met);
        match (self, status.phase.as_str()) {
            (Self::Deleted, _) => None,
            (Self::Complete, "Succeeded") => Some(Outcome::Met),
            (Self::Complete, "Failed") | (Self::Ready, "Failed" | "Succeeded") => {
                Some(Outcome::Failed)
            }
            (Self::Complete, _) if holds("Failed") => Some(Outcome::Failed),
            (Self::Complete, _) => met(holds("Complete")),
            (Self::Ready, _) if has("Progressing", "False") => Some(Outcome::Failed),
            (Self::Ready, _) => match spec.replicas {
                // As `kubectl rollout status` judges.
                Some(replicas) => met(status.observed_generation >= Some(metadata.generation)
                    && status.updated_replicas >= replicas
                    // No pod of an earlier revision is left.
                    && status.replicas <= status.updated_replicas
                    && status.available_replicas >= replicas),
                None => met(holds("Ready")),
            },
        }
    }
}

// === impl Outcome ===

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Met => "met",
            Self::Timeout => "timeout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn an_object_says_how_it_is() {
        use Condition::{Complete, Deleted, Ready};
        use Outcome::{Failed, Met};
        for (condition, object, expected) in [
            (Complete, "{}",                                                                    None),
            (Complete, r#"{"status":{"conditions":[{"type":"Complete","status":"True"}]}}"#,    Some(Met)),
            (Complete, r#"{"status":{"conditions":[{"type":"Complete","status":"False"}]}}"#,   None),
            (Complete, r#"{"status":{"conditions":[{"type":"FailureTarget","status":"True"}]}}"#, None),
            (Complete, r#"{"status":{"conditions":[{"type":"Failed","status":"True"}]}}"#,      Some(Failed)),
            (Complete, r#"{"status":{"phase":"Succeeded"}}"#,                                   Some(Met)),
            (Complete, r#"{"status":{"phase":"Failed"}}"#,                                      Some(Failed)),
            (Complete, r#"{"status":{"phase":"Running"}}"#,                                     None),
            (Ready,    r#"{"status":{"phase":"Pending"}}"#,                                     None),
            (Ready,    r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#, Some(Met)),
            (Ready,    r#"{"status":{"phase":"Failed"}}"#,                                      Some(Failed)),
            (Ready,    r#"{"metadata":{"generation":2},"spec":{"replicas":2},"status":{"observedGeneration":2,"updatedReplicas":2,"availableReplicas":2}}"#, Some(Met)),
            (Ready,    r#"{"metadata":{"generation":2},"spec":{"replicas":2},"status":{"observedGeneration":1,"updatedReplicas":2,"availableReplicas":2}}"#, None),
            (Ready,    r#"{"metadata":{"generation":2},"spec":{"replicas":2},"status":{"observedGeneration":2,"updatedReplicas":1,"availableReplicas":2}}"#, None),
            // one of the old and one of the new, which does not come up
            (Ready,    r#"{"metadata":{"generation":2},"spec":{"replicas":1},"status":{"observedGeneration":2,"replicas":2,"updatedReplicas":1,"availableReplicas":1}}"#, None),
            (Ready,    r#"{"metadata":{"generation":2},"spec":{"replicas":1},"status":{"observedGeneration":2,"conditions":[{"type":"Progressing","status":"False"}]}}"#, Some(Failed)),
            (Ready,    r#"{"metadata":{"generation":1},"spec":{"replicas":0},"status":{"observedGeneration":1}}"#, Some(Met)),
            (Ready,    r#"{"metadata":{"generation":1},"spec":{"replicas":0}}"#,                None),
            (Deleted,  r#"{"status":{"phase":"Succeeded"}}"#,                                   None),
        ] {
            let object = serde_json::from_str(object).unwrap();
            assert_eq!(condition.outcome(&object), expected, "{condition:?} {object}");
        }
    }
}
