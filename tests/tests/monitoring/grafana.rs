//! A dashboard as Grafana writes it, as far as ours has it: nothing else may be in it.

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "they must be there")]
pub(crate) struct Dashboard {
    pub(crate) title: String,
    uid: String,
    description: String,
    tags: Vec<String>,
    schema_version: u32,
    version: u32,
    editable: bool,
    timezone: String,
    refresh: String,
    time: Value,
    pub(crate) templating: List<Variable>,
    pub(crate) annotations: List<Annotation>,
    pub(crate) panels: Vec<Panel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List<T> {
    pub(crate) list: Vec<T>,
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "they must be there")]
pub(crate) enum Variable {
    Datasource {
        name: String,
        label: String,
        query: String,
        current: Value,
    },
    #[serde(rename_all = "camelCase")]
    Query {
        name: String,
        label: String,
        datasource: Datasource,
        query: VariableQuery,
        definition: String,
        include_all: bool,
        multi: bool,
        all_value: String,
        current: Value,
        refresh: u8,
        sort: u8,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "they must be there")]
pub(crate) struct VariableQuery {
    pub(crate) query: String,
    ref_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "they must be there")]
pub(crate) struct Annotation {
    name: String,
    enable: bool,
    icon_color: String,
    datasource: Datasource,
    pub(crate) expr: String,
    title_format: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "they must be there")]
pub(crate) struct Panel {
    pub(crate) id: u32,
    #[serde(rename = "type")]
    kind: Kind,
    pub(crate) title: String,
    description: String,
    datasource: Datasource,
    pub(crate) grid_pos: Place,
    field_config: FieldConfig,
    options: Value,
    pub(crate) targets: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Stat,
    Timeseries,
}

/// A variable, so that whoever imports it chooses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "they must be there")]
pub(crate) struct Datasource {
    #[serde(rename = "type")]
    kind: DatasourceKind,
    uid: DatasourceVariable,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum DatasourceKind {
    Prometheus,
}

#[derive(Deserialize)]
enum DatasourceVariable {
    #[serde(rename = "${datasource}")]
    Variable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) w: u32,
    pub(crate) h: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "they must be there")]
struct FieldConfig {
    defaults: Defaults,
    overrides: [Value; 0],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "they must be there")]
struct Defaults {
    unit: Unit,
    min: Option<f64>,
    color: Option<Value>,
    thresholds: Option<Value>,
}

/// Of `@grafana/data`, those in use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Unit {
    Bytes,
    Cpm,
    DateTimeFromNow,
    Ms,
    Percent,
    Reqps,
    S,
    Short,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "they must be there")]
pub(crate) struct Target {
    ref_id: String,
    datasource: Datasource,
    pub(crate) expr: String,
    legend_format: String,
    range: bool,
    instant: bool,
}
