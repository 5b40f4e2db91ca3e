//! What a resource must have, so that a rule's constraints can be judged.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::config::written::Constraints;
use crate::policy::constraints::Kind;

/// What a resource must have: the first field that is about it.
pub(super) struct Needs {
    pod_spec: Option<&'static str>,
    replicas: Option<&'static str>,
    labels: Option<&'static str>,
}

impl Needs {
    pub(super) fn of(written: &Constraints) -> Self {
        let fields = [
            ("images", written.images.is_some()),
            ("forbid", written.forbid.is_some()),
            ("serviceAccounts", written.service_accounts.is_some()),
        ];
        Self {
            pod_spec: fields.into_iter().find_map(|(field, given)| given.then_some(field)),
            replicas: written.max_replicas.is_some().then_some("maxReplicas"),
            labels: written.labels.is_some().then_some("labels"),
        }
    }

    /// A field that is about the insides of an object, which not every kind has.
    pub(super) fn insides(&self) -> Option<&'static str> {
        self.pod_spec.or(self.replicas)
    }

    /// Whether a resource has all that is needed, in one of these groups.
    pub(super) fn check<'a>(
        &self,
        groups: impl Iterator<Item = &'a str>,
        text: &str,
    ) -> Result<(), String> {
        if text == "*" {
            return match self.insides() {
                Some(field) => Err(format!(
                    "`*` does not go with `constraints.{field}`: name the resources, as in `jobs`"
                )),
                None => Ok(()),
            };
        }
        let (resource, subresource) = text.split_once('/').unwrap_or((text, ""));
        let kinds: Vec<_> =
            groups.filter_map(|group| Kind::of(group, resource, subresource)).collect();
        if !subresource.is_empty() && kinds.is_empty() {
            return Err(format!(
                "the body of `{text}` cannot be judged by `constraints`: move it to a rule of its own"
            ));
        }
        if let Some(field) = self.labels.filter(|_| subresource == "scale") {
            return Err(lacking(text, "labels", field, []));
        }
        if let Some(field) = self.pod_spec
            && !kinds.iter().any(|kind| kind.pod_spec.is_some())
        {
            let known = Kind::resources(|kind| kind.pod_spec.is_some());
            return Err(lacking(text, "pod spec", field, known));
        }
        if let Some(field) = self.replicas
            && !kinds.iter().any(|kind| kind.replicas.is_some())
        {
            let known = Kind::resources(|kind| kind.replicas.is_some());
            return Err(lacking(text, "number of replicas", field, known));
        }
        Ok(())
    }
}

fn lacking(
    resource: &str,
    what: &str,
    field: &str,
    known: impl IntoIterator<Item = &'static str>,
) -> String {
    let known: Vec<_> = known.into_iter().collect();
    let message = format!(
        "`{resource}` has no {what} known here, so `constraints.{field}` cannot be judged: move \
         it to a rule of its own"
    );
    match known.is_empty() {
        true => message,
        false => format!("{message}; known are {}", known.join(", ")),
    }
}
