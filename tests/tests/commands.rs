//! The transcripts of `tests/cases/commands/*.console`: what each command prints,
//! and how it exits. `KEYHOLE_BLESS=1` writes them anew, to be read before they
//! are committed. They run in that folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use keyhole_core::{KeyDigest, KeyRefused, UnixTime, load_policy};
use keyhole_tests::console::Console;
use keyhole_tests::stack::root;

fn folder() -> PathBuf {
    root().join("tests/cases/commands")
}

#[test]
fn every_command_prints_what_its_transcript_says() {
    let console = Console::new(&folder(), Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "console")).collect();
    assert!(!files.is_empty());
    for file in files {
        let written = fs::read_to_string(&file).unwrap();
        let now = console.rerun(&written).unwrap();
        if env::var_os("KEYHOLE_BLESS").is_some() {
            fs::write(&file, now).unwrap();
        } else {
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
