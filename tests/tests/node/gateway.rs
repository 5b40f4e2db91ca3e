//! The deployed gateway, and what the tests do to it.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use keyhole_tests::accounts::{Caller, ROLE};
use keyhole_tests::client::Client;
use keyhole_tests::sp_invoke::{Credential, Instance, Options};
use keyhole_tests::stack::{Stack, new_key, root};
use serde_json::Value;

const HOST: &str = "keyhole.keyhole.svc";
const PATIENCE: Duration = Duration::from_secs(120);
/// So many right answers in a row, a connection each: every pod has given some.
pub(crate) const IN_A_ROW: usize = 24;

const OPERATOR: &str = r#"- name: operator
  rules:
  - {namespaces: [shop], apiGroups: ["", apps, batch], resources: ["*", pods/log, deployments/scale], verbs: ["*", watch]}
  - {clusterScope: true, apiGroups: [""], resources: [nodes], verbs: [list]}
  - {nonResourceURLs: [/version], verbs: [get]}
"#;
/// As the demo's policy says it.
const POD_OPERATOR: &str = r#"- name: pod-operator
  rules:
  - {namespaces: [default], apiGroups: [""], resources: [pods], verbs: [get, list, create]}
  - {nonResourceURLs: [/version], verbs: [get]}
"#;

pub(crate) struct Gateway {
    stack: Stack,
    /// Of the demo's client.
    key: String,
    /// Of one that may do everything in the namespace `shop`.
    operator: String,
    pub(crate) policy: String,
    /// For loads.
    pub(crate) callers: Vec<Caller>,
}

/// A pod of the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Pod(Value);

/// The one that all tests share, for one test at a time.
pub(crate) fn gateway() -> MutexGuard<'static, Gateway> {
    static GATEWAY: OnceLock<Mutex<Gateway>> = OnceLock::new();
    let gateway = GATEWAY.get_or_init(|| Mutex::new(Gateway::deploy()));
    gateway.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Gateway ===

impl Gateway {
    /// As the documentation tells it: an image, a certificate, `kubectl apply -k`, a policy.
    fn deploy() -> Self {
        let state = root().join("target/e2e/node");
        let stack = stack(&state, HOST, &state.join("pki/ca.crt"));
        load_image(stack.state());
        let namespaces = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: keyhole}\n\
                          ---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
        stack.apply_manifest(namespaces).unwrap();
        new_certificate(&stack);
        for folder in ["k8s/base", "k8s/demo"] {
            let folder = root().join(folder);
            stack.kubectl(&["apply", "-k", folder.to_str().unwrap()]).unwrap();
        }
        let role = ["create", "clusterrolebinding", "operator", "--clusterrole=cluster-admin"];
        let _ = stack.kubectl(&[&role[..], &["--serviceaccount=shop:default"]].concat());

