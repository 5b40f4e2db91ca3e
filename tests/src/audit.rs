//! kube-apiserver's audit log: what arrived, and as whom.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
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

/// Reads what is added to a log, over its rotations.
#[derive(Debug)]
pub struct Follower {
    log: AuditLog,
    reader: BufReader<File>,
    /// The beginning of a line whose end is not written yet.
    line: String,
}

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
        events.retain(Event::is_token_request);
        Ok(events)
    }

    /// From its beginning.
    pub fn follow(&self) -> Result<Follower> {
        let reader = BufReader::new(File::open(&self.0)?);
        Ok(Follower { log: self.clone(), reader, line: String::new() })
    }
}

// === impl Follower ===

impl Follower {
    /// The number of TokenRequests since the last call.
    pub fn token_requests(&mut self) -> Result<usize> {
        let count = self.read()?;
        let (old, new) = (self.reader.get_ref().metadata()?, fs::metadata(&self.log.0)?);
        if old.ino() == new.ino() {
            return Ok(count);
        }
        // Something may have been written between reading and the rotation.
        let count = count + self.read()?;
        self.reader = BufReader::new(File::open(&self.log.0)?);
        Ok(count + self.read()?)
    }

    fn read(&mut self) -> Result<usize> {
        let mut count = 0;
        while self.reader.read_line(&mut self.line)? > 0 {
            if self.line.ends_with('\n') {
                // Reading each of very many events would take long.
                if self.line.contains("/token\"") {
                    count += usize::from(
                        Event(serde_json::from_str(&self.line)?).is_token_request(),
                    );
                }
                self.line.clear();
            }
        }
        Ok(count)
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

    /// By the gateway.
    fn is_token_request(&self) -> bool {
        self.text("/objectRef/subresource") == "token"
            && self.user() == "system:serviceaccount:keyhole:keyhole"
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
