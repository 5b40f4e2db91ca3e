//! The JSON Schema of the policy document, for editors.
//!
//! Shape and descriptions come from the written types, limits from the table here.
//! What a schema cannot say, such as that a client's roles exist, only
//! [`super::load_policy`] finds.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::compile::{DEFAULT_EXPIRATION_SECONDS, EXPIRATION_SECONDS, TOKEN_WAIT_SECONDS};
use super::issuer::{LONGEST, MOST_CLAIMS};
use super::limits::{BODY_BYTES, IN_FLIGHT, REQUESTS};
use super::written::{List, Policy, Tolerant};
use crate::policy::Gateway;
use crate::request::verb::{Verb, VerbSet};

/// As in [`super::syntax`].
const LABEL: &str = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
const SEGMENT: &str = "[A-Za-z0-9._:-]{1,253}";
const HOUR: &str = "([01][0-9]|2[0-3]):[0-5][0-9]";

/// The schema of a policy document, in the draft that editors know best.
pub fn policy_schema() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<Policy>().to_value();
    without_null(&mut schema);
    for (definition, field, limits) in limits() {
        let property = format!("/definitions/{definition}/properties/{field}");
        if let Some(property) = schema.pointer_mut(&property) {
            merge(property, limits);
        }
    }
    for (definition, kinds) in [
        ("Client", json!({ "anyOf": [{ "required": ["keys"] }, { "required": ["tokens"] }] })),
        ("Rule", json!({ "oneOf": kinds_of_rule() })),
        ("Token", kinds_of_token()),
    ] {
        if let Some(schema) = schema.pointer_mut(&format!("/definitions/{definition}")) {
            merge(schema, kinds);
        }
    }
    schema
}

/// What the compile step asks of a field, beside its type.
#[rustfmt::skip]
fn limits() -> impl Iterator<Item = (&'static str, &'static str, Value)> {
    let Gateway { token_wait, .. } = Gateway::default();
    let subdomain = format!("{LABEL}(\\.{LABEL})*");
    [
        ("Gateway",        "tokenVerification", json!({ "default": "signature" })),
        ("Gateway",        "tokenWaitSeconds",  seconds(&TOKEN_WAIT_SECONDS, token_wait.as_secs())),
        ("Gateway",        "warmUp",            json!({ "default": false })),
        ("Client",         "name",              pattern(&subdomain)),
        ("Client",         "keys",              json!({ "minItems": 1 })),
        ("Client",         "tokens",            json!({ "minItems": 1 })),
        ("Client",         "sourceRanges",      words("[0-9a-f.:]+/[0-9]{1,3}")),
        ("Client",         "enforcement",       json!({ "default": "enforce" })),
        ("Client",         "roles",             json!({ "uniqueItems": true })),
        ("Key",            "sha256",            pattern("[0-9a-f]{64}")),
        ("Key",            "notBefore",         json!({ "format": "date-time" })),
        ("Key",            "notAfter",          json!({ "format": "date-time" })),
        ("Key",            "hours",             pattern(&format!("{HOUR}-{HOUR}"))),
        ("Limits",         "requestsPerSecond", range(&REQUESTS)),
        ("Limits",         "burst",             range(&REQUESTS)),
        ("Limits",         "requestsInFlight",  range(&IN_FLIGHT)),
        ("Limits",         "bodyBytes",         range(&BODY_BYTES)),
        ("ServiceAccount", "namespace",         pattern(LABEL)),
        ("ServiceAccount", "name",              pattern(&subdomain)),
        ("ServiceAccount", "expirationSeconds", seconds(&EXPIRATION_SECONDS, DEFAULT_EXPIRATION_SECONDS)),
        ("ServiceAccount", "audiences",         json!({ "uniqueItems": true, "items": { "minLength": 1 } })),
        ("Token",          "issuer",            json!({ "pattern": "^https://[!-~]+$", "maxLength": LONGEST })),
        ("Token",          "audience",          plain()),
        ("Token",          "subject",           json!({ "minLength": 1 })),
        ("Token",          "claims",            json!({ "minProperties": 1, "maxProperties": MOST_CLAIMS, "additionalProperties": { "minLength": 1 } })),
        ("Token",          "jwksUri",           json!({ "pattern": "^https://[A-Za-z0-9.:-]+/[!-\"$-~]*$", "maxLength": LONGEST })),
        ("Token",          "cluster",           plain()),
        ("Role",           "name",              pattern(LABEL)),
        ("Role",           "rules",             json!({ "minItems": 1 })),
        ("Rule",           "namespaces",        words(&format!("\\*|{LABEL}"))),
        ("Rule",           "clusterScope",      json!({ "const": true })),
        ("Rule",           "apiGroups",         words(&format!("\\*|({subdomain})?"))),
        ("Rule",           "resources",         words(&format!("\\*|{LABEL}(/{LABEL})?"))),
        ("Rule",           "resourceNames",     words(SEGMENT)),
        ("Rule",           "nonResourceURLs",   words(&format!("/|(/{SEGMENT})*/\\*|(/{SEGMENT})+"))),
        ("Rule",           "enforcement",       json!({ "default": "enforce" })),
        ("Rule",           "verbs",             json!({ "minItems": 1, "uniqueItems": true })),
    ]
    .into_iter()
}

