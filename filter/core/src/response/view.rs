//! Other forms of a document, for who reads it by `OPENJSON`.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::refusal::Refusal;
use crate::request::Request;
use crate::request::attributes::Attributes;
use crate::request::head::Head;
use crate::request::verb::Verb;

/// What a client wants to read, by the header `x-keyhole-view` or the query's `view`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum View {
    /// Without `managedFields`, and without the annotation of `kubectl apply`.
    Compact,
    /// As the apiserver says it.
    Full,
    /// Flat rows, with the apiserver's own columns.
    Table,
}

/// How the apiserver is asked for a table.
pub(crate) const ACCEPT_TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// About as many as 4 MiB of pods have. A VM never gives back what more would take.
const MOST_VALUES: usize = 400_000;
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// `metav1.Table`, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table<'a> {
    kind: Cow<'a, str>,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    column_definitions: Vec<Column<'a>>,
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Column<'a> {
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
    object: Option<Object>,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    namespace: Option<String>,
    creation_timestamp: Option<String>,
    uid: Option<String>,
}

// === impl View ===

impl View {
    /// Only what is read has a view; elsewhere the word has no effect.
    pub(crate) fn of(head: &Head<'_>, request: &Request<'_>) -> Result<Self, Refusal> {
        let Attributes::Resource(asked) = &request.attributes else { return Ok(Self::Full) };
        if !matches!(asked.verb, Verb::Get | Verb::List) || asked.subresource == "log" {
            return Ok(Self::Full);
        }
        match head.view.or(request.own("view").map(str::as_bytes)) {
            // What is read as one object may be written back.
            None => Ok(if asked.verb == Verb::List { Self::Compact } else { Self::Full }),
            Some(b"compact") => Ok(Self::Compact),
            Some(b"full") => Ok(Self::Full),
            Some(b"table") => Ok(Self::Table),
            Some(_) => Err(Refusal::UnknownView),
        }
    }
}

pub(crate) fn strip(object: &mut Value) {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return };
    metadata.remove("managedFields");
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.remove(LAST_APPLIED);
    }
}

/// Flat rows of a `metav1.Table`; `None` if the document is none, or too large.
pub(crate) fn table(document: &[u8]) -> Option<Vec<u8>> {
    let values = document.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > MOST_VALUES {
        return None;
    }
    let Table { kind, metadata, column_definitions, rows } =
        serde_json::from_slice(document).ok()?;
    if kind != "Table" {
        return None;
    }
    let names: Vec<String> =
        column_definitions.iter().map(|column| camel_case(&column.name)).collect();
    let rows: Vec<Value> = rows.into_iter().map(|row| flat(&names, row)).collect();
    let view = json!({
        "apiVersion": "keyhole/v1", "kind": "TableView", "metadata": metadata, "rows": rows,
    });
    let mut view = serde_json::to_vec(&view).ok()?;
    view.push(b'\n');
    Some(view)
}

fn flat(names: &[String], row: Row) -> Value {
    let Metadata { namespace, creation_timestamp, uid } =
        row.object.map(|object| object.metadata).unwrap_or_default();
    let mut fields = Map::new();
    for (name, value) in
        [("namespace", namespace), ("creationTimestamp", creation_timestamp), ("uid", uid)]
    {
        fields.insert(name.to_owned(), value.map_or(Value::Null, Value::String));
    }
    // A column of the table comes before what is taken from the object.
    fields.extend(names.iter().cloned().zip(row.cells));
    Value::Object(fields)
}

/// "Nominated Node" and "Up-to-date" as `nominatedNode` and `upToDate`.
fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let name = name.replace("(s)", "s");
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
    {
        let is_first = out.is_empty();
        let mut chars = word.chars();
        if let Some(first) = chars.next() {
            out.push(match is_first {
                true => first.to_ascii_lowercase(),
                false => first.to_ascii_uppercase(),
            });
        }
        let is_acronym = word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
        match is_first && is_acronym {
            true => out.extend(chars.map(|c| c.to_ascii_lowercase())),
            false => out.push_str(chars.as_str()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn columns_are_named_as_json_names_fields() {
        for (name, expected) in [
            ("Name", "name"), ("IP", "ip"), ("Nominated Node", "nominatedNode"),
            ("Up-to-date", "upToDate"), ("Internal-IP", "internalIP"), ("CLUSTER-IP", "clusterIP"),
            ("Port(s)", "ports"), ("Kernel-Version", "kernelVersion"), ("", ""),
        ] {
            assert_eq!(camel_case(name), expected);
        }
    }

    #[test]
    fn a_table_becomes_flat_rows() {
        let text = br#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7","continue":"c"},
            "columnDefinitions":[{"name":"Name","type":"string"},{"name":"Restarts","type":"integer"},{"name":"Nominated Node"}],
            "rows":[{"cells":["web-0",3,"<none>"],"object":{"kind":"PartialObjectMetadata","metadata":{"namespace":"shop","uid":"u","managedFields":[{}]}}},
                    {"cells":["web-1",0,null]}]}"#;
        let shown: Value = serde_json::from_slice(&table(text).unwrap()).unwrap();
        assert_eq!(
            shown,
            json!({
                "apiVersion": "keyhole/v1", "kind": "TableView",
                "metadata": {"resourceVersion": "7", "continue": "c"},
                "rows": [
                    {"namespace": "shop", "creationTimestamp": null, "uid": "u", "name": "web-0", "restarts": 3, "nominatedNode": "<none>"},
                    {"namespace": null, "creationTimestamp": null, "uid": null, "name": "web-1", "restarts": 0, "nominatedNode": null},
                ],
            })
        );
        assert_eq!(table(br#"{"kind":"PodList"}"#), None);
    }
}
