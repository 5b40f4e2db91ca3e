//! The commands of docs/deploying.md, one after another, with a real apiserver and a
//! real gateway that reads its policy there. What needs an image, or a kubelet, is
//! done in its place.

use std::process::Command;
use std::{env, fs};

use keyhole_tests::page::{blocks, page};
use keyhole_tests::stack::{Stack, root};

/// What the kubelet and the pods do: the certificate is mounted, under a running Envoy,
/// and the policy read.
const ROLLED_OUT: &str = r#"
./scripts/mount "$STATE/keyhole/tls" tls.crt=certs/tls.crt tls.key=certs/tls.key
for try in $(seq 300); do
  code=$(curl -s -o answer -w '%{http_code}' --cacert certs/ca.crt --connect-to "keyhole.example.com:443:$GATEWAY" \
    -H "x-api-key: $(grep '^keyhole_' key.txt)" https://keyhole.example.com/api/v1/namespaces/shop/pods || true)
  [ "$code" != 200 ] || break
  sleep 0.2
done"#;

/// The command as it can run here.
fn here(command: &str, gateway: &str) -> String {
    match command.split(' ').next().unwrap() {
        "podman" => String::new(),
        "kubectl" if command.starts_with("kubectl rollout status") => ROLLED_OUT.to_owned(),
        "kubectl" if command.starts_with("kubectl port-forward") => String::new(),
        _ => command.replace("localhost:8443", gateway),
    }
}

#[test]
fn every_command_of_the_page_on_deploying_works() {
    let stack = Stack::own("deploying", &["--live"]).unwrap();
    let tree = stack.state().join("tree");
    fs::create_dir(&tree).unwrap();
    let gateway = stack.var("KEYHOLE_URL").trim_start_matches("https://");
    let path = ["target/debug", ".tools/kube"].map(|folder| root().join(folder));
    let path = format!(
        "{}:{}",
        path.map(|path| path.display().to_string()).join(":"),
        env::var("PATH").unwrap()
    );
    let page = blocks(&page("docs/deploying.md"), "console").join("\n");
    let commands = page.lines().map(|line| here(line.strip_prefix("$ ").unwrap(), gateway));
    let script =
        ["cp -r $ROOT/k8s $ROOT/envoy $ROOT/scripts . && ln -s $ROOT/target target".to_owned()];
    let script = script.into_iter().chain(commands).collect::<Vec<_>>().join("\n");
    let output = Command::new("bash")
        .args(["-euxc", &script])
        .current_dir(&tree)
        .env("PATH", path)
        .env("ROOT", root())
        .env("STATE", stack.state())
        .env("GATEWAY", gateway)
        .env("KUBECONFIG", stack.var("KUBECONFIG"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(r#""kind":"PodList""#), "{printed}");

    // The last words of the page on proxies: it is in what is mounted.
    let maps = ["get", "configmaps", "-n", "keyhole", "-o", "yaml"];
    assert!(stack.kubectl(&maps).unwrap().contains("xff_num_trusted_hops: 1\n"));
}
