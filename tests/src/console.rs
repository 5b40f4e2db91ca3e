//! Transcripts: commands, and what they print.
//!
//! A command is a line `$ ...`, for bash. Its output follows: first what it prints,
//! then a line with `! ` before it for each on stderr, then `? N` if it exits with
//! anything but 0. `…` stands for the rest of a word, which may change. A line that
//! starts with `## ` says what the next ones show.
//!
//! All of it happens on one day, so that keys do not expire.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::clock::Clock;
use crate::stack::{kube, root};

/// 2026-12-01, noon.
const DAY: u64 = 1_796_126_400;

/// A shell in a folder, with `keyhole`, `kubectl` and `jq`.
#[derive(Debug)]
pub struct Console {
    folder: PathBuf,
    clock: Clock,
    variables: Vec<(String, String)>,
}

// === impl Console ===

impl Console {
    /// `state` is a folder of its own.
    pub fn new(folder: &Path, state: &Path) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let clock = Clock::new(state)?;
        clock.set(i64::try_from(DAY)? - i64::try_from(now)?)?;
        Ok(Self { folder: folder.to_owned(), clock, variables: Vec::new() })
    }

    /// The same with this variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The transcript with what its commands print now.
    pub fn rerun(&self, transcript: &str) -> Result<String> {
        let mut rerun = String::new();
        let mut lines = transcript.split_inclusive('\n').peekable();
        while let Some(line) = lines.next() {
            let is_output = |line: &&str| !line.starts_with("$ ") && !line.starts_with("## ");
            let mut written = String::new();
            while let Some(output) = lines.next_if(is_output) {
                written.push_str(output);
            }
            rerun.push_str(line);
            if let Some(command) = line.strip_prefix("$ ") {
                let now = self.run(command.trim_end())?;
                rerun.push_str(if fits(&written, &now) { &written } else { &now });
            }
        }
        Ok(rerun)
    }

    fn run(&self, command: &str) -> Result<String> {
        let mut path = vec![root().join("target/debug"), kube(), root().join(".tools/jq")];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let output = Command::new("bash")
            .args(["-c", command])
            .current_dir(&self.folder)
            .env("PATH", env::join_paths(path)?)
            .envs(self.clock.variables())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()?;
        let mut text = String::from_utf8(output.stdout)?;
        for line in String::from_utf8(output.stderr)?.lines() {
            text.push_str(&format!("! {line}\n"));
        }
        match output.status.code().context("a command was killed")? {
            0 => Ok(text),
            code => Ok(format!("{text}? {code}\n")),
        }
    }
}

/// Word by word, each with the blank or line end behind it.
fn fits(written: &str, now: &str) -> bool {
    let words = |text| str::split_inclusive(text, [' ', '\n']);
    let fits = |(written, now): (&str, &str)| match written.split_once('…') {
        Some((start, end)) => now.starts_with(start) && now.ends_with(end),
        None => written == now,
    };
    words(written).count() == words(now).count() && words(written).zip(words(now)).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ellipsis_stands_for_the_rest_of_a_word_and_nothing_else_does() {
        for (written, now, expected) in [
            ("a key abc…\n", "a key abcdef\n", true),
            ("a key abc…, b\n", "a key abcdef, b\n", true),
            ("a key abc…\n", "a key abdef\n", false),
            ("a key abc…\n", "a key abc def\n", false),
            ("a key abc…\n", "a key abc\nmore\n", false),
            ("a key abc\n", "a key abcdef\n", false),
            ("", "a", false),
            ("a b\n", "a\nb\n", false),
        ] {
            assert_eq!(fits(written, now), expected, "{written} {now}");
        }
    }
}
