//! The programs that `scripts/setup-mesh` builds, run beside a stack.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use keyhole_tests::stack::{Stack, root};

/// How long a program may take to get ready; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that ends with its owner.
pub struct Program {
    child: Child,
    pub log: PathBuf,
}

// === impl Program ===

impl Program {
    /// Its log lies among those of the stack.
    pub fn start(mut command: Command, name: &str, stack: &Stack) -> Self {
        let log = stack.state().join(format!("logs/{name}.log"));
        let file = File::create(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Until something holds, while the program runs.
    pub fn until(&mut self, what: &str, holds: impl FnMut() -> bool) {
        let child = &mut self.child;
        until(what, &self.log, holds, || child.try_wait().unwrap().is_none());
    }
}

impl Drop for Program {
    /// In its own way at first, so that what it started itself ends, too.
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let deadline = Instant::now() + Duration::from_secs(15);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(
    what: &str,
    log: &Path,
    mut holds: impl FnMut() -> bool,
    mut runs: impl FnMut() -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(runs(), "{what}: it has ended; see {}", log.display());
        assert!(Instant::now() < deadline, "{what}: too late; see {}", log.display());
        thread::sleep(Duration::from_millis(100));
    }
}

/// A program of `.tools/mesh`.
pub fn program(name: &str) -> Command {
    let program = tools().join(name);
    assert!(program.is_file(), "missing: {}. Run scripts/setup-mesh.", program.display());
    Command::new(program)
}

pub fn tools() -> PathBuf {
    root().join(".tools/mesh")
}

/// Ports of 127.0.0.1 that nobody listens on.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
