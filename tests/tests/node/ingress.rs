//! Envoy Gateway in front, in pods: installed by its own Helm chart, and told of the gateway by
//! `k8s/overlays/gateway-api`. `scripts/test --meshes` runs this; by hand:
//!
//! ```text
//! scripts/setup-mesh
//! scripts/cluster exec cargo test -p keyhole-tests --test node ingress:: -- --ignored --nocapture --test-threads 1
//! ```

use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;
use std::{env, fs};

use keyhole_tests::page::{blocks, page};
use keyhole_tests::stack::root;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Pod, eventually, gateway, script};
use crate::{pods, story};

/// The Service of Envoy Gateway's Envoy: `tests/node/ingress.yaml`.
const HOST: &str = "ingress.envoy-gateway-system.svc";
const ENVOYS: [&str; 4] =
    ["-n", "envoy-gateway-system", "-l", "app.kubernetes.io/component=proxy"];

/// What docs/deploying.md has around its commands for a Gateway, which stand at `# page`.
const SCRIPT: &str = r#"
rm -rf k8s envoy && cp -r "$ROOT/k8s" "$ROOT/envoy" .
"$ROOT/scripts/certs" --name "$HOST" --out certs
kubectl delete --ignore-not-found -n keyhole secret/keyhole-ingress-tls configmap/keyhole-ca
mkdir k8s/overlays/mine
printf '%s' "$MINE" >k8s/overlays/mine/kustomization.yaml
# page
"#;

/// The gateway that all tests share, as clients find it behind Envoy Gateway.
fn ingress() -> MutexGuard<'static, Gateway> {
    static INGRESS: OnceLock<Mutex<Gateway>> = OnceLock::new();
    let ingress = INGRESS.get_or_init(|| Mutex::new(deploy(&gateway())));
    ingress.lock().unwrap_or_else(PoisonError::into_inner)
}

fn deploy(direct: &Gateway) -> Gateway {
    let start = Instant::now();
    run(&mut Command::new(root().join("tests/node/ingress")));
    println!("Envoy Gateway's controller was ready after {:.1?}", start.elapsed());

    let gateway = direct.called_by(HOST);
    let page = blocks(&page("docs/deploying.md"), "console");
    let of_gateway = ["keyhole-ingress-tls", "xff_num_trusted_hops"]
        .map(|word| page.iter().find(|block| block.contains(word)).unwrap().as_str());
    let commands = of_gateway.join("\n").replace("$ ", "");
    let path =
        format!("{}:{}", root().join(".tools/kube").display(), env::var("PATH").unwrap());
    // The certificates of both are of one authority.
    let certs = gateway.state().join("certs");
    let _ = symlink(direct.state().join("pki"), certs);
    let start = Instant::now();
    run(Command::new("bash")
        .args(["-euxc", &SCRIPT.replace("# page", &commands)])
        .current_dir(gateway.state())
        .env("PATH", path)
        .env("ROOT", root())
        .env("HOST", HOST)
        .env("MINE", mine()));
    // The base brings a policy, too: one that allows nothing.
    gateway.apply(&gateway.policy);
    gateway.is_rolled_out();
    gateway.everybody_is_served();
    println!("behind it, everybody was served {:.1?} after kubectl apply", start.elapsed());
    gateway
}

