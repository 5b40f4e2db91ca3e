//! Keyhole in Istio and in Envoy Gateway: the real istiod, agent and Envoy Gateway make the
//! configuration, from the manifests in k8s/components, and the plain Envoy of `.tools` runs
//! it. Their programs are not there before `scripts/setup-mesh`, so these tests are run by
//! `cargo test -p keyhole-tests --test mesh -- --include-ignored`.

mod admin;
mod bootstrap;
mod envoy_gateway;
mod hosted;
mod ingress;
mod istio;
mod manifests;
mod program;
mod registry;
mod requests;

use keyhole_tests::page::{blocks, page};
use keyhole_tests::stack::Stack;
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::istio::{Istio, istioctl};
use crate::manifests::Manifests;

/// What istiod makes of the WasmPlugin.
const ISTIOS_FILTER: &str =
    "extensions.istio.io/trafficextension/keyhole.keyhole~istio-translated-wasmplugin";

/// Whatever it warns of is wrong, but that there are EnvoyFilters at all.
const ANALYZE: [&str; 6] = [
    "analyze",
    "--all-namespaces",
    "--failure-threshold",
    "Warning",
    "--suppress",
    "IST0133=EnvoyFilter keyhole/*",
];

#[test]
fn both_meshes_take_over_what_the_bootstrap_says() {
    for mesh in ["istio", "envoy-gateway"] {
        let manifests = Manifests::of(mesh);
        bootstrap::must_be_the_same_clusters(&manifests.clusters());
    }
}

/// The others are run with the real control planes, or by tests/tests/manifests.rs.
#[test]
fn the_page_says_what_is_run() {
    let page = page("docs/meshes.md");
    let commands = blocks(&page, "console");
    assert_eq!(commands.len(), 3);
    assert_eq!(commands[1], "$ kubectl apply -k k8s/overlays/istio");
    assert_eq!(commands[2], "$ kubectl apply -k k8s/overlays/envoy-gateway");
    assert!(istio::MESH.starts_with("pathNormalization: {normalization: NONE}\n"));
    assert!(page.contains("`pathNormalization: {normalization: NONE}`"));
}

#[test]
#[ignore = "needs scripts/setup-mesh"]
fn istioctl_finds_nothing_wrong_with_the_manifests() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let written = Manifests::of("istio").write(&format!("{folder}/istio.yaml"));
    // A word that it does not know, and a name that leads nowhere.
    let broken = |name: &str, kind: &str, field: &str| {
        let mut manifests = Manifests::of("istio");
        manifests.set(kind, "keyhole", field, json!("none"));
        manifests.write(&format!("{folder}/istio-{name}.yaml"))
    };
    let unknown = broken("unknown", "Gateway", "/spec/servers/0/tls/mode");
    let nowhere =
        broken("nowhere", "VirtualService", "/spec/http/0/route/0/destination/subset");
    for (arguments, file, expected) in [
        (&["validate", "-f"][..], &written, true),
        (&["validate", "-f"], &unknown, false),
        (&[&ANALYZE[..], &["--use-kube=false"]].concat(), &written, true),
        (&[&ANALYZE[..], &["--use-kube=false"]].concat(), &nowhere, false),
    ] {
        let output = istioctl(&[arguments, &[file]].concat());
        assert_eq!(output.status.success(), expected, "{arguments:?} {file}: {output:?}");
    }
}

