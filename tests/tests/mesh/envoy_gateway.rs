//! Envoy Gateway in its standalone mode, which reads manifests from a folder and runs Envoy
//! itself: the plain one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use base64ct::{Base64, Encoding};
use keyhole_tests::client::Client;
use keyhole_tests::page::{blocks, page};
use keyhole_tests::stack::{Stack, root};
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::manifests::Manifests;
use crate::program::{Program, free_ports, program};

/// Where Envoy Gateway looks for Envoys of this version.
const ENVOY: &str = "1.40.0";

/// Any worker may answer, and each reads the policy in its own time.
const IN_A_ROW: usize = 12;

/// Envoy Gateway and its Envoy.
pub struct EnvoyGateway {
    pub program: Program,
    pub admin: Admin,
    port: u16,
}

// === impl EnvoyGateway ===

impl EnvoyGateway {
    /// With these manifests. The Gateway's listener has its port by `port`.
    pub fn start(stack: &Stack, mut manifests: Manifests, port: u16) -> Self {
        let home = stack.state().join("envoy-gateway");
        let folder = |name: &str| {
            let folder = home.join(name);
            fs::create_dir_all(&folder).unwrap();
            folder
        };
        let envoy = folder(&format!("data/envoy-versions/{ENVOY}/bin")).join("envoy");
        symlink(root().join(".tools/envoy/envoy/_bin/envoy"), envoy).unwrap();

        let certificates = folder("config");
        let made = program("envoy-gateway")
            .args(["certgen", "--local", "--config-home"])
            .arg(&certificates)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        // With it, Envoy fetches the filter from Envoy Gateway.
        let own = certificates.join("certs/envoy");
        let own =
            secret("envoy-gateway-system", "envoy", &own, &["tls.crt", "tls.key", "ca.crt"]);
        manifests.add(own);

        let [admin] = free_ports();
        manifests.set(
            "EnvoyProxy",
            "keyhole",
            "/spec/provider",
            json!({
                "type": "Host",
                "host": {"envoyVersion": ENVOY},
            }),
        );
        manifests.push(
            "EnvoyProxy",
            "keyhole",
            "/spec/bootstrap/jsonPatches",
            json!({
                "op": "replace",
                "path": "/admin/address/socket_address/port_value",
                "value": admin,
            }),
        );
        manifests.write(&format!("{}/manifests.yaml", folder("manifests").display()));
        let config = home.join("envoy-gateway.yaml");
        let [own_admin] = free_ports();
        fs::write(&config, configuration(&home, own_admin).to_string()).unwrap();

        let mut command = program("envoy-gateway");
        command.args(["server", "--config-path"]).arg(&config).env("HOME", folder("home"));
        let program = Program::start(command, "envoy-gateway", stack);
        let mut gateway = Self { program, admin: Admin { port: admin }, port };
        let (admin, client) = (gateway.admin.clone(), gateway.client(stack));
        gateway.program.until("Envoy Gateway's Envoy", || {
            admin.is_ready()
                && (0..IN_A_ROW).all(|_| {
                    client.get("/keyhole/readyz").is_ok_and(|ready| ready.status == 200)
                })
        });
        gateway
    }

    /// A client of the gateway, without a key.
    pub fn client(&self, stack: &Stack) -> Client {
        let url = format!("https://localhost:{}", self.port);
        Client::new(&url, Path::new(stack.var("KEYHOLE_CA"))).unwrap()
    }
}

/// What docs/meshes.md asks of Envoy Gateway, where it stands alone.
fn configuration(home: &Path, admin: u16) -> Value {
    let asked = blocks(&page("docs/meshes.md"), "yaml").swap_remove(0);
    let asked: Value = serde_saphyr::from_str(&asked).unwrap();
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {
            "type": "Custom",
            "custom": {
                "resource": {"type": "File", "file": {"paths": [home.join("manifests")]}},
                "infrastructure": {"type": "Host", "host": {
                    "configHome": home.join("config"),
                    "dataHome": home.join("data"),
                    "stateHome": home.join("state"),
                    "runtimeDir": home.join("run"),
                }},
            },
        },
        "extensionApis": asked["extensionApis"],
        "telemetry": {"metrics": {"prometheus": {"disable": true}}},
        "admin": {"address": {"host": "127.0.0.1", "port": admin}},
    })
}

/// A Secret of these files.
pub fn secret(namespace: &str, name: &str, folder: &Path, files: &[&str]) -> Value {
    let data = files.iter().map(|file| {
        let content = fs::read(folder.join(file)).unwrap();
        ((*file).to_owned(), Value::String(Base64::encode_string(&content)))
    });
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/tls",
        "data": data.collect::<serde_json::Map<_, _>>(),
    })
}

/// A ConfigMap with this CA.
pub fn authority(name: &str, ca: &Path) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "keyhole"},
        "data": {"ca.crt": fs::read_to_string(ca).unwrap()},
    })
}
