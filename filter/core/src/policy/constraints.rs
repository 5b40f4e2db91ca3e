//! What the body of a write may say.
//!
//! A rule that allows `create`, `update` or `patch` may also say which objects:
//! these images, not privileged, at most so many copies. [`Content::read`] makes
//! sure that the apiserver reads the same body; here it is judged.

mod form;
mod kind;
mod place;
mod pod;
mod violation;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub(crate) use self::form::Form;
pub(crate) use self::kind::{Kind, Target};
use self::place::{Given, Place};
use self::violation::Found;
pub(crate) use self::violation::Violation;
use crate::request::content::{Content, Quoted, Value};

/// What an object that is written must be like. What is `None` or empty is free.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Constraints {
    /// Of containers of all sorts, and of image volumes.
    pub(crate) images: Option<Vec<Image>>,
    pub(crate) forbid: Vec<Privilege>,
    /// Whom a pod may run as. One that does not say runs as `default`.
    pub(crate) service_accounts: Option<Vec<String>>,
    /// Of the name in the path, or else of `metadata.name` or `generateName`.
    pub(crate) name_prefix: Option<String>,
    pub(crate) labels: Vec<Label>,
    /// Of `replicas`, or of `parallelism` of a job. One that does not say has 1.
    pub(crate) max_replicas: Option<u64>,
}

/// Which image references are allowed. They are compared literally: `busybox` is
/// not `docker.io/library/busybox`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Image {
    Exactly(String),
    /// Written with `/`, `:` or `@` at its end.
    StartsWith(String),
}

/// What a pod may not ask for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Privilege {
    /// `capabilities.add` of a container, if not empty.
    AddedCapabilities,
    HostIpc,
    HostNetwork,
    /// Volumes of this type.
    HostPath,
    HostPid,
    /// `hostPort` of a container's port, if not 0.
    HostPorts,
    /// `securityContext.privileged` of a container.
    Privileged,
}

/// A label that the object must have; with any value, if it is `None`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Label {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
}

// === impl Constraints ===

impl Constraints {
    /// Judges the body of a `create`, `update` or `patch`.
    ///
    /// # Errors
    ///
    /// The first thing that is not allowed.
    pub(crate) fn judge(
        &self,
        target: &Target,
        form: Form,
        content: &Content,
    ) -> Result<(), Violation> {
        if form == Form::JsonPatch {
            return Err(Violation::JsonPatch);
        }
        let body = Place::root(content, form);
        if form == Form::StrategicPatch {
            refuse_directives(content.root())?;
        }
        target.judge(&body)?;
        self.judge_name(target, &body)?;
        self.judge_labels(&body)?;
        self.judge_pod(target, &body)?;
        self.judge_replicas(target, &body)
    }

