//! The gateway as its clients reach it.

use std::fs;
use std::io::ErrorKind;
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use keyhole_core::{KeyRefused, UnixTime};
use rustls::crypto::ring::default_provider;
use serde::Deserialize;
use ureq::Agent;
use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::cluster::skew;
use super::policy::Found;
use super::report::{Area, Report};
use crate::clock::now;

#[derive(Args, Debug)]
pub(super) struct Call {
    /// Call the gateway, too, as SQL Server does: `https://HOST:PORT`.
    #[arg(long, requires = "ca")]
    url: Option<String>,
    /// The CA that SQL Server trusts, as PEM.
    #[arg(long, requires = "url")]
    ca: Option<PathBuf>,
    /// A file that holds a client's key, to call with it.
    #[arg(long, requires = "url")]
    key_file: Option<PathBuf>,
    /// What to get with it: something that the client may. /version if left out.
    #[arg(long, requires = "url")]
    path: Option<String>,
}

/// What came back.
struct Answer {
    status: u16,
    date: Option<UnixTime>,
    body: String,
}

/// A `Status`, or what `readyz` says.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    message: String,
    policy: Active,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Active {
    revision: String,
}

const PATIENCE: Duration = Duration::from_secs(15);
const MOST_BYTES: u64 = 4 << 20;

// === impl Call ===

impl Call {
    pub(super) fn check(
        &self,
        policy: Option<&Found>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let Self { url: Some(url), ca: Some(ca), key_file, path } = self else {
            return Ok(());
        };
        let base = url.trim_end_matches('/');
        ensure!(base.starts_with("https://"), "`{url}` is no URL: write https://HOST[:PORT]");
        let path = path.as_deref().unwrap_or("/version");
        ensure!(path.starts_with('/'), "`{path}` is no path: write /{path}");
        let agent = agent(ca)?;
        let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        let host = host.with_context(|| format!("`{url}` names no host"))?;
        if (host.trim_matches(['[', ']']), 443).to_socket_addrs().is_err() {
            report.problem(
                Area::Url,
                format!("the DNS here knows no {host}"),
                "write a DNS record; SQL Server needs it, too",
            );
            return Ok(());
        }
        let before = now()?;
        let ready = match get(&agent, &format!("{base}/keyhole/readyz"), None)? {
            Ok(ready) => ready,
            Err(error) => {
                let (found, mend) = explained(base, &error, &ca.display().to_string());
                report.problem(Area::Url, found, mend);
                return Ok(());
            }
        };
        report.ok(Area::Url, format!("{base} answers, and {} trusts it", ca.display()));
        readiness(&ready, policy, report);
        let here = before..=now()?;
        if let Some(skew) = ready.date.and_then(|there| skew(&here, there)) {
            report.warning(
                Area::Url,
                format!("the clock here is {skew} of the gateway's"),
                "set the one that is wrong (by NTP): the gateway's decides when keys are valid",
            );
        }
        let target = format!("{base}{path}");
        match get(&agent, &target, None)? {
            Ok(Answer { status: 401, .. }) => {
                report.ok(Area::Url, "without a key it answers 401");
            }
            Ok(answer) => report.problem(
                Area::Url,
                format!("without a key it answers {}, not 401", answer.shown()),
                "is this Keyhole? Without a policy it answers 403 to all",
            ),
            Err(error) => report.problem(Area::Url, format!("GET {target}: {error}"), AGAIN),
        }
        match key_file {
            Some(file) => with_key(&agent, &target, &key(file)?, policy, report),
            None => Ok(()),
        }
    }
}

const AGAIN: &str = "look into the logs of what lies between, such as an ingress";

fn agent(ca: &Path) -> anyhow::Result<Agent> {
    let pem = fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item? {
            roots.push(certificate);
        }
    }
    ensure!(!roots.is_empty(), "{} holds no certificate", ca.display());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .user_agent("keyhole-doctor")
        .build();
    Ok(config.into())
}

fn key(file: &Path) -> anyhow::Result<String> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let key = text.trim();
    ensure!(
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()),
        "{} holds no key: write the key and nothing else",
        file.display()
    );
    Ok(key.to_owned())
}

