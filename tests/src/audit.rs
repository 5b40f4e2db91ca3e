//! kube-apiserver's audit log: what arrived, and as whom.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result};
use serde_json::Value;

/// The log of one apiserver.
#[derive(Clone, Debug)]
pub struct AuditLog(pub PathBuf);

/// One request, as the apiserver understood it.
#[derive(Clone, Debug)]
pub struct Event(Value);

// === impl AuditLog ===

impl AuditLog {
    pub fn events(&self) -> Result<Vec<Event>> {
        let text = fs::read_to_string(&self.0).context("no audit log")?;
        text.lines().map(|line| Ok(Event(serde_json::from_str(line)?))).collect()
    }

    /// The event of the request that was answered with this id; the gateway makes
    /// its request id the audit id. `None` if nothing arrived.
    pub fn find(&self, request_id: &str) -> Result<Option<Event>> {
        let deadline = Instant::now() + Duration::from_secs(1);
        loop {
            let found =
                self.events()?.into_iter().find(|event| event.text("/auditID") == request_id);
            if found.is_some() || Instant::now() > deadline {
                return Ok(found);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The TokenRequests so far.
    pub fn token_requests(&self) -> Result<Vec<Event>> {
        let mut events = self.events()?;
        events.retain(|event| {
            event.text("/objectRef/subresource") == "token"
                && event.text("/user/username") == "system:serviceaccount:keyhole:keyhole"
        });
        Ok(events)
    }
}

// === impl Event ===

impl Event {
    /// A field, by JSON pointer; empty if it is not there.
    pub fn text(&self, pointer: &str) -> String {
        match self.0.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }

    pub fn user(&self) -> String {
        self.text("/user/username")
    }

    /// `verb group/resource/subresource namespace/name`, or `verb path`.
    pub fn attributes(&self) -> String {
        if self.0.get("objectRef").is_none() {
            return format!("{} {}", self.text("/verb"), self.text("/requestURI"));
        }
        let object = |field: &str| self.text(&format!("/objectRef/{field}"));
        format!(
            "{} {}/{}/{} {}/{}",
            self.text("/verb"),
            object("apiGroup"),
            object("resource"),
            object("subresource"),
            object("namespace"),
            object("name")
        )
    }
}