    fn judge_name(&self, target: &Target, body: &Place<'_>) -> Result<(), Violation> {
        let Some(prefix) = &self.name_prefix else { return Ok(()) };
        let must = |place: &Place<'_>, name: Option<&str>| match name {
            Some(name) if name.starts_with(prefix.as_str()) => Ok(()),
            _ => Err(Violation::Name {
                place: place.path().into(),
                found: place.found(),
                prefix: prefix.clone(),
            }),
        };
        let metadata = body.field("metadata")?;
        let name = metadata.field("name")?;
        if let Given::Value(_) = name.given() {
            must(&name, name.text())?;
        }
        match (target.name(), name.given()) {
            ("", Given::Value(_)) => Ok(()),
            ("", _) => {
                let stem = metadata.field("generateName")?;
                must(if stem.is_value() { &stem } else { &name }, stem.text())
            }
            (in_path, _) => match in_path.starts_with(prefix.as_str()) {
                true => Ok(()),
                false => Err(Violation::Name {
                    place: "the name in the path".into(),
                    found: Found::text(in_path),
                    prefix: prefix.clone(),
                }),
            },
        }
    }

    fn judge_labels(&self, body: &Place<'_>) -> Result<(), Violation> {
        if self.labels.is_empty() {
            return Ok(());
        }
        let labels = body.descend(&["metadata", "labels"])?;
        for label in &self.labels {
            let given = labels.field(&label.key)?;
            let fits = match given.given() {
                Given::Untouched => true,
                Given::Absent => false,
                Given::Value(_) => given.text().is_some_and(|text| label.allows(text)),
            };
            if !fits {
                return Err(Violation::Label { found: given.found(), label: label.clone() });
            }
        }
        Ok(())
    }

    fn judge_pod(&self, target: &Target, body: &Place<'_>) -> Result<(), Violation> {
        if self.images.is_none() && self.forbid.is_empty() && self.service_accounts.is_none() {
            return Ok(());
        }
        let path = target.kind().and_then(|kind| kind.pod_spec).ok_or(Violation::Unknown)?;
        let pod = body.descend(path)?;
        if let Some(images) = &self.images {
            pod::judge_images(&pod, images)?;
        }
        for privilege in &self.forbid {
            pod::judge_privilege(&pod, *privilege)?;
        }
        match &self.service_accounts {
            Some(accounts) => pod::judge_account(&pod, accounts),
            None => Ok(()),
        }
    }

    fn judge_replicas(&self, target: &Target, body: &Place<'_>) -> Result<(), Violation> {
        let Some(most) = self.max_replicas else { return Ok(()) };
        let path = target.kind().and_then(|kind| kind.replicas).ok_or(Violation::Unknown)?;
        let replicas = body.descend(path)?;
        let fits = match replicas.given() {
            Given::Untouched => true,
            Given::Absent => 1 <= most,
            Given::Value(Value::Number(number)) => *number <= most,
            Given::Value(_) => false,
        };
        match fits {
            true => Ok(()),
            false => Err(Violation::Replicas {
                place: replicas.path().into(),
                found: replicas.found(),
                most,
            }),
        }
    }
}

/// Keys like `$patch` and `$retainKeys` remove or replace what they do not name.
/// Those that give an order do not.
fn refuse_directives(value: &Value) -> Result<(), Violation> {
    match value {
        Value::List(items) => items.iter().try_for_each(refuse_directives),
        Value::Mapping(fields) => fields.iter().try_for_each(|(key, value)| {
            match key.starts_with('$') && !key.starts_with("$setElementOrder/") {
                true => Err(Violation::Directive(Quoted::new(key))),
                false => refuse_directives(value),
            }
        }),
        _ => Ok(()),
    }
}

// === impl Image ===

impl Image {
    pub(crate) fn new(text: &str) -> Self {
        match text.ends_with(['/', ':', '@']) {
            true => Self::StartsWith(text.into()),
            false => Self::Exactly(text.into()),
        }
    }

    fn allows(&self, reference: &str) -> bool {
        match self {
            Self::Exactly(image) => reference == image,
            // Before a `/`, what stands after a `:` is the port of another registry.
            Self::StartsWith(prefix) => reference
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| prefix.ends_with('/') || !rest.contains('/')),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Exactly(text) | Self::StartsWith(text) => text,
        }
    }
}

// === impl Privilege ===

impl Privilege {
    pub(crate) const ALL: [Self; 7] = [
        Self::Privileged,
        Self::HostPath,
        Self::HostNetwork,
        Self::HostPid,
        Self::HostIpc,
        Self::HostPorts,
        Self::AddedCapabilities,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AddedCapabilities => "addedCapabilities",
            Self::HostIpc => "hostIPC",
            Self::HostNetwork => "hostNetwork",
            Self::HostPath => "hostPath",
            Self::HostPid => "hostPID",
            Self::HostPorts => "hostPorts",
            Self::Privileged => "privileged",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|privilege| privilege.as_str() == text)
    }
}

// === impl Label ===

impl Label {
    fn allows(&self, value: &str) -> bool {
        self.value.as_ref().is_none_or(|expected| expected == value)
    }
}

/// As a policy has it: `key=value`, or `key`.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value } = self;
        match value {
            Some(value) => write!(f, "{key}={value}"),
            None => f.write_str(key),
        }
    }
}

#[cfg(test)]
mod tests;