fn get(
    agent: &Agent,
    url: &str,
    key: Option<&str>,
) -> anyhow::Result<Result<Answer, ureq::Error>> {
    let mut request = agent.get(url);
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    Ok(request.call().and_then(|mut response| {
        let body = response.body_mut().with_config().limit(MOST_BYTES).read_to_string()?;
        Ok(Answer { status: response.status().as_u16(), date: date(&response), body })
    }))
}

fn date<T>(response: &Response<T>) -> Option<UnixTime> {
    let text = response.headers().get("date")?.to_str().ok()?;
    let parsed = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(parsed.timestamp().as_second()).ok().map(UnixTime::from_secs)
}

/// What is wrong, and what to do.
fn explained(base: &str, error: &ureq::Error, ca: &str) -> (String, String) {
    if let Some(error) = tls(error) {
        return (
            format!("{base}: {ca} does not trust the gateway's certificate: {error}"),
            "SQL Server has to trust the CA that signed it, and the URL's host has to be one of its names".to_owned(),
        );
    }
    match error {
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => (
            format!("{base}: nobody listens there"),
            "kubectl get services,ingresses,gateways -A: is it this address, and this port?"
                .to_owned(),
        ),
        ureq::Error::Timeout(_) => (
            format!("{base}: no answer"),
            "a firewall, a NetworkPolicy, or a Service without ready pods: kubectl get endpointslices -A".to_owned(),
        ),
        error => (format!("{base}: {error}"), AGAIN.to_owned()),
    }
}

/// The error of TLS in it, which comes as one of reading, too.
fn tls(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn readiness(ready: &Answer, policy: Option<&Found>, report: &mut Report) {
    if ready.status != 200 {
        let found = format!("the gateway is not ready: {}", ready.shown());
        report.problem(Area::Url, found, "the message says what is missing; its log says more");
        return;
    }
    let active = ready.body().policy.revision;
    match policy.map(|found| found.loaded.revision.as_str()) {
        Some(revision) if revision != active => report.warning(
            Area::Url,
            format!("revision {active} is in force, not {revision}, which lies in the cluster"),
            "wait a minute; then see why it was refused: kubectl get events -A, and the gateway's log",
        ),
        _ => report.ok(Area::Url, format!("it is ready, with revision {active} in force")),
    }
}

fn with_key(
    agent: &Agent,
    target: &str,
    key: &str,
    policy: Option<&Found>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let answer = match get(agent, target, Some(key))? {
        Ok(answer) => answer,
        Err(error) => {
            report.problem(Area::Url, format!("GET {target}: {error}"), AGAIN);
            return Ok(());
        }
    };
    let found = format!("with the key it answers {}", answer.shown());
    match answer.status {
        200 => report.ok(Area::Url, "with the key it answers 200"),
        401 => report.problem(Area::Url, found, refused(key, policy)?),
        403 => report.warning(
            Area::Url,
            found,
            "the key is right; give something that this client may get by --path",
        ),
        _ => report.problem(Area::Url, found, "the message says what is missing"),
    }
    Ok(())
}

/// Why the policy in the cluster does not take the key; the gateway tells no client.
fn refused(key: &str, policy: Option<&Found>) -> anyhow::Result<String> {
    let Some(Found { loaded, .. }) = policy else {
        return Ok("mend the policy first".to_owned());
    };
    Ok(match loaded.policy.identify(key.as_bytes(), now()?) {
        Ok(client) => format!(
            "the policy in the cluster takes this key, of {}: is it in force? See `sourceRanges`, too",
            client.name()
        ),
        Err(why @ KeyRefused::Unknown) => {
            format!("{why}: compare with what `keyhole key digest < FILE` prints")
        }
        Err(why) => format!("{why}: make a new one with `keyhole key rotate`"),
    })
}

// === impl Answer ===

impl Answer {
    fn body(&self) -> Body {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn shown(&self) -> String {
        let message = self.body().message;
        match message.is_empty() {
            true => self.status.to_string(),
            false => format!("{}: {message}", self.status),
        }
    }
}
