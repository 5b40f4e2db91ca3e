//! The server that a call runs on (rows 25 and 28).

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use super::answer::Answer;
use super::call::Call;
use super::cloud::Cloud;
use super::credential::Credential;
use super::deadline::Deadline;
use super::envelope;
use super::error::Error;
use super::exchange::Connector;
use super::request::Request;
use super::retry;
use super::slots::Slots;
use super::trust;

/// A SQL Server with a database in which calls run.
#[derive(Debug)]
pub struct Instance {
    credentials: Vec<Credential>,
    connector: Connector,
    slots: Slots,
    options: Options,
}

#[derive(Clone, Debug)]
pub struct Options {
    /// `external rest endpoint enabled`
    pub enabled: bool,
    /// Whether the caller has EXECUTE ANY EXTERNAL ENDPOINT.
    pub permitted: bool,
    pub user_agent: String,
    pub alpn: bool,
    /// Whether connections are kept for the next call.
    pub keep_alive: bool,
    /// Whether `; charset=utf-8` follows a Content-Type of the caller's.
    pub charset_on_overrides: bool,
    pub workers: usize,
    /// Azure's rules, which a boxed edition does not have.
    pub cloud: Option<Cloud>,
}

// === impl Instance ===

impl Instance {
    /// Starts up: reads the CA directory, or the one file, once.
    pub fn start(ca: &Path, options: Options) -> Result<Self> {
        let connector = Connector {
            tls: Arc::new(trust::tls(ca, options.alpn)?),
            cloud: options.cloud.clone(),
            kept: options.keep_alive.then(Default::default),
        };
        let slots = Slots::of(options.workers);
        Ok(Self { credentials: Vec::new(), connector, slots, options })
    }

    #[must_use]
    pub fn with(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    /// `EXEC @return_value = sp_invoke_external_rest_endpoint ...`
    pub fn invoke(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let Options { enabled, permitted, cloud, .. } = &self.options;
        if !enabled {
            return Err(Error::Disabled);
        }
        if !permitted {
            return Err(Error::NoPermission);
        }
        let deadline = Deadline::after(call.timeout()?);
        let retries = call.retries()?;
        let credential = call.credential.map(|name| self.credential(name)).transpose()?;
        let request = Request::new(call, credential, &self.options)?;
        if let Some(cloud) = cloud {
            cloud.check_domain(&request.url.host)?;
        }
        let _slot = self.slots.take()?;
        let response =
            retry::run(retries, deadline, || self.connector.send(&request, deadline))?;
        Ok(Answer {
            response: envelope::wrap(&response, request.accept)?,
            return_value: if matches!(response.status, 200..300) { 0 } else { response.status },
            warnings: request.warnings,
        })
    }

    fn credential(&self, name: &str) -> Result<&Credential, Error> {
        let mut granted = self.credentials.iter().filter(|credential| credential.granted);
        let found = granted.find(|credential| credential.name() == name);
        found.ok_or_else(|| Error::CredentialNotFound(name.to_owned()))
    }
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            enabled: true,
            permitted: true,
            user_agent: "SQL Server double/17.0.1000.7".to_owned(),
            alpn: true,
            keep_alive: false,
            charset_on_overrides: false,
            workers: 512,
            cloud: None,
        }
    }
}
