//! Questions to the apiserver about what somebody may do.

use keyhole_core::{PathTerm, Permission, ResourceTerm, Scope, Term, Verb};
use serde::Deserialize;
use serde_json::{Value, json};

use super::kubectl::{Kubectl, Told};
use crate::object::Object;

/// May this ServiceAccount do this?
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) namespace: &'a str,
    pub(super) account: &'a str,
    attributes: Value,
}

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    allowed: bool,
}

/// The answers, in the order of the questions.
pub(super) fn ask(
    kubectl: &Kubectl,
    questions: &[Question<'_>],
) -> anyhow::Result<Told<Vec<bool>>> {
    let reviews: Vec<Value> = questions.iter().map(Question::review).collect();
    let told = kubectl.create::<Review>(&reviews, None)?;
    Ok(told.map(|reviews| reviews.iter().map(|review| review.status.allowed).collect()))
}

// === impl Question ===

impl<'a> Question<'a> {
    pub(super) fn path(account: &'a Object, path: &str) -> Self {
        let attributes = json!({"nonResourceAttributes": {"path": path, "verb": "get"}});
        Self { namespace: &account.namespace, account: &account.name, attributes }
    }

    /// `resource` may have a subresource behind a slash.
    pub(super) fn object(account: &'a Object, verb: Verb, resource: &str, at: &Object) -> Self {
        let Object { namespace, name } = at;
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let attributes = json!({"resourceAttributes": {
            "namespace": namespace, "verb": verb.as_str(), "resource": resource,
            "subresource": subresource, "name": name,
        }});
        Self { namespace: &account.namespace, account: &account.name, attributes }
    }

    /// Stars are asked for as RBAC writes them: what has a star is allowed by a star only.
    pub(super) fn permission(
        (namespace, account): (&'a str, &'a str),
        permission: &Permission,
        verb: Verb,
    ) -> Self {
        let attributes = match permission {
            Permission::Path(path) => {
                let path = match path {
                    PathTerm::Below(path) => format!("{path}/*"),
                    PathTerm::Exactly(path) => path.clone(),
                };
                json!({"nonResourceAttributes": {"path": path, "verb": verb.as_str()}})
            }
            Permission::Resource(ResourceTerm {
                scope,
                group,
                resource,
                subresource,
                name,
            }) => {
                json!({"resourceAttributes": {
                    "namespace": match scope {
                        Scope::AnyNamespace | Scope::Cluster => "",
                        Scope::Namespace(namespace) => namespace,
                    },
                    "verb": verb.as_str(),
                    "group": starred(group, "*"),
                    "resource": starred(resource, "*"),
                    "subresource": subresource,
                    "name": starred(name, ""),
                }})
            }
        };
        Self { namespace, account, attributes }
    }

    pub(super) fn everything((namespace, account): (&'a str, &'a str)) -> Self {
        let attributes =
            json!({"resourceAttributes": {"verb": "*", "group": "*", "resource": "*"}});
        Self { namespace, account, attributes }
    }

    fn review(&self) -> Value {
        let Self { namespace, account, attributes } = self;
        let mut spec = json!({
            "user": user(namespace, account),
            // Those that every token of the account has.
            "groups": [
                "system:serviceaccounts",
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated",
            ],
        });
        if let (Some(spec), Some(attributes)) = (spec.as_object_mut(), attributes.as_object()) {
            spec.extend(attributes.clone());
        }
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
    }
}

pub(super) fn user(namespace: &str, account: &str) -> String {
    format!("system:serviceaccount:{namespace}:{account}")
}

fn starred<'t>(term: &'t Term, star: &'t str) -> &'t str {
    match term {
        Term::Any => star,
        Term::Is(name) => name,
    }
}
