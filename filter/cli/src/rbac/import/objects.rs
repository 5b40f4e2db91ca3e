//! The RBAC objects of Kubernetes, as they are written.

use std::fmt;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::object::Object;

#[derive(Default)]
pub(super) struct Objects {
    pub(super) roles: Vec<Role>,
    pub(super) bindings: Vec<Binding>,
}

/// A Role, or a ClusterRole.
pub(super) struct Role {
    pub(super) id: Id,
    pub(super) rules: Vec<PolicyRule>,
    /// Whether the cluster puts together its rules from those of others.
    pub(super) aggregated: bool,
}

/// A RoleBinding, or a ClusterRoleBinding.
pub(super) struct Binding {
    pub(super) id: Id,
    role: RoleRef,
    subjects: Vec<Subject>,
}

pub(super) struct Id {
    /// `None` for what is of the cluster.
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    kind: &'static str,
}

/// Strict, for a rule without its misspelled `resourceNames` is wider.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PolicyRule {
    pub(super) api_groups: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    pub(super) non_resource_urls: Vec<String>,
    pub(super) verbs: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRole {
    metadata: Metadata,
    rules: Option<Vec<PolicyRule>>,
    aggregation_rule: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenBinding {
    metadata: Metadata,
    role_ref: RoleRef,
    subjects: Option<Vec<Subject>>,
}

#[derive(Deserialize)]
struct RoleRef {
    kind: String,
    name: String,
}

#[derive(Deserialize)]
struct Subject {
    kind: String,
    name: String,
    namespace: Option<String>,
}

const GROUP: &str = "rbac.authorization.k8s.io/";

/// More than a whole cluster has.
const LARGE: usize = 1 << 30;

// === impl Objects ===

impl Objects {
    pub(super) fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.bindings.is_empty()
    }

    /// Adds the objects of a text; those of other kinds are passed over.
    pub(super) fn read(&mut self, text: &str) -> anyhow::Result<()> {
        let options = serde_saphyr::options! {
            // The text may have Secrets.
            with_snippet: false,
            budget: serde_saphyr::budget! {
                max_documents: LARGE,
                max_events: LARGE,
                max_nodes: LARGE,
                max_total_scalar_bytes: LARGE,
            },
        };
        let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)?;
        documents.into_iter().try_for_each(|document| self.add(document))
    }

    fn add(&mut self, mut object: Value) -> anyhow::Result<()> {
        let word = |field| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (kind, version) = (word("kind").to_owned(), word("apiVersion").to_owned());
        if let Some(kind_of_items) = kind.strip_suffix("List")
            && let Some(Value::Array(items)) = object.get_mut("items").map(Value::take)
        {
            return items
                .into_iter()
                .map(|item| named(item, kind_of_items, &version))
                .try_for_each(|item| self.add(item));
        }
        if !version.starts_with(GROUP) {
            return Ok(());
        }
        let (kind, cluster) = match kind.as_str() {
            "ClusterRole" => ("ClusterRole", true),
            "ClusterRoleBinding" => ("ClusterRoleBinding", true),
            "Role" => ("Role", false),
            "RoleBinding" => ("RoleBinding", false),
            _ => return Ok(()),
        };
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let place = format!("{kind} {}", name.unwrap_or("without a name"));
        let id = |Metadata { name, namespace }| match (cluster, namespace) {
            (true, _) => Ok(Id { namespace: None, name, kind }),
            (false, Some(namespace)) if namespace == "*" => {
                bail!("{kind} {name}: `*` is not a namespace: write its name")
            }
            (false, Some(namespace)) => Ok(Id { namespace: Some(namespace), name, kind }),
            (false, None) => bail!("{kind} {name} has no `metadata.namespace`: add it"),
        };
        if kind.ends_with("Binding") {
            let WrittenBinding { metadata, role_ref, subjects } =
                serde_json::from_value(object).context(place)?;
            let subjects = subjects.unwrap_or_default();
            self.bindings.push(Binding { id: id(metadata)?, role: role_ref, subjects });
        } else {
            let WrittenRole { metadata, rules, aggregation_rule } =
                serde_json::from_value(object).context(place)?;
            let (rules, aggregated) = (rules.unwrap_or_default(), aggregation_rule.is_some());
            self.roles.push(Role { id: id(metadata)?, rules, aggregated });
        }
        Ok(())
    }
}

