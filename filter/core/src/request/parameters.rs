//! The query parameters that each verb may carry, and how each one is spelled.
//!
//! From the options types of `k8s.io/apimachinery/pkg/apis/meta/v1` and
//! `PodLogOptions` of `k8s.io/api/core/v1`, v0.36.

use alloc::borrow::ToOwned;

use crate::request::query::QueryError;
use crate::request::verb::{Verb, VerbSet};

/// Where a parameter is legal.
enum Place {
    /// With one of these verbs on a resource.
    Verbs(VerbSet),
    /// With a `get` of the subresource `log`.
    Log,
    /// On a non-resource path.
    NonResource,
}

enum Kind {
    Boolean,
    Integer,
    Text,
}

struct Parameter {
    name: &'static str,
    kind: Kind,
    place: Place,
}

const READ_MANY: VerbSet = VerbSet::of(&[Verb::List, Verb::Watch, Verb::DeleteCollection]);
const WATCH: VerbSet = VerbSet::of(&[Verb::Watch]);
const DELETE: VerbSet = VerbSet::of(&[Verb::Delete, Verb::DeleteCollection]);
const WRITE: VerbSet = VerbSet::of(&[Verb::Create, Verb::Update, Verb::Patch]);
const CHANGE: VerbSet = WRITE.union(DELETE);
const PATCH: VerbSet = VerbSet::of(&[Verb::Patch]);
const READ: VerbSet = READ_MANY.with(Verb::Get);
const ALL: VerbSet = VerbSet::RESOURCE;

#[rustfmt::skip]
const PARAMETERS: &[Parameter] = &[
    // read
    resource("allowWatchBookmarks",  Kind::Boolean, WATCH),
    resource("continue",             Kind::Text,    READ_MANY),
    resource("fieldSelector",        Kind::Text,    READ_MANY),
    resource("labelSelector",        Kind::Text,    READ_MANY),
    resource("limit",                Kind::Integer, READ_MANY),
    resource("resourceVersion",      Kind::Text,    READ),
    resource("resourceVersionMatch", Kind::Text,    READ_MANY),
    resource("sendInitialEvents",    Kind::Boolean, WATCH),
    resource("timeoutSeconds",       Kind::Integer, READ_MANY),
    // write
    resource("dryRun",               Kind::Text,    CHANGE),
    resource("fieldManager",         Kind::Text,    WRITE),
    resource("fieldValidation",      Kind::Text,    WRITE),
    resource("force",                Kind::Boolean, PATCH),
    resource("gracePeriodSeconds",   Kind::Integer, DELETE),
    resource("orphanDependents",     Kind::Boolean, DELETE),
    resource("propagationPolicy",    Kind::Text,    DELETE),
    // both
    resource("pretty",               Kind::Text,    ALL),
    resource("timeout",              Kind::Text,    ALL),
    // pods/log
    log("container",                 Kind::Text),
    log("limitBytes",                Kind::Integer),
    log("previous",                  Kind::Boolean),
    log("sinceSeconds",              Kind::Integer),
    log("sinceTime",                 Kind::Text),
    log("tailLines",                 Kind::Integer),
    log("timestamps",                Kind::Boolean),
    // discovery, OpenAPI, health
    non_resource("exclude"),
    non_resource("hash"),
    non_resource("pretty"),
    non_resource("timeout"),
    non_resource("verbose"),
];

/// What decides which parameters a request may carry.
pub(crate) enum Carrier<'a> {
    NonResource,
    Resource { verb: Verb, subresource: &'a str },
}

