//! istiod and Istio's agent with the plain Envoy, beside a stack.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keyhole_tests::client::Client;
use keyhole_tests::crds;
use keyhole_tests::stack::{Stack, root};
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::manifests::Manifests;
use crate::program::{Program, free_ports, program, tools};
use crate::registry::Registry;

/// What a mesh's operator sets, and what the plain Envoy has no code for: the filters of
/// Istio's own build for telemetry.
pub const MESH: &str = "pathNormalization: {normalization: NONE}\ndefaultProviders: {}\n";
const ISTIOD: [(&str, &str); 5] = [
    ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
    ("PILOT_ENABLE_ALPN_FILTER", "false"),
    ("INJECT_ENABLED", "false"),
    ("POD_NAMESPACE", "istio-system"),
    ("POD_NAME", "istiod-0"),
];

/// The address of the gateway's pod: of a network that is nobody's.
const POD_ADDRESS: &str = "192.0.2.10";

/// A gateway of Istio, with all that stands behind it. The first to end is the first here.
pub struct Istio {
    pub agent: Program,
    _istiod: Program,
    _registry: Registry,
    pub admin: Admin,
    port: u16,
}

// === impl Istio ===

impl Istio {
    pub fn start(stack: &Stack) -> Self {
        let registry = Registry::with_filter(stack);
        let [port] = free_ports();
        crds::install(stack).unwrap();
        stack.kubectl(&["create", "namespace", "istio-system"]).unwrap();
        manifests(stack, &registry).apply(stack);
        apply_pod(stack, port);

        let (istiod, discovery) = istiod(stack);
        let [admin, status, envoy_status, prometheus] = free_ports();
        let folder = folder(stack, "agent");
        let [secrets, tokens] =
            ["var/run/secrets/istio", "var/run/secrets/tokens"].map(|name| {
                fs::create_dir_all(folder.join(name)).unwrap();
                folder.join(name)
            });
        let ca = stack.kubectl(&[
            "get",
            "configmap",
            "istio-ca-root-cert",
            "-n",
            "keyhole",
            "-o",
            "jsonpath={.data.root-cert\\.pem}",
        ]);
        fs::write(secrets.join("root-cert.pem"), ca.unwrap()).unwrap();
        let token = stack.kubectl(&[
            "create",
            "token",
            "keyhole",
            "-n",
            "keyhole",
            "--audience",
            "istio-ca",
        ]);
        fs::write(tokens.join("istio-token"), token.unwrap()).unwrap();

        // The agent keeps filters in a folder of the machine, which it shall find, and not have.
        let place =
            "mount -t tmpfs none /var/lib && mkdir -p /var/lib/istio/data && exec \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "sh", "-euc", place, "sh"])
            .arg(program("pilot-agent").get_program())
            .args(["proxy", "router", "--domain", "keyhole.svc.cluster.local"])
            .args([
                "--proxyLogLevel",
                "warning",
                "--proxyComponentLogLevel",
                "wasm:info,misc:error",
            ])
            .current_dir(&folder)
            .env("POD_NAME", "keyhole-0")
            .env("POD_NAMESPACE", "keyhole")
            .env("SERVICE_ACCOUNT", "keyhole")
            .env("INSTANCE_IP", POD_ADDRESS)
            .env("ISTIO_META_CLUSTER_ID", "Kubernetes")
            // It would look for the address of a cloud.
            .env("CLOUD_PLATFORM", "none")
            .env("PILOT_CERT_PROVIDER", "istiod")
            .env("CA_ADDR", format!("localhost:{discovery}"))
            .env("ISTIOD_SAN", "istiod.istio-system.svc")
            .env("ISTIO_BOOTSTRAP", tools().join("envoy_bootstrap.json"))
            .env("ENVOY_STATUS_PORT", envoy_status.to_string())
            .env("ENVOY_PROMETHEUS_PORT", prometheus.to_string())
            .env("PROXY_CONFIG", proxy_config(discovery, admin, status).to_string());
        let agent = Program::start(command, "istio-agent", stack);
        Self { agent, _istiod: istiod, _registry: registry, admin: Admin { port: admin }, port }
    }

    /// A client of the gateway, without a key.
    pub fn client(&self, stack: &Stack) -> Client {
        let url = format!("https://localhost:{}", self.port);
        Client::new(&url, Path::new(stack.var("KEYHOLE_CA"))).unwrap()
    }
}

