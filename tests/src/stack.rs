//! A running stack: etcd, kube-apiserver and Envoy with the filter.

use std::collections::HashMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::{env, fs};

use anyhow::{Context, Error, Result, ensure};
use keyhole_core::KeyDigest;

use crate::audit::AuditLog;
use crate::client::Client;
use crate::process;

/// A stack that `scripts/up` started.
#[derive(Debug)]
pub struct Stack {
    state: PathBuf,
    vars: HashMap<String, String>,
    pub(crate) commands: HashMap<String, Vec<String>>,
}

/// A stack that ends with its owner.
#[derive(Debug)]
pub struct OwnStack(Stack);

// === impl Stack ===

impl Stack {
    /// The stack that all tests of this process share, with the demo's policy.
    /// `scripts/test` ends it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Stack> = OnceLock::new();
        SHARED.get_or_init(|| {
            let state = root().join("target/e2e/shared");
            Self::start(&state, &[]).expect("the shared stack starts")
        })
    }

    /// A stack of the caller's own.
    pub fn own(name: &str, arguments: &[&str]) -> Result<OwnStack> {
        Self::start(&root().join("target/e2e").join(name), arguments).map(OwnStack)
    }

    /// The stack whose state lies in this folder.
    pub fn running(state: &Path) -> Result<Self> {
        let text = fs::read_to_string(state.join("env")).context("no stack is running")?;
        let vars = text.lines().filter_map(|line| line.split_once('='));
        let vars: HashMap<_, _> =
            vars.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { state: state.to_owned(), vars, commands: process::commands(state)? })
    }

    fn start(state: &Path, arguments: &[&str]) -> Result<Self> {
        let output = script("up").arg("--state").arg(state).args(arguments).output()?;
        ensure!(output.status.success(), "{}", text(&output));
        Self::running(state)
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    /// A variable of the stack's `env` file.
    pub fn var(&self, name: &str) -> &str {
        self.vars.get(name).map_or("", String::as_str)
    }

    /// A client without a key.
    pub fn anonymous(&self) -> Client {
        let ca = Path::new(self.var("KEYHOLE_CA"));
        Client::new(self.var("KEYHOLE_URL"), ca).expect("up has written an address and a CA")
    }

    /// A client with the demo policy's key.
    pub fn client(&self) -> Client {
        self.anonymous().with_key(self.var("KEYHOLE_KEY"))
    }

    /// Where kube-apiserver listens.
    pub fn apiserver_port(&self) -> Result<u16> {
        let kubeconfig = fs::read_to_string(self.var("KUBECONFIG"))?;
        let (_, rest) = kubeconfig.split_once("https://127.0.0.1:").context("no apiserver")?;
        let port = rest.split(|c: char| !c.is_ascii_digit()).next();
        Ok(port.context("no port")?.parse()?)
    }

    pub fn audit(&self) -> AuditLog {
        AuditLog(self.var("KEYHOLE_AUDIT_LOG").into())
    }

    /// Swaps the policy; what `policy-apply` said if the gateway refused it.
    pub fn apply(&self, policy: &str) -> Result<(), String> {
        let file = self.state.join("applied.yaml");
        fs::write(&file, policy).expect("the state folder is writable");
        let output = script("policy-apply").arg("--state").arg(&self.state).arg(&file).output();
        let output = output.expect("policy-apply starts");
        if output.status.success() { Ok(()) } else { Err(text(&output)) }
    }

    /// The policy that the stack started with.
    pub fn policy(&self) -> String {
        fs::read_to_string(self.state.join("policy.yaml")).expect("up has written a policy")
    }

    /// Runs kubectl as the cluster's admin and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = kubectl()
            .args(["--kubeconfig", self.var("KUBECONFIG")])
            .args(arguments)
            .output()?;
        ensure!(output.status.success(), "kubectl {arguments:?}: {}", text(&output));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Lets the demo's account do everything, so that only the policy limits it.
    pub fn make_account_admin(&self) -> Result<()> {
        let (role, account) =
            ("--clusterrole=cluster-admin", "--serviceaccount=default:api-reader");
        self.kubectl(&["create", "clusterrolebinding", "admin", role, account]).map(drop)
    }

    /// Lets a client do what these rules of a policy say, and its account everything;
    /// returns its key.
    pub fn allow(&self, rules: &[&str]) -> Result<String> {
        self.make_account_admin()?;
        let (key, digest) = new_key("sql");
        let rules: String = rules.iter().map(|rule| format!("  - {rule}\n")).collect();
        self.apply(&format!(
            "apiVersion: keyhole/v1\nkind: Policy\nclients:\n- name: sql\n  keys: [{{sha256: {digest}}}]\n  \
             serviceAccount: {{namespace: default, name: api-reader}}\n  roles: [r]\nroles:\n- name: r\n  rules:\n{rules}"
        ))
        .map_err(Error::msg)?;
        Ok(key)
    }

    /// What Envoy's admin interface answers.
    pub fn admin(&self, method: &str, path: &str) -> Result<String> {
        let url = format!("{}{path}", self.var("KEYHOLE_ADMIN"));
        let output = Command::new("curl").args(["-fsS", "-X", method, &url]).output()?;
        ensure!(output.status.success(), "{}", text(&output));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Everything that the stack has written and an operator may read.
    pub fn logs(&self) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        let files = fs::read_dir(self.state.join("logs"))?;
        files
            .map(|file| {
                let path = file?.path();
                let content = fs::read(&path)?;
                Ok((path, content))
            })
            .collect()
    }
}

// === impl OwnStack ===

impl Deref for OwnStack {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.0
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        let down = script("down").arg("--state").arg(&self.0.state).output();
        down.expect("down starts");
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the root exists")
}

/// Where the programs of the cluster lie.
pub(crate) fn kube() -> PathBuf {
    env::var_os("KUBEBUILDER_ASSETS").map_or_else(|| root().join(".tools/kube"), PathBuf::from)
}

/// The kubectl that the stacks are made with.
pub fn kubectl() -> Command {
    Command::new(kube().join("kubectl"))
}

/// A new key of a client and its digest, from `keyhole key new`.
pub fn new_key(client: &str) -> (String, String) {
    let keyhole = root().join("target/debug/keyhole");
    let output = Command::new(keyhole).args(["key", "new", client]).output().expect("it runs");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    let key = printed.lines().find(|line| line.starts_with("keyhole_"));
    let digest = printed.lines().find_map(|line| line.strip_prefix("- sha256: "));
    (key.expect("a key").to_owned(), digest.expect("a digest").to_owned())
}

/// As `new_key`, but without a process of its own: for a thousand of them.
pub fn quick_key(client: &str) -> (String, String) {
    let mut secret = [0; 32];
    fastrand::Rng::new().fill(&mut secret);
    let key = keyhole_core::format_key(client, &secret);
    let digest = KeyDigest::of(key.as_bytes()).to_hex();
    (key, digest)
}

pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new(root().join("scripts").join(name));
    command.env_remove("KUBECONFIG");
    command
}

pub(crate) fn text(output: &Output) -> String {
    let Output { stdout, stderr, .. } = output;
    format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
}