/// A rule says in one of three ways where it holds; that decides what else it has.
fn kinds_of_rule() -> Value {
    let verbs = |legal: VerbSet| {
        let words: Vec<&str> = legal.iter().map(Verb::as_str).chain(["*"]).collect();
        json!({ "items": { "enum": words } })
    };
    let resource = verbs(VerbSet::RESOURCE);
    json!([
        {
            "required": ["namespaces", "apiGroups", "resources", "verbs"],
            "properties": { "verbs": resource, "clusterScope": false, "nonResourceURLs": false },
        },
        {
            "required": ["clusterScope", "apiGroups", "resources", "verbs"],
            "properties": { "verbs": resource, "namespaces": false, "nonResourceURLs": false },
        },
        {
            "required": ["nonResourceURLs", "verbs"],
            "properties": {
                "verbs": verbs(VerbSet::NON_RESOURCE),
                "namespaces": false,
                "clusterScope": false,
                "apiGroups": false,
                "resources": false,
                "resourceNames": false,
            },
        },
    ])
}

/// A token says in one of two ways whose it is, and its keys come from one place.
fn kinds_of_token() -> Value {
    json!({
        "oneOf": [
            { "required": ["subject"], "properties": { "claims": false } },
            { "required": ["claims"], "properties": { "subject": false } },
        ],
        "dependencies": {
            "jwks": { "properties": { "jwksUri": false, "cluster": false } },
            "jwksUri": ["cluster"],
            "cluster": ["jwksUri"],
        },
    })
}

fn plain() -> Value {
    json!({ "pattern": "^[!-~]+$", "maxLength": LONGEST })
}

fn seconds(range: &RangeInclusive<u64>, default: u64) -> Value {
    json!({ "minimum": range.start(), "maximum": range.end(), "default": default })
}

fn range(range: &RangeInclusive<u64>) -> Value {
    json!({ "minimum": range.start(), "maximum": range.end() })
}

fn pattern(regex: &str) -> Value {
    json!({ "pattern": format!("^({regex})$") })
}

fn words(regex: &str) -> Value {
    json!({ "minItems": 1, "uniqueItems": true, "items": pattern(regex) })
}

/// An optional field may be left out; one that is there has a value.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(fields) => {
            if let Some(Value::Array(any_of)) = fields.get_mut("anyOf") {
                any_of.retain(|schema| *schema != json!({ "type": "null" }));
            }
            if let Some(kind) = fields.get_mut("type")
                && let Some([one, Value::String(null)]) = kind.as_array().map(Vec::as_slice)
                && null == "null"
            {
                *kind = one.clone();
            }
            fields.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

fn merge(schema: &mut Value, more: Value) {
    match (schema, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, value) in more {
                merge(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (schema, more) => *schema = more,
    }
}

// === impl List ===

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        Vec::<T>::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Vec::<T>::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}

// === impl Tolerant ===

impl<T: JsonSchema> JsonSchema for Tolerant<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_for_a_field_that_there_is() {
        let schema = policy_schema();
        for (definition, field, _) in limits() {
            let description =
                format!("/definitions/{definition}/properties/{field}/description");
            assert!(schema.pointer(&description).is_some(), "{description}");
        }
    }
}
