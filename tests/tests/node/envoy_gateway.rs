//! Envoy Gateway in front, in pods: installed by its own Helm chart, and told of the gateway by
//! `k8s/overlays/gateway-api`, as docs/deploying.md tells it.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;
use std::{env, fs};

use keyhole_tests::page::{blocks, page};
use keyhole_tests::stack::root;
use serde_json::Value;

use crate::gateway::{Gateway, gateway};

/// The Service of Envoy Gateway's Envoy: `tests/node/ingress.yaml`.
pub(crate) const HOST: &str = "ingress.envoy-gateway-system.svc";
/// What kubectl finds its Envoy by.
pub(crate) const ENVOYS: [&str; 4] =
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
pub(crate) fn ingress() -> MutexGuard<'static, Gateway> {
    static INGRESS: OnceLock<Mutex<Gateway>> = OnceLock::new();
    let ingress = INGRESS.get_or_init(|| Mutex::new(deploy(&gateway())));
    ingress.lock().unwrap_or_else(PoisonError::into_inner)
}

fn deploy(direct: &Gateway) -> Gateway {
    let start = Instant::now();
    run(&mut Command::new(root().join("tests/node/ingress")));
    println!("Envoy Gateway's controller was ready after {:.1?}", start.elapsed());

    let gateway = direct.called_by(HOST);
    let path =
        format!("{}:{}", root().join(".tools/kube").display(), env::var("PATH").unwrap());
    // The certificates of both are of one authority. An earlier run may have made the link.
    let _ = symlink(direct.state().join("pki"), gateway.state().join("certs"));
    let start = Instant::now();
    run(Command::new("bash")
        .args(["-euxc", &SCRIPT.replace("# page", &commands())])
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

/// What the page says of a Gateway, and of proxies that write `X-Forwarded-For`.
fn commands() -> String {
    let words = ["keyhole-ingress-tls", "xff_num_trusted_hops"];
    let mut blocks = blocks(&page("docs/deploying.md"), "console");
    blocks.retain(|block| words.iter().any(|word| block.contains(word)));
    assert_eq!(blocks.len(), words.len());
    let lines = blocks.iter().flat_map(|block| block.lines());
    lines.map(|line| line.strip_prefix("$ ").unwrap()).collect::<Vec<_>>().join("\n")
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

/// A field of the last requests that Envoy Gateway's Envoy has logged, the newest first.
pub(crate) fn told(gateway: &Gateway, field: &str) -> Vec<String> {
    let newest = ["logs", "-c", "envoy", "--tail=20"];
    let log = gateway.kubectl(&[&newest[..], &ENVOYS].concat()).unwrap();
    let lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| Some(line[field].as_str()?.to_owned())).collect()
}