/// The items of a `RoleList` need not repeat that they are Roles.
fn named(mut item: Value, kind: &str, version: &str) -> Value {
    if let Some(fields) = item.as_object_mut()
        && !kind.is_empty()
    {
        fields.entry("kind").or_insert_with(|| kind.into());
        fields.entry("apiVersion").or_insert_with(|| version.into());
    }
    item
}

// === impl Binding ===

impl Binding {
    pub(super) fn binds(&self, role: &Role) -> bool {
        self.role.kind == role.id.kind
            && self.role.name == role.id.name
            && (role.id.namespace.is_none() || role.id.namespace == self.id.namespace)
    }

    pub(super) fn holds_for(&self, account: &Object) -> bool {
        self.subjects.iter().any(|subject| subject.is(account, self.id.namespace.as_deref()))
    }

    /// What it binds, for people.
    pub(super) fn role(&self) -> impl fmt::Display {
        format!("{} {}", self.role.kind, self.role.name)
    }
}

// === impl Subject ===

impl Subject {
    /// Whether a ServiceAccount is this, or in this group. Without a namespace it is of
    /// that of the binding.
    fn is(&self, Object { namespace, name }: &Object, of_binding: Option<&str>) -> bool {
        match self.kind.as_str() {
            "Group" => match self.name.strip_prefix("system:serviceaccounts") {
                Some("") => true,
                Some(of) => of.strip_prefix(':') == Some(namespace),
                None => self.name == "system:authenticated",
            },
            "ServiceAccount" => {
                self.name == *name
                    && self.namespace.as_deref().or(of_binding) == Some(namespace)
            }
            "User" => self.name == format!("system:serviceaccount:{namespace}:{name}"),
            _ => false,
        }
    }
}

// === impl Id ===

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, name, kind } = self;
        match namespace {
            Some(namespace) => write!(f, "{kind} {namespace}/{name}"),
            None => write!(f, "{kind} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_service_account_is_a_subject_itself_and_by_its_user_and_groups() {
        let account = Object { namespace: "shop".to_owned(), name: "scaler".to_owned() };
        for (subject, is) in [
            ("{kind: ServiceAccount, name: scaler, namespace: shop}",   true),
            ("{kind: ServiceAccount, name: scaler, namespace: other}",  false),
            ("{kind: ServiceAccount, name: other, namespace: shop}",    false),
            ("{kind: ServiceAccount, name: scaler}",                    true),
            ("{kind: User, name: 'system:serviceaccount:shop:scaler'}", true),
            ("{kind: User, name: scaler}",                              false),
            ("{kind: Group, name: 'system:serviceaccounts'}",           true),
            ("{kind: Group, name: 'system:serviceaccounts:shop'}",      true),
            ("{kind: Group, name: 'system:serviceaccounts:shop2'}",     false),
            ("{kind: Group, name: 'system:authenticated'}",             true),
            ("{kind: Group, name: 'system:unauthenticated'}",           false),
            ("{kind: Group, name: 'system:masters'}",                   false),
        ] {
            let read: Subject = serde_saphyr::from_str(subject).unwrap();
            assert_eq!(read.is(&account, Some("shop")), is, "{subject}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn what_does_not_say_what_it_is_about_is_refused() {
        for (text, expected) in [
            ("{kind: Role, metadata: {name: r}}",                 "Role r has no `metadata.namespace`: add it"),
            ("{kind: Role, metadata: {name: r, namespace: '*'}}", "Role r: `*` is not a namespace: write its name"),
            ("{kind: Role, metadata: {namespace: d}}",            "Role without a name: missing field `name`"),
            ("{kind: RoleBinding, metadata: {name: r, namespace: d}}", "RoleBinding r: missing field `roleRef`"),
            ("{kind: ClusterRole, metadata: {name: r}, rules: [{verbs: [get], resourceNames: null}]}",
             "ClusterRole r: invalid type: null, expected a sequence"),
            ("{kind: ClusterRole, metadata: {name: r}, rules: [{verbs: [get], resourcenames: [a]}]}",
             "ClusterRole r: unknown field `resourcenames`, expected one of `apiGroups`, `resources`, `resourceNames`, `nonResourceURLs`, `verbs`"),
        ] {
            let text = text.replacen('{', "{apiVersion: rbac.authorization.k8s.io/v1, ", 1);
            let error = Objects::default().read(&text).unwrap_err();
            assert_eq!(format!("{error:#}"), expected, "{text}");
        }
    }
}
