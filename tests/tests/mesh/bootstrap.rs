//! envoy/bootstrap.yaml, held against what a mesh makes of it.

use std::fs;

use keyhole_tests::stack::root;
use serde_json::{Value, json};

/// What a mesh has its own words for, or no need of.
const OF_THE_MESH: [&str; 6] = [
    "@type",
    "stat_prefix",
    "route_config",
    "http_filters",
    // How many proxies stand in front, and whether to believe them.
    "use_remote_address",
    "xff_num_trusted_hops",
];

fn bootstrap() -> Value {
    let text = fs::read_to_string(root().join("envoy/bootstrap.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// A connection manager that Envoy runs has every field of the bootstrap's, with the same
/// value.
pub fn must_be_the_same_connection_manager(running: &Value) {
    let bootstrap = bootstrap();
    let pointer = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let expected = bootstrap.pointer(pointer).unwrap().as_object().unwrap();
    for (field, value) in expected {
        if OF_THE_MESH.contains(&field.as_str()) {
            continue;
        }
        assert!(contains(&running[field], value), "{field}: {} {value}", running[field]);
    }
}

/// These clusters, which the filter calls by name, are the bootstrap's.
pub fn must_be_the_same_clusters(clusters: &[Value]) {
    let bootstrap = bootstrap();
    let expected = bootstrap["static_resources"]["clusters"].as_array().unwrap();
    let names: Vec<_> = clusters.iter().map(|cluster| &cluster["name"]).collect();
    assert_eq!(names, [&json!("kube-apiserver-again"), &json!("kube-apiserver-gateway")]);
    for cluster in clusters {
        let same = expected.iter().find(|expected| expected["name"] == cluster["name"]);
        assert!(contains(cluster, same.unwrap()), "{cluster}");
    }
}

/// Has all of this; in objects, a mesh may say more, and Envoy does not say what is so by
/// default.
fn contains(running: &Value, expected: &Value) -> bool {
    match (running, expected) {
        (Value::Null, value) => [json!(false), json!("EQ")].contains(value),
        (Value::Object(_), Value::Object(expected)) => {
            expected.iter().all(|(field, value)| contains(&running[field], value))
        }
        (Value::Array(running), Value::Array(expected)) => {
            running.len() == expected.len()
                && running.iter().zip(expected).all(|(running, value)| contains(running, value))
        }
        _ => running == expected,
    }
}
