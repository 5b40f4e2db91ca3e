//! The filter in the Envoy of Envoy Gateway.

use keyhole_tests::stack::Stack;
use serde_json::json;

use crate::envoy_gateway::{EnvoyGateway, authority, secret};
use crate::manifests::Manifests;
use crate::program::free_ports;
use crate::registry::Registry;

/// What of the component is for a cluster only, or is there already.
const OF_CLUSTERS: [&str; 5] =
    ["Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap"];

/// Envoy Gateway, with the registry that it has the filter from.
pub fn start(stack: &Stack) -> (EnvoyGateway, Registry) {
    let registry = Registry::with_filter(stack);
    let (api, [port]) = (stack.apiserver_port().unwrap(), free_ports());
    let mut manifests =
        Manifests::of("envoy-gateway").without(&OF_CLUSTERS).with_apiserver(api);
    let tree = format!("{}/keyhole/", stack.state().display());
    manifests = manifests.replace("/etc/keyhole/", &tree);
    let endpoints = json!([{"ip": {"address": "127.0.0.1", "port": api}}]);
    manifests.set("Backend", "kube-apiserver", "/spec/endpoints", endpoints);
    manifests.set("Gateway", "keyhole", "/spec/listeners/0/port", json!(port));
    let url = format!("{}/keyhole/filter:0.1.0", registry.address);
    manifests.set("EnvoyExtensionPolicy", "keyhole", "/spec/wasm/0/code/image/url", json!(url));
    // Where Envoy finds Envoy Gateway to have the filter from it, and that one's CA: the
    // standalone mode gives it those of a cluster.
    let ca = stack.state().join("envoy-gateway/config/certs/envoy/ca.crt");
    for (what, field, value) in [
        ("$..endpoint.address.socket_address", "address", json!("127.0.0.1")),
        ("$.transport_socket..trusted_ca", "filename", json!(ca)),
    ] {
        manifests.push(
            "EnvoyPatchPolicy",
            "keyhole-tokens",
            "/spec/jsonPatches",
            json!({
                "type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                "name": "wasm_cluster",
                "operation": {"op": "replace", "jsonPath": what, "path": field, "value": value},
            }),
        );
    }
    let files = ["tls.crt", "tls.key"];
    manifests.add(secret("keyhole", "keyhole-tls", &stack.state().join("keyhole/tls"), &files));
    manifests.add(authority("kube-root-ca.crt", &stack.state().join("pki/cluster-ca.crt")));
    (EnvoyGateway::start(stack, manifests, port), registry)
}