/// The overlay, with the patches that stand in it as a comment, and a list of ConfigMaps.
fn mine() -> String {
    let overlay = root().join("k8s/overlays/gateway-api/kustomization.yaml");
    let overlay = fs::read_to_string(overlay).unwrap();
    let (overlay, patches) = overlay.split_once("#patches:").unwrap();
    let patches = patches.replace("\n#", "\n").replace("k8s.example.com", HOST);
    format!("{overlay}patches:{patches}configMapGenerator:\n")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn envoy_gateway_accepts_all_that_it_is_told() {
    let gateway = ingress();
    let programmed = ["wait", "--for=condition=Programmed", "gateway/keyhole", "-n", "keyhole"];
    gateway.kubectl(&programmed).unwrap();
    for (object, expected) in [
        ("gatewayclass/eg", &["Accepted"][..]),
        (
            "gateway/keyhole",
            // Its own, and its listener's.
            &["Accepted", "Accepted", "Programmed", "Programmed", "ResolvedRefs"],
        ),
        ("httproute/keyhole", &["Accepted", "ResolvedRefs"]),
        ("backendtlspolicy/keyhole", &["Accepted", "ResolvedRefs"]),
    ] {
        let found = gateway.kubectl(&["get", object, "-n", "keyhole", "-o", "json"]).unwrap();
        let found: Value = serde_json::from_str(&found).unwrap();
        let mut conditions = Vec::new();
        collect(&found["status"], &mut conditions);
        let mut types: Vec<_> =
            conditions.iter().map(|c| c["type"].as_str().unwrap()).collect();
        types.sort_unstable();
        assert_eq!(types, expected, "{found}");
        for condition in conditions {
            assert_eq!(condition["status"], "True", "{object}: {condition}");
            let of = &condition["observedGeneration"];
            assert_eq!(of, &found["metadata"]["generation"], "{object}: {condition}");
        }
    }
}

/// All conditions, wherever they stand.
fn collect<'v>(status: &'v Value, into: &mut Vec<&'v Value>) {
    match status {
        Value::Object(fields) => {
            into.extend(
                fields.get("conditions").and_then(Value::as_array).into_iter().flatten(),
            );
            fields.values().for_each(|field| collect(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn the_articles_story_goes_as_told_behind_envoy_gateway() {
    story::must_go_as_told(&ingress());
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn a_job_from_sql_runs_behind_envoy_gateway() {
    pods::must_run_and_scale(&ingress());
}

/// They are reached at their own addresses, by the port that `k8s/base/network-policy.yaml`
/// lets anybody come to.
#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn envoy_gateway_comes_to_the_port_that_the_network_policy_opens() {
    let gateway = ingress();
    let policy = ["get", "networkpolicy/keyhole", "-n", "keyhole", "-o"];
    let opened = gateway.kubectl(&[&policy[..], &["jsonpath={.spec.ingress}"]].concat());
    assert_eq!(opened.unwrap(), r#"[{"ports":[{"port":"clients","protocol":"TCP"}]}]"#);
    let mut pods: Vec<_> = gateway.staying_pods().iter().map(at_port_of_clients).collect();
    pods.sort();
    assert!(gateway.answers("GET", "/version", 200));
    eventually("it has asked all pods, and nobody else", || {
        let mut hosts = told(&gateway, "upstream_host");
        hosts.sort();
        hosts.dedup();
        hosts == pods
    });
}

/// A field of the last requests that Envoy Gateway's Envoy has logged, the newest first.
fn told(gateway: &Gateway, field: &str) -> Vec<String> {
    let newest = ["logs", "-c", "envoy", "--tail=20"];
    let log = gateway.kubectl(&[&newest[..], &ENVOYS].concat()).unwrap();
    let lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| Some(line[field].as_str()?.to_owned())).collect()
}

fn at_port_of_clients(pod: &Pod) -> String {
    assert_eq!(pod.text("/spec/containers/0/ports/0/name"), "clients");
    format!("{}:8443", pod.text("/status/podIP"))
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn source_ranges_are_of_clients_and_not_of_envoy_gateway() {
    let gateway = ingress();
    let ip = ["get", "pods", "-o", "jsonpath={.items[0].status.podIP}"];
    let envoy = gateway.kubectl(&[&ip[..], &ENVOYS].concat()).unwrap();
    let connection = TcpStream::connect((HOST, 443)).unwrap();
    let client = connection.local_addr().unwrap().ip().to_string();
    for (address, status) in [(envoy, 403), (client, 200)] {
        let from = format!("- name: sql-prod-01\n  sourceRanges: [{address}/32]\n");
        let policy = gateway.policy.replace("- name: sql-prod-01\n", &from);
        assert_ne!(policy, gateway.policy);
        gateway.apply(&policy);
        eventually(&format!("{status} for {address}"), || {
            gateway.answers("GET", "/version", status)
        });
    }
    gateway.apply(&gateway.policy);
    gateway.everybody_is_served();
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn envoy_gateway_trusts_the_gateway_by_its_certificate_only() {
    let gateway = ingress();
    let foreign = gateway.state().join("foreign");
    script("certs", &["--name", "keyhole.keyhole.svc", "--out", foreign.to_str().unwrap()]);
    let ca = format!("--from-file={}", foreign.join("ca.crt").display());
    let foreign = ["configmap", "foreign-ca", "-n", "keyhole"];
    let delete = ["delete", "--ignore-not-found"];
    gateway.kubectl(&[&delete[..], &foreign].concat()).unwrap();
    gateway.kubectl(&[&["create"][..], &foreign, &[&ca]].concat()).unwrap();
    let validate = |hostname: &str, ca: &str| {
        let refs = json!([{"group": "", "kind": "ConfigMap", "name": ca}]);
        let validation = json!({"hostname": hostname, "caCertificateRefs": refs});
        let patch = json!({"spec": {"validation": validation}}).to_string();
        let policy = ["patch", "backendtlspolicy/keyhole", "-n", "keyhole", "--type", "merge"];
        gateway.kubectl(&[&policy[..], &["-p", &patch]].concat()).unwrap();
    };
    for (hostname, ca, reason) in [
        ("other.keyhole.svc", "keyhole-ca", "SAN_matcher"),
        ("keyhole.keyhole.svc", "foreign-ca", "unable_to_get_local_issuer_certificate"),
    ] {
        validate(hostname, ca);
        eventually(&format!("{hostname} by {ca} is refused: {reason}"), || {
            let refused = gateway.answers("GET", "/version", 503);
            let reasons = told(&gateway, "upstream_transport_failure_reason");
            refused && reasons.first().is_some_and(|told| told.contains(reason))
        });
    }
    validate("keyhole.keyhole.svc", "keyhole-ca");
    eventually("it is trusted again", || gateway.answers("GET", "/version", 200));
}

#[test]
#[ignore = "needs scripts/cluster and scripts/setup-mesh"]
fn a_rolling_restart_is_not_noticed_behind_envoy_gateway() {
    let gateway = ingress();
    let line = gateway.under_load("behind-envoy-gateway", || {
        gateway
            .kubectl(&["rollout", "restart", "deployment/keyhole", "-n", "keyhole"])
            .unwrap();
        gateway.is_rolled_out();
        gateway.nobody_is_leaving();
    });
    line.is_clean();
}