/// Checks one decoded parameter and returns it in its canonical spelling.
pub(crate) fn canonical<'v>(
    carrier: &Carrier<'_>,
    name: &str,
    value: &'v str,
) -> Result<(&'static str, &'v str), QueryError> {
    if name == "follow" {
        return Err(QueryError::Follow);
    }
    let Some(parameter) = PARAMETERS.iter().find(|p| p.name == name && carrier.takes(&p.place))
    else {
        return Err(QueryError::Unknown { name: name.to_owned(), verb: carrier.verb() });
    };
    let invalid = |expected| QueryError::Invalid { name: parameter.name, expected };
    let value = match parameter.kind {
        Kind::Boolean => match value {
            "1" | "true" => "true",
            "0" | "false" => "false",
            _ => return Err(invalid("`true` or `false`")),
        },
        Kind::Integer => match value.parse::<i64>() {
            Ok(0..) if !value.starts_with('+') => value,
            _ => return Err(invalid("a whole number")),
        },
        Kind::Text => value,
    };
    Ok((parameter.name, value))
}

/// Whether a `watch` parameter asks for a watch.
///
/// Everything but `0` and `false` does, the empty string included
/// (`Convert_Slice_string_To_bool` in `apimachinery/pkg/runtime/conversion.go`).
pub(crate) fn asks_to_watch(value: &str) -> bool {
    value != "0" && !value.eq_ignore_ascii_case("false")
}

const fn resource(name: &'static str, kind: Kind, verbs: VerbSet) -> Parameter {
    Parameter { name, kind, place: Place::Verbs(verbs) }
}

const fn log(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, place: Place::Log }
}

const fn non_resource(name: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Text, place: Place::NonResource }
}

// === impl Carrier ===

impl Carrier<'_> {
    fn takes(&self, place: &Place) -> bool {
        match (self, place) {
            (Self::NonResource, Place::NonResource) => true,
            (Self::Resource { verb, .. }, Place::Verbs(verbs)) => verbs.contains(*verb),
            (Self::Resource { verb: Verb::Get, subresource: "log" }, Place::Log) => true,
            _ => false,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::NonResource => "get",
            Self::Resource { verb, .. } => verb.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn on(verb: Verb) -> Carrier<'static> {
        Carrier::Resource { verb, subresource: "" }
    }

    #[test]
    #[rustfmt::skip]
    fn each_verb_takes_its_own_parameters() {
        const LOG: Carrier<'_> = Carrier::Resource { verb: Verb::Get, subresource: "log" };
        for (carrier, name, value, expected) in [
            (on(Verb::List),      "limit",            "500",   Some("500")),
            (on(Verb::List),      "limit",            "abc",   None),
            (on(Verb::List),      "limit",            "-1",    None),
            (on(Verb::List),      "limit",            "+1",    None),
            (on(Verb::Get),       "limit",            "500",   None),
            (on(Verb::Get),       "watch",            "1",     None),
            (on(Verb::Create),    "dryRun",           "All",   Some("All")),
            (on(Verb::List),      "dryRun",           "All",   None),
            (on(Verb::Patch),     "force",            "1",     Some("true")),
            (on(Verb::Create),    "force",            "1",     None),
            (on(Verb::Delete),    "orphanDependents", "0",     Some("false")),
            (on(Verb::Delete),    "orphanDependents", "maybe", None),
            (on(Verb::Get),       "tailLines",        "10",    None),
            (on(Verb::Get),       "command",          "id",    None),
            (on(Verb::Get),       "access_token",     "x",     None),
            (on(Verb::Get),       "Pretty",           "true",  None),
            (LOG,                 "tailLines",        "10",    Some("10")),
            (LOG,                 "follow",           "true",  None),
            (Carrier::NonResource,"timeout",          "32s",   Some("32s")),
            (Carrier::NonResource,"limit",            "1",     None),
        ] {
            assert_eq!(canonical(&carrier, name, value).ok().map(|(_, v)| v), expected, "{name}={value}");
        }
    }

    #[test]
    fn every_spelling_but_zero_and_false_watches() {
        for value in ["", "1", "true", "no", "00", "off", "f"] {
            assert!(asks_to_watch(value), "{value}");
        }
        for value in ["0", "false", "FALSE", "False"] {
            assert!(!asks_to_watch(value), "{value}");
        }
    }
}