/// The manifests, for this machine: the apiserver's address, the folder of the stack, and
/// where the filter lies.
fn manifests(stack: &Stack, registry: &Registry) -> Manifests {
    let api = stack.apiserver_port().unwrap();
    // The stack has its policy.
    let mut manifests = Manifests::of("istio").without(&["ConfigMap"]).with_apiserver(api);
    let tree = format!("{}/keyhole/", stack.state().display());
    manifests = manifests.replace("/etc/keyhole/", &tree);
    let endpoints = json!([{"address": "127.0.0.1", "ports": {"http2": api}}]);
    manifests.set("ServiceEntry", "kube-apiserver", "/spec/endpoints", endpoints);
    let url = format!("oci://{}/keyhole/filter:0.1.0", registry.address);
    manifests.set("WasmPlugin", "keyhole", "/spec/url", json!(url));
    manifests
}

/// The pod that a cluster would have made of the Deployment. From it istiod knows which port
/// the Service leads to.
fn apply_pod(stack: &Stack, port: u16) {
    let manifests = Manifests::of("istio");
    let template = manifests.object("Deployment", "keyhole")["spec"]["template"].clone();
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "keyhole-0", "namespace": "keyhole", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    });
    pod["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(port);
    let file = stack.state().join("pod.json");
    fs::write(&file, pod.to_string()).unwrap();
    stack.kubectl(&["apply", "--server-side", "-f", file.to_str().unwrap()]).unwrap();
    let status = json!({"status": {
        "phase": "Running",
        "podIP": POD_ADDRESS,
        "podIPs": [{"ip": POD_ADDRESS}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    let status = status.to_string();
    let pod = ["patch", "pod", "keyhole-0", "-n", "keyhole", "--subresource", "status"];
    stack.kubectl(&[&pod[..], &["--type", "merge", "-p", &status]].concat()).unwrap();
}

/// istiod, and the port where agents find it.
fn istiod(stack: &Stack) -> (Program, u16) {
    let folder = folder(stack, "istiod");
    let mesh = folder.join("mesh");
    fs::write(&mesh, MESH).unwrap();
    let [http, grpc, secure, monitoring] = free_ports();
    let address = |port: u16| format!("127.0.0.1:{port}");
    let mut command = program("pilot-discovery");
    command
        .args(["discovery", "--kubeconfig", stack.var("KUBECONFIG")])
        .args(["--namespace", "istio-system", "--httpsAddr", "", "--ctrlz_port", "0"])
        .args(["--httpAddr", &address(http), "--grpcAddr", &address(grpc)])
        .args(["--secureGRPCAddr", &address(secure), "--monitoringAddr", &address(monitoring)])
        .arg("--meshConfig")
        .arg(&mesh)
        .current_dir(&folder)
        .envs(ISTIOD);
    let mut istiod = Program::start(command, "istiod", stack);
    let ready = format!("http://127.0.0.1:{http}/ready");
    istiod.until("istiod", || {
        let answered = Command::new("curl").args(["-fsS", &ready]).output().unwrap();
        let ca = ["get", "configmap", "istio-ca-root-cert", "-n", "keyhole"];
        answered.status.success() && stack.kubectl(&ca).is_ok()
    });
    (istiod, secure)
}

/// What the injection would have told the agent: the mesh's own configuration, with that of
/// the Deployment's annotation.
fn proxy_config(discovery: u16, admin: u16, status: u16) -> Value {
    let manifests = Manifests::of("istio");
    let pod = &manifests.object("Deployment", "keyhole")["spec"]["template"];
    let annotation = pod["metadata"]["annotations"]["proxy.istio.io/config"].as_str().unwrap();
    let mut config: Value = serde_saphyr::from_str(annotation).unwrap();
    config["discoveryAddress"] = json!(format!("localhost:{discovery}"));
    config["binaryPath"] = json!(root().join(".tools/envoy/envoy/_bin/envoy"));
    config["configPath"] = json!("./etc/istio/proxy");
    config["proxyAdminPort"] = json!(admin);
    config["statusPort"] = json!(status);
    config["controlPlaneAuthPolicy"] = json!("MUTUAL_TLS");
    config
}

fn folder(stack: &Stack, name: &str) -> PathBuf {
    let folder = stack.state().join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// istioctl with these arguments.
pub fn istioctl(arguments: &[&str]) -> Output {
    program("istioctl").args(arguments).output().unwrap()
}
