//! Envoys: one for each contestant, and one in the apiserver's place.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use super::server::Server;
use super::{Core, KEY, free_port};
use crate::stack::root;

/// What a configuration's words between @ stand for.
#[derive(Clone, Debug)]
pub struct Words(Vec<(&'static str, String)>);

#[derive(Debug)]
pub struct Gateway {
    pub port: u16,
    pub server: Server,
}

// === impl Words ===

impl Words {
    pub fn new() -> Result<Self> {
        let token = token()?;
        let answer = json!({"spec": {"audiences": ["api"]}, "status": {"token": token}});
        let words = [
            ("ANSWER", answer.to_string()),
            ("KEY", KEY.to_owned()),
            ("LIST", list().to_string()),
            ("NOTHING", wasm("examples/nothing.wasm")),
            ("TOKEN", token),
        ];
        Ok(Self(words.to_vec()))
    }

    pub fn with(&self, name: &'static str, text: impl ToString) -> Self {
        let mut words = self.0.clone();
        words.push((name, text.to_string()));
        Self(words)
    }

    /// A port loses its quotes, if it has some. Of two words of one name, the later counts.
    pub fn fill(&self, text: &str) -> String {
        self.0.iter().rev().fold(text.to_owned(), |text, (name, value)| {
            let text = match value.parse::<u16>() {
                Ok(_) => text.replace(&format!("\"@{name}@\""), value),
                Err(_) => text,
            };
            text.replace(&format!("@{name}@"), value)
        })
    }
}

// === impl Gateway ===

impl Gateway {
    /// An Envoy with these filters; `name` is that of its files.
    pub fn start(dir: &Path, name: &str, filters: &str, words: &Words) -> Result<Self> {
        let filters: String =
            words.fill(filters).lines().map(|line| format!("          {line}\n")).collect();
        let frame = config("gateway")?.replace("          #@FILTERS@\n", &filters);
        Self::run(dir, name, Core::Gateway, &frame, words)
    }

    /// The fastest apiserver that there is, with a list of 4 MB in the namespace `d1`.
    pub fn upstream(dir: &Path, words: &Words) -> Result<Self> {
        let large = dir.join("large.json");
        let items = vec![list()["items"][0].clone(); (4 << 20) / 190];
        fs::write(
            &large,
            json!({"kind": "PodList", "apiVersion": "v1", "items": items}).to_string(),
        )?;
        let words = &words.with("LARGE", large.display());
        Self::run(dir, "upstream", Core::Load, &config("upstream")?, words)
    }

    fn run(dir: &Path, name: &str, core: Core, text: &str, words: &Words) -> Result<Self> {
        let port = free_port()?;
        let words = words.with("PORT", port).with("ADMIN", free_port()?);
        let file = dir.join(format!("{name}.yaml"));
        fs::write(&file, words.fill(text))?;
        let mut envoy = Command::new(root().join(".tools/envoy/envoy/_bin/envoy"));
        envoy.arg("-c").arg(&file).args(["--concurrency", "1", "--disable-hot-restart"]);
        envoy.args(["--log-level", "warning"]);
        let server = Server::start(core, &mut envoy, &dir.join(format!("{name}.log")))?;
        Ok(Self { port, server })
    }
}

/// A configuration in tests/envoy/bench.
pub fn config(name: &str) -> Result<String> {
    Ok(fs::read_to_string(root().join(format!("tests/envoy/bench/{name}.yaml")))?)
}

/// What `scripts/build` and `scripts/bench` have built.
pub fn wasm(name: &str) -> String {
    root().join("target/wasm32-wasip1/release").join(name).display().to_string()
}

/// As long as a real one, for the account `d/a0`, for a day.
fn token() -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let id = "c1b3a1d6-0c8d-4f0e-8f5e-0f9f8f7e7f3b";
    let part = |part: &Value| Base64UrlUnpadded::encode_string(part.to_string().as_bytes());
    let head = part(&json!({"alg": "RS256", "kid": "x".repeat(43)}));
    let claims = part(&json!({
        "aud": ["api"], "exp": now + 86_400, "iat": now, "nbf": now, "jti": id,
        "iss": "https://kubernetes.default.svc.cluster.local",
        "kubernetes.io": {"namespace": "d", "serviceaccount": {"name": "a0", "uid": id}},
        "sub": "system:serviceaccount:d:a0",
    }));
    Ok(format!("{head}.{claims}.{}", "A".repeat(342)))
}

/// About 2 KB.
fn list() -> Value {
    let pods: Vec<Value> = (0..10)
        .map(|n| {
            json!({
                "metadata": {
                    "name": format!("web-{n}"), "namespace": "d0",
                    "uid": "c1b3a1d6-0c8d-4f0e-8f5e-0f9f8f7e7f3b",
                },
                "spec": {"nodeName": "node-0", "containers": [{"name": "web"}]},
                "status": {"phase": "Running", "podIP": "10.0.0.1"},
            })
        })
        .collect();
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods})
}
