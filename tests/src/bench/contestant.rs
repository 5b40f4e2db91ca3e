//! Who is measured.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};
use std::{env, fs};

use anyhow::{Result, ensure};

use super::authz::Protocol;
use super::gateway::{Gateway, Words, config, wasm};
use super::load::{status, tool};
use super::server::Server;
use super::{Core, DENIED, KEY, LIST, POD, free_port};
use crate::issuer::Pair;
use crate::sample;
use crate::stack::{kubectl, root};

#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    pub name: &'static str,
    pub what: &'static str,
    /// Part of a quick run.
    pub quick: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Authz(Protocol),
    Bare,
    /// A file of filters.
    Filters(&'static str),
    Keyhole {
        clients: usize,
        rules: usize,
        path: &'static str,
    },
    /// Whose client presents a token.
    Keyless,
    Kubectl,
    Nginx,
    Nothing,
}

/// A contestant that answers.
#[derive(Debug)]
pub struct Running {
    pub contestant: Contestant,
    pub port: u16,
    /// The header that it knows its client by.
    pub credential: String,
    proxy: Server,
    /// Whom the proxy asks.
    service: Option<Server>,
}

#[rustfmt::skip]
pub const ALL: &[Contestant] = &[
    Contestant { name: "bare",              quick: true,  kind: Kind::Bare,                                   what: "Envoy that only forwards" },
    Contestant { name: "native",            quick: true,  kind: Kind::Filters("native"),                      what: "api_key_auth, rbac and credential_injector: paths, not Kubernetes" },
    Contestant { name: "lua",               quick: false, kind: Kind::Filters("lua"),                         what: "the same checks in Lua" },
    Contestant { name: "nothing",           quick: true,  kind: Kind::Nothing,                                what: "a Wasm filter that does nothing" },
    Contestant { name: "keyhole",           quick: true,  kind: Kind::Keyhole { clients: 1, rules: 20, path: POD }, what: "1 client, 20 rules" },
    Contestant { name: "keyhole, 100",      quick: false, kind: Kind::Keyhole { clients: 100, rules: 100, path: POD }, what: "100 clients, 100 rules" },
    Contestant { name: "keyhole, 10,000",   quick: true,  kind: Kind::Keyhole { clients: 10_000, rules: 1000, path: POD }, what: "10,000 clients, 1,000 rules" },
    Contestant { name: "keyhole, a list",   quick: false, kind: Kind::Keyhole { clients: 1, rules: 20, path: LIST }, what: "1 client, 20 rules, a list that is made compact" },
    Contestant { name: "keyhole, token",    quick: true,  kind: Kind::Keyless,                                what: "1 client, 20 rules; by a token of 1.5 KB instead of a key" },
    Contestant { name: "ext_authz, HTTP",   quick: true,  kind: Kind::Authz(Protocol::Http),                  what: "a service that allows everything at once" },
    Contestant { name: "ext_authz, gRPC",   quick: false, kind: Kind::Authz(Protocol::Grpc),                  what: "the same over gRPC" },
    Contestant { name: "nginx",             quick: false, kind: Kind::Nginx,                                  what: "another proxy: a map of keys, a token in its file" },
    Contestant { name: "kubectl proxy",     quick: false, kind: Kind::Kubectl,                                what: "another proxy: no keys, paths by regular expressions" },
];

// === impl Contestant ===

impl Contestant {
    pub const BARE: Self = ALL[0];

    /// With a policy of this size.
    pub const fn keyhole(clients: usize, rules: usize) -> Self {
        Self {
            name: "keyhole",
            what: "",
            quick: false,
            kind: Kind::Keyhole { clients, rules, path: POD },
        }
    }

