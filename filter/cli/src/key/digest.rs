//! `keyhole key digest`.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use keyhole_core::{KEY_PREFIX, KeyDigest};

use crate::Outcome;

#[derive(Args)]
pub(crate) struct Arguments {
    /// A file that holds the key and nothing else; standard input if left out.
    file: Option<PathBuf>,
}

/// Longer keys are not looked at by the gateway.
const MAX_KEY_BYTES: usize = 512;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let key = match &arguments.file {
        Some(file) => {
            // Not repeated here, for this may be logged.
            ensure!(
                !file.to_string_lossy().contains(KEY_PREFIX) || file.exists(),
                "a key on the command line is seen by other users and kept by the shell: make \
                 another one, and give it by standard input or in a file"
            );
            let shown = file.display();
            read(File::open(file).with_context(|| format!("cannot read {shown}"))?)
        }
        None => {
            let input = io::stdin();
            ensure!(
                !input.is_terminal(),
                "no key was given: write `keyhole key digest < FILE`"
            );
            read(input.lock())
        }
    };
    let key = key.context("the key cannot be read")?;
    let key = key.strip_suffix(b"\n").unwrap_or(&key);
    let key = key.strip_suffix(b"\r").unwrap_or(key);
    ensure!(!key.is_empty(), "the key is empty");
    ensure!(
        key.len() <= MAX_KEY_BYTES,
        "the key is longer than 512 bytes: the gateway takes no such key"
    );
    ensure!(
        key.iter().all(u8::is_ascii_graphic),
        "the key has a blank, or a byte that is no ASCII letter, digit or sign: give the key and \
         nothing else"
    );
    println!("{}", KeyDigest::of(key).to_hex());
    Ok(Outcome::Done)
}

/// As much as a key and its line end can be, and a byte more.
fn read(input: impl Read) -> io::Result<Vec<u8>> {
    let mut key = Vec::new();
    let most = u64::try_from(MAX_KEY_BYTES).unwrap_or(u64::MAX).saturating_add(3);
    input.take(most).read_to_end(&mut key)?;
    Ok(key)
}
