//! The transcripts of `tests/cases/commands/*.console`: what each command prints,
//! and how it exits. `KEYHOLE_BLESS=1` writes them anew, to be read before they
//! are committed.
//!
//! A transcript is `$ keyhole ...`, its output (a line on stderr starts with `! `),
//! and `? N` if it exits with anything but 0. It runs in that folder. A line that
//! starts with `## ` says what the next ones show.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use keyhole_core::{KeyDigest, KeyRefused, UnixTime, load_policy};
use keyhole_tests::stack::root;

fn folder() -> PathBuf {
    root().join("tests/cases/commands")
}

/// Runs a command line: words between spaces, or in single quotes; `< FILE` at
/// its end is what it reads.
fn run(line: &str) -> String {
    let (line, input) = match line.split_once(" < ") {
        Some((line, file)) => (line, Stdio::from(fs::File::open(folder().join(file)).unwrap())),
        None => (line, Stdio::null()),
    };
    let quoted = line.split('\'').enumerate();
    let words = quoted.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    });
    let words: Vec<String> = words.collect();
    assert_eq!(words[0], "keyhole", "{line}");
    let output = Command::new(root().join("target/debug/keyhole"))
        .args(&words[1..])
        .current_dir(folder())
        .stdin(input)
        .output()
        .unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        text.push_str(&format!("! {line}\n"));
    }
    match output.status.code() {
        Some(0) => text,
        code => format!("{text}? {}\n", code.expect("it ends by itself")),
    }
}

/// The same transcript, with what the commands print now.
fn rerun(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let mut now = String::new();
    for block in text
        .split_inclusive('\n')
        .filter(|line| line.starts_with("$ ") || line.starts_with("## "))
    {
        match block.strip_prefix("$ ") {
            Some(command) => now.push_str(&format!("{block}{}", run(command.trim_end()))),
            None => now.push_str(block),
        }
    }
    now
}

#[test]
fn every_command_prints_what_its_transcript_says() {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "console")).collect();
    assert!(!files.is_empty());
    for file in files {
        let now = rerun(&file);
        if env::var_os("KEYHOLE_BLESS").is_some() {
            fs::write(&file, now).unwrap();
        } else {
            let written = fs::read_to_string(&file).unwrap();
            assert_eq!(now, written, "{}", file.display());
        }
    }
}

/// The policy keeps all its lines but for what the rotation is about, and the key
/// that is printed is the one whose digest is put in.
#[test]
fn a_rotated_key_is_printed_once_and_its_digest_put_into_the_policy() {
    let written = fs::read_to_string(folder().join("shop.yaml")).unwrap();
    let key_file = root().join("target/rotated-key");
    let _ = fs::remove_file(&key_file);
    for key_option in [vec![], vec!["--key-file", key_file.to_str().unwrap()]] {
        let output = Command::new(root().join("target/debug/keyhole"))
            .args(["key", "rotate", "sql-prod-01", "shop.yaml"])
            .args(&key_option)
            .current_dir(folder())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let (rotated, said) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        let key =
            if key_option.is_empty() { said } else { fs::read_to_string(&key_file).unwrap() };
        let key = key.lines().find(|line| line.starts_with("keyhole_sql-prod-01_")).unwrap();
        let digest = KeyDigest::of(key.as_bytes()).to_hex();
        assert!(!rotated.contains(key));
        let policy = load_policy(&rotated).unwrap().policy;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let owner = |key: &str, days: u64| {
            let time = UnixTime::from_secs(now + days * 86_400);
            policy.identify(key.as_bytes(), time).map(|client| client.name().to_string())
        };
        assert_eq!(owner(key, 0).as_deref(), Ok("sql-prod-01"));
        assert_eq!(owner(key, 364).as_deref(), Ok("sql-prod-01"));
        assert_eq!(owner(key, 366), Err(KeyRefused::Expired));
        // The old key had ended already, so two lines are new, and no other changed.
        let new: Vec<&str> =
            rotated.lines().filter(|line| !written.lines().any(|old| old == *line)).collect();
        assert_eq!(new.len(), 2, "{new:?}");
        assert_eq!(new[0], format!("  - sha256: \"{digest}\""));
        let kept: Vec<&str> = rotated.lines().filter(|line| !new.contains(line)).collect();
        assert_eq!(kept, written.lines().collect::<Vec<_>>());
    }
}
