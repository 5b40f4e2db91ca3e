//! A wall clock of a process's own, that jumps as a test says.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::stack::{root, text};

/// What `tests/envoy/clock.c` reads.
#[derive(Debug)]
pub struct Clock {
    offset: PathBuf,
    library: PathBuf,
}

// === impl Clock ===

impl Clock {
    /// A clock that is right as yet; its files lie in this folder.
    pub fn new(state: &Path) -> Result<Self> {
        let (offset, library) = (state.join("clock"), state.join("clock.so"));
        let output = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(root().join("tests/envoy/clock.c"))
            .output()?;
        ensure!(output.status.success(), "{}", text(&output));
        let clock = Self { offset, library };
        clock.set(0)?;
        Ok(clock)
    }

    /// Puts the clock so many seconds before the right time, or after it. Written in
    /// place: the process has the file in its memory.
    pub fn set(&self, seconds: i64) -> Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(false).open(&self.offset)?;
        Ok(file.write_all(&seconds.to_ne_bytes())?)
    }

    /// What a process must be started with.
    pub fn variables(&self) -> [(&str, &str); 2] {
        let [library, offset] = [&self.library, &self.offset]
            .map(|path| path.to_str().expect("the folder has a plain name"));
        [("LD_PRELOAD", library), ("KEYHOLE_CLOCK", offset)]
    }
}