#[test]
#[ignore = "needs scripts/setup-mesh"]
fn a_gateway_of_istio_answers_as_the_plain_one_does() {
    let stack = Stack::own("istio", &["--live"]).unwrap();
    let mut istio = Istio::start(&stack);
    let client = istio.client(&stack);
    istio
        .agent
        .until("the gateway", || client.get("/keyhole/readyz").is_ok_and(|r| r.status == 200));
    requests::must_be_answered_as_by_the_plain_gateway(&stack, &client);
    must_run_as_meant(
        &istio.admin,
        &[
            ISTIOS_FILTER,
            "envoy.filters.http.grpc_stats",
            "envoy.filters.http.fault",
            "envoy.filters.http.cors",
            "envoy.filters.http.buffer",
            "envoy.filters.http.router",
        ],
    );
    must_be_loaded_as_meant(
        &istio.admin.dump("ecds_filters")[0]["ecds_filter"]["typed_config"]["config"],
    );
    // There is no webhook here that puts Istio's proxy into pods.
    let live = [
        "--kubeconfig",
        stack.var("KUBECONFIG"),
        "--suppress",
        "IST0146=Deployment keyhole/*",
        "--suppress",
        "IST0147=Pod keyhole/*",
    ];
    let analyzed = istioctl(&[&ANALYZE[..], &live].concat());
    assert!(analyzed.status.success(), "{analyzed:?}");

    // A filter that cannot be fetched lets nobody in.
    let patch = r#"{"spec": {"url": "oci://127.0.0.1:1/none:0.1.0"}}"#;
    let plugin = ["patch", "wasmplugin", "keyhole", "-n", "keyhole"];
    stack.kubectl(&[&plugin[..], &["--type", "merge", "-p", patch]].concat()).unwrap();
    let client = client.with_key(stack.var("KEYHOLE_KEY"));
    istio.agent.until("nobody gets in", || {
        let refused = client.get("/version").unwrap();
        assert!([200, 403].contains(&refused.status), "{refused:?}");
        refused.status == 403 && refused.field("/message").contains("no valid policy is loaded")
    });
}

#[test]
#[ignore = "needs scripts/setup-mesh"]
fn the_envoy_of_envoy_gateway_answers_as_the_plain_one_does() {
    let stack = Stack::own("envoy-gateway", &["--live"]).unwrap();
    let (gateway, _registry) = hosted::start(&stack);
    let client = gateway.client(&stack);
    requests::must_be_answered_as_by_the_plain_gateway(&stack, &client);
    must_run_as_meant(
        &gateway.admin,
        &[
            "envoy.filters.http.wasm//keyhole/keyhole/wasm/0",
            "envoy.filters.http.buffer",
            "envoy.filters.http.router",
        ],
    );
    let manager = gateway.admin.connection_manager();
    let plugin = &manager["http_filters"][0]["typed_config"]["config"];
    must_be_loaded_as_meant(plugin);
    assert_ne!(plugin["vm_config"]["vm_id"], Value::Null);
}

#[test]
#[ignore = "needs scripts/setup-mesh"]
fn envoy_gateway_passes_on_to_the_plain_gateway() {
    let stack = Stack::own("gateway-api", &["--live", "--trusted-hops", "1"]).unwrap();
    let ingress = ingress::start(&stack);
    requests::plain_ones_must_pass(&stack, &ingress.client(&stack));
}

/// What Envoy was told: nothing that it refused; the bootstrap's connection manager; these
/// filters, Keyhole's first; no way past them to the gateway's own token; and no request sent
/// again that may have been executed.
fn must_run_as_meant(admin: &Admin, filters: &[&str]) {
    assert_eq!(admin.refused(), [] as [Value; 0]);
    let manager = admin.connection_manager();
    bootstrap::must_be_the_same_connection_manager(&manager);
    let names = manager["http_filters"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|filter| filter["name"].as_str().unwrap()).collect();
    assert_eq!(names, filters);

    let clusters = admin.dump("dynamic_active_clusters");
    let injecting = clusters.iter().map(|cluster| &cluster["cluster"]);
    let injecting = injecting.filter(|cluster| cluster.to_string().contains("injector"));
    let injecting: Vec<_> = injecting.map(|cluster| &cluster["name"]).collect();
    assert_eq!(injecting, ["kube-apiserver-gateway"]);
    let configurations = admin.dump("dynamic_route_configs");
    let routes = configurations[0].pointer("/route_config/virtual_hosts/0/routes").unwrap();
    assert_eq!(routes.as_array().unwrap().len(), 3, "{routes}");
    for route in routes.as_array().unwrap().iter().map(|route| &route["route"]) {
        assert_ne!(route["cluster"], "kube-apiserver-gateway");
        assert_eq!(route["host_rewrite_literal"], "kubernetes.default.svc");
        assert_eq!(route["retry_policy"]["retry_on"], "refused-stream");
    }
}

/// How a mesh loads the filter.
fn must_be_loaded_as_meant(plugin: &Value) {
    assert_eq!(plugin["failure_policy"], "FAIL_RELOAD");
    assert_eq!(plugin["root_id"], "keyhole");
    let source = json!({"configMap": {"namespace": "keyhole", "name": "keyhole-policy"}});
    let configuration = plugin["configuration"]["value"].as_str().unwrap();
    let configuration: Value = serde_json::from_str(configuration).unwrap();
    assert_eq!(configuration, json!({"policySource": source}));
}
