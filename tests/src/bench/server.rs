//! A process under measurement.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Core;

/// How long the largest policy may take to load.
const PATIENCE: Duration = Duration::from_secs(180);

/// Ends with its owner.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
}

// === impl Server ===

impl Server {
    /// Runs a command on one core.
    pub fn start(core: Core, command: &mut Command, log: &Path) -> Result<Self> {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &(core as u8).to_string()]).arg(command.get_program());
        pinned.args(command.get_args()).stdin(Stdio::null());
        let file = File::create(log)?;
        let child = pinned.stdout(file.try_clone()?).stderr(file).spawn();
        Ok(Self { child: child.context("missing: taskset")?, log: log.to_owned() })
    }

    /// Waits until `is_ready`.
    pub fn wait(&mut self, is_ready: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_ready() {
            let log = self.log.display();
            ensure!(self.child.try_wait()?.is_none(), "it ended at once: see {log}");
            ensure!(Instant::now() < deadline, "it did not get ready: see {log}");
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The time that it has spent on a processor.
    pub fn cpu(&self) -> Result<Duration> {
        spent(self.child.id())
    }

    pub fn rss_bytes(&self) -> Result<u64> {
        rss_bytes(self.child.id())
    }
}

/// The time that all threads of a process have spent on a processor.
pub(super) fn spent(process: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let spent = fs::read_to_string(task?.path().join("schedstat"))?;
        let spent = spent.split(' ').next().context("no time in schedstat")?;
        nanoseconds += spent.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The memory of a process that is in use and not swapped out.
pub(super) fn rss_bytes(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(kilobytes.parse::<u64>()? << 10)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it can be ended");
    }
}