    /// What is asked of it.
    pub const fn path(&self) -> &'static str {
        match self.kind {
            Kind::Keyhole { path, .. } => path,
            _ => POD,
        }
    }

    /// Whether it looks at keys and rules.
    const fn judges(&self) -> bool {
        !matches!(self.kind, Kind::Authz(_) | Kind::Bare | Kind::Kubectl | Kind::Nothing)
    }

    /// Starts it, and sees to it that it does what it is there for.
    pub fn start(self, dir: &Path, words: &Words) -> Result<Running> {
        let name: String = self.name.replace([' ', ','], "");
        let dir = dir.join(&name);
        fs::create_dir_all(&dir)?;
        let gateway =
            |filters: &str, words: &Words| Gateway::start(&dir, &name, filters, words);
        let words = words.with("AUTHZ", free_port()?);
        let keyhole = |policy: &str| {
            let ecds = dir.join("ecds.yaml");
            fs::write(&ecds, deployed(policy)?)?;
            gateway(&config("keyhole")?, &words.with("ECDS", ecds.display()))
        };
        let mut credential = format!("x-api-key: {KEY}");
        let (Gateway { port, server: proxy }, service) = match self.kind {
            Kind::Bare => (gateway("", &words)?, None),
            Kind::Filters(file) => (gateway(&config(file)?, &words)?, None),
            Kind::Nothing => (gateway(&config("nothing")?, &words)?, None),
            Kind::Keyhole { clients, rules, .. } => {
                (keyhole(&sample::text_with_key(KEY, clients, rules))?, None)
            }
            Kind::Keyless => {
                let pair = Pair::new("EdDSA", "bench")?;
                let start = UNIX_EPOCH.elapsed()?.as_secs();
                credential = format!("authorization: Bearer {}", sample::token(&pair, start)?);
                let policy = sample::text_with_key(KEY, 1, 20);
                (keyhole(&sample::with_tokens(&policy, &pair))?, None)
            }
            Kind::Authz(protocol) => {
                let (file, port) = (protocol.name(), free_port()?);
                let mut service = Command::new(env::current_exe()?);
                service.args(["serve", file, &port.to_string()]);
                let log = dir.join("service.log");
                let service = Server::start(Core::Gateway, &mut service, &log)?;
                let filters = config(&format!("authz-{file}"))?;
                (gateway(&filters, &words.with("AUTHZ", port))?, Some(service))
            }
            Kind::Kubectl => (kubectl_proxy(&dir, &words)?, None),
            Kind::Nginx => (nginx_proxy(&dir, &words)?, None),
        };
        let mut running = Running { contestant: self, port, credential, proxy, service };
        let (path, credential) = (self.path(), &running.credential);
        running.proxy.wait(|| status(port, path, credential).is_ok_and(|code| code == 200))?;
        if self.judges() {
            let stranger = status(port, POD, "x-api-key: x")?;
            let denied = status(port, DENIED, credential)?;
            ensure!((stranger, denied) == (401, 403), "{}: {stranger} {denied}", self.name);
        }
        Ok(running)
    }
}

// === impl Running ===

impl Running {
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Of the proxy, and of whom it asks.
    pub fn cpu(&self) -> Result<[Duration; 2]> {
        let service = self.service.as_ref().map_or(Ok(Duration::ZERO), Server::cpu)?;
        Ok([self.proxy.cpu()?, service])
    }

    pub fn rss_bytes(&self) -> Result<u64> {
        self.proxy.rss_bytes()
    }
}

/// The filter and its policy as `keyhole policy render` writes them.
fn deployed(policy: &str) -> Result<String> {
    let ecds = fs::read_to_string(root().join("envoy/ecds.yaml"))?;
    let ecds = ecds.replace("/etc/keyhole/filter/keyhole.wasm", &wasm("keyhole_filter.wasm"));
    let lines = policy.lines().map(|line| format!("              {line}\n"));
    Ok(format!("{ecds}            policy:\n{}", lines.collect::<String>()))
}

fn kubectl_proxy(dir: &Path, words: &Words) -> Result<Gateway> {
    let port = free_port()?;
    let config = dir.join("kubeconfig");
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
        contexts: [{name: c, context: {cluster: c, user: c}}]\n\
        clusters: [{name: c, cluster: {server: \"http://127.0.0.1:@UPSTREAM@\"}}]\n\
        users: [{name: c, user: {token: \"@TOKEN@\"}}]\n";
    fs::write(&config, words.fill(text))?;
    let mut proxy = kubectl();
    proxy.arg("--kubeconfig").arg(&config).args(["proxy", &format!("--port={port}")]);
    proxy.arg(format!("--accept-paths=^{POD}$"));
    let server = Server::start(Core::Gateway, &mut proxy, &dir.join("kubectl.log"))?;
    Ok(Gateway { port, server })
}

fn nginx_proxy(dir: &Path, words: &Words) -> Result<Gateway> {
    let port = free_port()?;
    let file = dir.join("nginx.conf");
    let text = fs::read_to_string(root().join("tests/envoy/bench/nginx.conf"))?;
    fs::write(&file, words.with("PORT", port).with("DIR", dir.display()).fill(&text))?;
    let mut nginx = Command::new(tool("nginx"));
    nginx.args(["-e", "stderr", "-p"]).arg(dir).arg("-c").arg(&file);
    let server = Server::start(Core::Gateway, &mut nginx, &dir.join("nginx.log"))?;
    Ok(Gateway { port, server })
}
