//! Envoy Gateway in front of the plain gateway: `k8s/components/gateway-api`.

use keyhole_tests::stack::Stack;
use serde_json::json;

use crate::envoy_gateway::{EnvoyGateway, authority, secret};
use crate::manifests::Manifests;
use crate::program::free_ports;

/// What Envoy Gateway reads of the overlay.
const OF_CLUSTERS: [&str; 9] = [
    "Namespace",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Service",
    "Deployment",
    "PodDisruptionBudget",
    "NetworkPolicy",
];

pub fn start(stack: &Stack) -> EnvoyGateway {
    let [port] = free_ports();
    let mut manifests = Manifests::of("gateway-api").without(&OF_CLUSTERS);
    // The certificates of this machine's stack have this name.
    let here = json!("localhost");
    manifests.set("Gateway", "keyhole", "/spec/listeners/0/hostname", here.clone());
    manifests.set("Gateway", "keyhole", "/spec/listeners/0/port", json!(port));
    manifests.set("HTTPRoute", "keyhole", "/spec/hostnames/0", here.clone());
    manifests.set("BackendTLSPolicy", "keyhole", "/spec/validation/hostname", here);
    manifests.add(authority("keyhole-ca", stack.var("KEYHOLE_CA").as_ref()));
    let tls = stack.state().join("keyhole/tls");
    manifests.add(secret("keyhole", "keyhole-ingress-tls", &tls, &["tls.crt", "tls.key"]));

    // The standalone mode knows no Services: a Backend with the same address stands for it.
    let (_, gateway) = stack.var("KEYHOLE_URL").rsplit_once(':').unwrap();
    let service =
        json!({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "keyhole"});
    manifests.set("HTTPRoute", "keyhole", "/spec/rules/0/backendRefs/0", service.clone());
    manifests.set("BackendTLSPolicy", "keyhole", "/spec/targetRefs/0", service);
    let there = gateway.parse::<u16>().unwrap();
    manifests.add(json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "Backend",
        "metadata": {"name": "keyhole", "namespace": "keyhole"},
        "spec": {"endpoints": [{"ip": {"address": "127.0.0.1", "port": there}}]},
    }));
    // What a platform has of its own.
    let proxy = ("gateway.envoyproxy.io", "EnvoyProxy", "keyhole");
    manifests.add(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "keyhole"},
        "spec": {
            "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
            "parametersRef": {"group": proxy.0, "kind": proxy.1, "name": proxy.2, "namespace": "keyhole"},
        },
    }));
    manifests.add(json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": proxy.1,
        "metadata": {"name": proxy.2, "namespace": "keyhole"},
        "spec": {"provider": {}, "bootstrap": {"type": "JSONPatch", "jsonPatches": []}},
    }));
    EnvoyGateway::start(stack, manifests, port)
}
