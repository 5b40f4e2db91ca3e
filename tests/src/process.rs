//! The processes of a stack, ended, and started again with their own command lines.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::stack::Stack;

/// How long a process may take to get ready, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with its owner.
#[derive(Debug)]
pub struct Restarted(Child);

// === impl Stack ===

impl Stack {
    /// Kills one process of the stack and waits for its end.
    pub fn kill(&self, process: &str) -> Result<()> {
        end(self.id(process)?, "-KILL")
    }

    /// Lets one process of the stack end in its own way, and waits for it.
    pub fn terminate(&self, process: &str) -> Result<()> {
        end(self.id(process)?, "-TERM")
    }

    /// Ends a process and starts it again as it was, to read its configuration anew.
    pub fn restart(&self, process: &str) -> Result<Restarted> {
        self.terminate(process)?;
        self.start_again(process, &[])
    }

    pub fn restart_envoy(&self) -> Result<Restarted> {
        self.restart("envoy")
    }

    /// Starts a process that has ended with the command line that `up` gave it and
    /// these variables, and waits until it is ready.
    pub fn start_again(&self, process: &str, variables: &[(&str, &str)]) -> Result<Restarted> {
        let command = self.commands.get(process).context("no such process")?;
        let (program, arguments) = command.split_first().context("no command")?;
        let log = self.state().join(format!("logs/{process}-restarted.log"));
        let started = Command::new(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(OpenOptions::new().create(true).append(true).open(log)?)
            .spawn()
            .map(Restarted)?;
        self.remember(process, started.0.id())?;
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready(process) {
            ensure!(is_alive(started.0.id()), "{process} ended at once");
            ensure!(Instant::now() < deadline, "{process} did not get ready again");
            thread::sleep(Duration::from_millis(100));
        }
        Ok(started)
    }

    fn is_ready(&self, process: &str) -> bool {
        match process {
            "envoy" => self.admin("GET", "/ready").is_ok(),
            "kube-apiserver" => self.kubectl(&["get", "--raw", "/readyz"]).is_ok(),
            _ => true,
        }
    }

    /// The id of the process that was started last under this name.
    pub(crate) fn id(&self, process: &str) -> Result<u32> {
        let processes = fs::read_to_string(self.state().join("processes"))?;
        let line = processes.lines().rfind(|line| line.split(' ').nth(1) == Some(process));
        let id = line.and_then(|line| line.split(' ').next()).context("no such process")?;
        Ok(id.parse()?)
    }

    /// Notes a process as `up` does, for `down`.
    fn remember(&self, process: &str, id: u32) -> Result<()> {
        let output =
            Command::new("ps").args(["-o", "lstart=", "-p", &id.to_string()]).output()?;
        let started = String::from_utf8(output.stdout)?;
        let mut file = OpenOptions::new().append(true).open(self.state().join("processes"))?;
        Ok(writeln!(file, "{id} {process} {}", started.trim_end())?)
    }
}

// === impl Restarted ===

impl Restarted {
    /// Lets it end in its own way, and waits for it.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        let id = self.0.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        Ok(self.0.wait()?)
    }
}

impl Drop for Restarted {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it can be ended");
    }
}

/// The command lines of the processes that `up` noted and that run.
pub(crate) fn commands(state: &Path) -> Result<HashMap<String, Vec<String>>> {
    let processes =
        fs::read_to_string(state.join("processes")).context("nothing is running")?;
    let commands = processes.lines().filter_map(|line| {
        let (id, rest) = line.split_once(' ')?;
        let (name, _) = rest.split_once(' ')?;
        let command = fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
        let words = command.split_terminator('\0').map(str::to_owned).collect();
        Some((name.to_owned(), words))
    });
    Ok(commands.collect())
}

fn end(id: u32, signal: &str) -> Result<()> {
    Command::new("kill").args([signal, &id.to_string()]).stderr(Stdio::null()).status()?;
    let deadline = Instant::now() + PATIENCE;
    while is_alive(id) {
        ensure!(Instant::now() < deadline, "a process did not end on {signal}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Runs, and is not a zombie that nobody reaps.
fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
