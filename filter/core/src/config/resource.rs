//! How a rule names what it is about: API groups, resources, paths.

use alloc::format;
use alloc::string::String;

use super::syntax::{is_label, is_segment, is_subdomain};
use crate::policy::names::{NameId, Names};
use crate::policy::rules::PathPattern;
use crate::request::streaming::Streaming;

/// Resources of Kubernetes that people look for in namespaces, but that lie in none.
const CLUSTER_SCOPED: &[(&str, &str)] = &[
    ("", "nodes"),
    ("", "persistentvolumes"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices"),
    ("certificates.k8s.io", "certificatesigningrequests"),
    ("networking.k8s.io", "ingressclasses"),
    ("node.k8s.io", "runtimeclasses"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("scheduling.k8s.io", "priorityclasses"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "storageclasses"),
    ("storage.k8s.io", "volumeattachments"),
];

/// A resource as a rule names it; `*` is `NameId::ANY`.
#[derive(Clone, Copy)]
pub(super) struct Resource {
    pub(super) resource: NameId,
    pub(super) subresource: NameId,
}

/// Whether this is known to be a cluster-scoped resource of Kubernetes itself.
pub fn is_cluster_scoped(group: &str, resource: &str) -> bool {
    CLUSTER_SCOPED.contains(&(group, resource))
}

/// An API group, `""` or `*`.
pub(super) fn group(text: &str, names: &mut Names) -> Result<NameId, String> {
    match text {
        "*" => Ok(NameId::ANY),
        "" => Ok(NameId::NONE),
        "core" | "v1" => Err(format!("`{text}` is not an API group: the core group is `\"\"`")),
        group if is_subdomain(group) => Ok(names.intern(group)),
        _ => match text.split_once('/') {
            Some((group, _)) => Err(format!("`{text}` names a version: write `{group}`")),
            None => Err(format!("`{text}` is not an API group: write one like `apps`")),
        },
    }
}

/// `pods`, `pods/log` or `*`.
pub(super) fn resource(text: &str, names: &mut Names) -> Result<Resource, String> {
    if text == "*" {
        return Ok(Resource { resource: NameId::ANY, subresource: NameId::NONE });
    }
    let (resource, subresource) = match text.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (text, None),
    };
    if resource == "*" || subresource == Some("*") {
        return Err(format!(
            "`{text}` would cover subresources by a star: name each one, as in `pods/log`"
        ));
    }
    if !is_label(resource) || !subresource.is_none_or(is_label) {
        return Err(format!(
            "`{text}` is not a resource: write its lower-case plural, as in `pods` or `pods/log`"
        ));
    }
    let subresource = subresource.unwrap_or_default();
    match Streaming::of(subresource) {
        Some(streaming) => {
            Err(format!("`{text}` can never be allowed, for {streaming}: remove it"))
        }
        None => Ok(Resource {
            resource: names.intern(resource),
            subresource: names.intern(subresource),
        }),
    }
}

/// `/path`, `/path/*` or `/*`.
pub(super) fn path(url: &str, names: &mut Names) -> Result<PathPattern, String> {
    if url == "*" {
        return Err("`*` is not a path: write `/*`".into());
    }
    let (path, below) = match url.strip_suffix("/*") {
        Some(path) => (path, true),
        None => (url, false),
    };
    let root = path.is_empty() && below || url == "/";
    let spelled = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment));
    if !root && !spelled {
        return Err(format!(
            "`{url}` is not a path: write one like `/version`, or `/healthz/*` for all below it"
        ));
    }
    if is_resource_path(path) {
        return Err(format!("`{url}` is a resource path: write a rule with `resources`"));
    }
    match below {
        true => Ok(PathPattern::Below(names.intern(path))),
        false => Ok(PathPattern::Exactly(names.intern(path))),
    }
}

/// Whether no non-resource path starts like this.
fn is_resource_path(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    match segments.next() {
        Some("api") => segments.count() >= 2,
        Some("apis") => segments.count() >= 3,
        _ => false,
    }
}
