//! Which object a request is about, and where its pod lies.

use alloc::format;
use alloc::string::String;

use super::place::{Given, Place};
use super::violation::{Found, Violation};
use crate::request::attributes::ResourceAttributes;

/// A kind of Kubernetes whose insides are known here.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Kind {
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    name: &'static str,
    /// The group of its `apiVersion`.
    body_group: &'static str,
    pub(crate) pod_spec: Option<Path>,
    /// Where the number of copies lies.
    pub(crate) replicas: Option<Path>,
}

type Path = &'static [&'static str];

const SPEC: Option<Path> = Some(&["spec"]);
const TEMPLATE: Option<Path> = Some(&["spec", "template", "spec"]);
const REPLICAS: Option<Path> = Some(&["spec", "replicas"]);
const PARALLELISM: Option<Path> = Some(&["spec", "parallelism"]);
const CRON_SPEC: Option<Path> = Some(&["spec", "jobTemplate", "spec", "template", "spec"]);
const CRON_PARALLELISM: Option<Path> = Some(&["spec", "jobTemplate", "spec", "parallelism"]);

#[rustfmt::skip]
static KINDS: [Kind; 14] = [
    Kind::new("",      "pods",                   "Pod",                   SPEC,                                  None),
    Kind::new("",      "podtemplates",           "PodTemplate",           Some(&["template", "spec"]),           None),
    Kind::new("",      "replicationcontrollers", "ReplicationController", TEMPLATE,                              REPLICAS),
    Kind::new("apps",  "daemonsets",             "DaemonSet",             TEMPLATE,                              None),
    Kind::new("apps",  "deployments",            "Deployment",            TEMPLATE,                              REPLICAS),
    Kind::new("apps",  "replicasets",            "ReplicaSet",            TEMPLATE,                              REPLICAS),
    Kind::new("apps",  "statefulsets",           "StatefulSet",           TEMPLATE,                              REPLICAS),
    Kind::new("batch", "cronjobs",               "CronJob",               CRON_SPEC,                             CRON_PARALLELISM),
    Kind::new("batch", "jobs",                   "Job",                   TEMPLATE,                              PARALLELISM),
    Kind { subresource: "ephemeralcontainers", ..Kind::new("", "pods", "Pod", SPEC, None) },
    Kind::scale("",     "replicationcontrollers"),
    Kind::scale("apps", "deployments"),
    Kind::scale("apps", "replicasets"),
    Kind::scale("apps", "statefulsets"),
];

/// What of a request's attributes is needed to judge its body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    kind: Option<&'static Kind>,
    group: String,
    namespace: String,
    /// Empty if the path has none, as for `create`.
    name: String,
}

// === impl Kind ===

impl Kind {
    pub(crate) fn of(group: &str, resource: &str, subresource: &str) -> Option<&'static Self> {
        let asked = (group, resource, subresource);
        KINDS.iter().find(|kind| (kind.group, kind.resource, kind.subresource) == asked)
    }

    /// Resources, without subresources, that these hold for.
    pub(crate) fn resources(
        holds: impl Fn(&Self) -> bool,
    ) -> impl Iterator<Item = &'static str> {
        let kinds = KINDS.iter().filter(|kind| kind.subresource.is_empty());
        kinds.filter(move |kind| holds(kind)).map(|kind| kind.resource)
    }

    const fn new(
        group: &'static str,
        resource: &'static str,
        name: &'static str,
        pod_spec: Option<Path>,
        replicas: Option<Path>,
    ) -> Self {
        Self { group, resource, subresource: "", name, body_group: group, pod_spec, replicas }
    }

    const fn scale(group: &'static str, resource: &'static str) -> Self {
        let scale = Self::new(group, resource, "Scale", None, REPLICAS);
        Self { subresource: "scale", body_group: "autoscaling", ..scale }
    }
}

// === impl Target ===

impl Target {
    pub(crate) fn of(attributes: &ResourceAttributes<'_>) -> Self {
        let ResourceAttributes {
            verb: _,
            group,
            version: _,
            namespace,
            resource,
            subresource,
            name,
        } = attributes;
        Self {
            kind: Kind::of(group, resource, subresource),
            group: (*group).into(),
            namespace: (*namespace).into(),
            name: (**name).into(),
        }
    }

    pub(super) const fn kind(&self) -> Option<&'static Kind> {
        self.kind
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the body is about what the path is about.
    pub(super) fn judge(&self, body: &Place<'_>) -> Result<(), Violation> {
        if let Some(Kind { name, .. }) = self.kind {
            must(&body.field("kind")?, |text| text == *name, || format!("`{name}`"))?;
        }
        let group = self.kind.map_or(&*self.group, |kind| kind.body_group);
        let in_group = |version: &str| version.split_once('/').map_or("", |(g, _)| g) == group;
        must(&body.field("apiVersion")?, in_group, || match group {
            "" => "the core group, as in `v1`".into(),
            group => format!("the group `{group}`"),
        })?;
        let given = body.descend(&["metadata", "namespace"])?;
        must(
            &given,
            |text| text == self.namespace,
            || match &*self.namespace {
                "" => "no namespace".into(),
                namespace => format!("`{namespace}`"),
            },
        )
    }
}

/// What is given must be this; it may be left out.
fn must(
    place: &Place<'_>,
    is: impl Fn(&str) -> bool,
    expected: impl Fn() -> String,
) -> Result<(), Violation> {
    match place.given() {
        Given::Absent | Given::Untouched => Ok(()),
        Given::Value(_) if place.text().is_some_and(is) => Ok(()),
        Given::Value(value) => Err(Violation::Other {
            place: place.path().into(),
            found: Found::value(value),
            expected: expected(),
        }),
    }
}
