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
    must_run_as_meant(&istio.admin);
}

#[test]
#[ignore = "needs scripts/setup-mesh"]
fn the_envoy_of_envoy_gateway_answers_as_the_plain_one_does() {
    let stack = Stack::own("envoy-gateway", &["--live"]).unwrap();
    let (gateway, _registry) = hosted::start(&stack);
    let client = gateway.client(&stack);
    requests::must_be_answered_as_by_the_plain_gateway(&stack, &client);
    must_run_as_meant(&gateway.admin);
}

#[test]
#[ignore = "needs scripts/setup-mesh"]
fn envoy_gateway_passes_on_to_the_plain_gateway() {
    let stack = Stack::own("gateway-api", &["--live", "--trusted-hops", "1"]).unwrap();
    let ingress = ingress::start(&stack);
    requests::plain_ones_must_pass(&stack, &ingress.client(&stack));
}

/// What Envoy was told: nothing that it refused; the connection manager and the clusters of
/// the bootstrap; the filter before whatever else looks at a body, and closed when it fails.
fn must_run_as_meant(admin: &Admin) {
    assert_eq!(admin.refused(), [] as [Value; 0]);
    let manager = admin.connection_manager();
    bootstrap::must_be_the_same_connection_manager(&manager);
    let clusters = ["kube-apiserver-again", "kube-apiserver-gateway"];
    bootstrap::must_be_the_same_clusters(&clusters.map(|name| admin.cluster(name)));
    println!("{}", manager["http_filters"]);
}