        let names: Vec<String> = (0..4).map(|n| format!("caller-{n}")).collect();
        let (callers, clients) = stack.new_callers(&names).unwrap();
        let (key, digest) = new_key("sql-prod-01");
        let (operator, operators) = new_key("sql-shop");
        let policy = format!(
            "apiVersion: keyhole/v1\nkind: Policy\nclients:\n{clients}\
             - name: sql-prod-01\n  keys: [{{sha256: {digest}}}]\n  \
             serviceAccount: {{namespace: default, name: api-reader, expirationSeconds: 600}}\n  \
             roles: [pod-operator]\n\
             - name: sql-shop\n  keys: [{{sha256: {operators}}}]\n  \
             serviceAccount: {{namespace: shop, name: default}}\n  roles: [operator]\n\
             roles:\n{ROLE}{POD_OPERATOR}{OPERATOR}"
        );
        let gateway = Self { stack, key, operator, policy, callers };
        gateway.apply(&gateway.policy);
        gateway.is_rolled_out();
        gateway.everybody_is_served();
        gateway
    }

    /// The same gateway, as clients call it by another name.
    pub(crate) fn called_by(&self, host: &str) -> Self {
        let stack = stack(&self.state().join(host), host, self.var("KEYHOLE_CA").as_ref());
        let url = stack.var("KEYHOLE_URL");
        let at = |caller: &Caller| Caller {
            client: caller.client.at(url).unwrap(),
            account: caller.account.clone(),
        };
        let callers = self.callers.iter().map(at).collect();
        let (key, operator) = (self.key.clone(), self.operator.clone());
        Self { stack, key, operator, policy: self.policy.clone(), callers }
    }

    /// `kubectl apply`, of the policy and of what the gateway may do for it.
    pub(crate) fn apply(&self, policy: &str) {
        let file = self.state().join("policy.yaml");
        fs::write(&file, policy).unwrap();
        let keyhole = root().join("target/debug/keyhole");
        let rbac = Command::new(keyhole)
            .args(["rbac", "gateway", "--config-map", "keyhole/keyhole-policy"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(rbac.status.success(), "{rbac:?}");
        self.apply_manifest(&String::from_utf8(rbac.stdout).unwrap()).unwrap();
        let file = format!("--from-file=policy.yaml={}", file.display());
        let create = ["create", "configmap", "keyhole-policy", "-n", "keyhole"];
        let manifest =
            self.kubectl(&[&create[..], &[&file, "--dry-run=client", "-o", "yaml"]].concat());
        let path = self.state().join("config-map.yaml");
        fs::write(&path, manifest.unwrap()).unwrap();
        let apply = ["apply", "--server-side", "--force-conflicts", "-f"];
        self.kubectl(&[&apply[..], &[path.to_str().unwrap()]].concat()).unwrap();
    }

    /// SQL Server, with the credential of the demo's client.
    pub(crate) fn sql_server(&self) -> Instance {
        self.instance(&self.key, Options::default())
    }

    /// One that keeps its connections for the next call.
    pub(crate) fn keeping_sql_server(&self) -> Instance {
        self.instance(&self.key, Options { keep_alive: true, ..Options::default() })
    }

    /// One with the credential of the operator of `shop`.
    pub(crate) fn shop(&self) -> Instance {
        self.instance(&self.operator, Options::default())
    }

    fn instance(&self, key: &str, options: Options) -> Instance {
        let secret = format!(r#"{{"x-api-key":"{key}"}}"#);
        Instance::start(Path::new(self.var("KEYHOLE_CA")), options)
            .unwrap()
            .with(Credential::for_host(self.base(), &secret))
    }

    pub(crate) fn base(&self) -> &str {
        self.var("KEYHOLE_URL")
    }

    /// With the key of the demo's client.
    pub(crate) fn client(&self) -> Client {
        self.anonymous().with_key(&self.key)
    }

    /// With the key of the operator of `shop`.
    pub(crate) fn operator(&self) -> Client {
        self.anonymous().with_key(&self.operator)
    }

    pub(crate) fn pods(&self) -> Vec<Pod> {
        let listed = self.kubectl(&[
            "get",
            "pods",
            "-n",
            "keyhole",
            "-l",
            "app.kubernetes.io/name=keyhole",
            "-o",
            "json",
        ]);
        let listed: Value = serde_json::from_str(&listed.unwrap()).unwrap();
        listed["items"].as_array().unwrap().iter().cloned().map(Pod).collect()
    }

    /// Those that are not about to end.
    pub(crate) fn staying_pods(&self) -> Vec<Pod> {
        let mut pods = self.pods();
        pods.retain(|pod| pod.text("/metadata/deletionTimestamp").is_empty());
        pods
    }

    /// All pods, one after the other, until only new ones are there.
    pub(crate) fn restart(&self) {
        self.kubectl(&["rollout", "restart", "deployment/keyhole", "-n", "keyhole"]).unwrap();
        self.is_rolled_out();
        self.nobody_is_leaving();
    }

    pub(crate) fn is_rolled_out(&self) {
        let arguments =
            ["rollout", "status", "deployment/keyhole", "-n", "keyhole", "--timeout=180s"];
        self.kubectl(&arguments).unwrap();
    }

    /// Until no pod is left that is about to end.
    pub(crate) fn nobody_is_leaving(&self) {
        eventually("all pods stay", || self.pods().len() == self.staying_pods().len());
    }

    pub(crate) fn everybody_is_served(&self) {
        for caller in &self.callers {
            eventually(&caller.account, || {
                (0..IN_A_ROW)
                    .all(|_| caller.client.get("/version").is_ok_and(|a| a.status == 200))
            });
        }
    }

    /// Whether all pods answer this request so.
    pub(crate) fn answers(&self, method: &str, path: &str, status: u16) -> bool {
        let client = self.client();
        (0..IN_A_ROW).all(|_| client.send(method, path, "").is_ok_and(|a| a.status == status))
    }

    pub(crate) fn new_certificate(&self) -> String {
        new_certificate(&self.stack)
    }
}

impl Deref for Gateway {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

// === impl Pod ===

impl Pod {
    pub(crate) fn text(&self, pointer: &str) -> String {
        let value = self.0.pointer(pointer);
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(crate) fn name(&self) -> String {
        self.text("/metadata/name")
    }

    /// How often its containers have been started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.0["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or_default()
    }

    pub(crate) fn condition(&self, kind: &str) -> Option<&Value> {
        self.0["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)
    }
}

/// Waits until it is so, and returns how long that took.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(100));
    }
    start.elapsed()
}

/// The cluster that `scripts/cluster exec` has put into the environment, with a gateway that
/// clients call by this name.
fn stack(state: &Path, host: &str, ca: &Path) -> Stack {
    let var = |name: &str| env::var(name).unwrap_or_default();
    let kubeconfig = var("KUBECONFIG");
    assert!(!kubeconfig.is_empty(), "run this by scripts/cluster exec");
    fs::create_dir_all(state).unwrap();
    let audit_log = var("KEYHOLE_AUDIT_LOG");
    let vars = format!(
        "KEYHOLE_URL=https://{host}:443\nKEYHOLE_CA={}\nKUBECONFIG={kubeconfig}\nKEYHOLE_AUDIT_LOG={audit_log}\n",
        ca.display()
    );
    fs::write(state.join("env"), vars).unwrap();
    fs::write(state.join("processes"), "").unwrap();
    Stack::running(state).unwrap()
}

pub(crate) fn script(name: &str, arguments: &[&str]) {
    let output =
        Command::new(root().join("scripts").join(name)).args(arguments).output().unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
}

/// The image of this tree's filter.
fn load_image(state: &Path) {
    let archive = state.join("image.tar");
    let archive = archive.to_str().unwrap();
    script("image", &[archive]);
    script("cluster", &["load", archive]);
}

/// Another certificate for the Service, and its serial number.
fn new_certificate(stack: &Stack) -> String {
    let pki: PathBuf = stack.state().join("pki");
    script("certs", &["--name", HOST, "--out", pki.to_str().unwrap()]);
    let (cert, key) = (pki.join("tls.crt"), pki.join("tls.key"));
    let (cert, key) =
        (format!("--cert={}", cert.display()), format!("--key={}", key.display()));
    let create =
        ["create", "secret", "tls", "keyhole-tls", "-n", "keyhole", "--dry-run=client"];
    let secret = stack.kubectl(&[&create[..], &[&cert, &key, "-o", "yaml"]].concat()).unwrap();
    stack.apply_manifest(&secret).unwrap();
    let serial = Command::new("openssl")
        .args(["x509", "-noout", "-serial", "-in"])
        .arg(pki.join("tls.crt"))
        .output()
        .unwrap();
    String::from_utf8(serial.stdout).unwrap().trim().trim_start_matches("serial=").to_owned()
}
