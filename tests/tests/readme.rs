//! Every command and every policy in the README works.

use std::process::Command;
use std::{env, fs};

use keyhole_tests::stack::root;

/// The fenced blocks of one language, in order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).filter_map(|rest| rest.split_once("\n```"));
    blocks.map(|(block, _)| block.to_owned()).collect()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

#[test]
fn every_command_runs() {
    let state = root().join("target/e2e/readme");
    let blocks = blocks(&readme(), "console");
    assert_eq!(blocks.len(), 3);
    // `scripts/test` runs this test, and then the demo.
    assert_eq!(blocks[0], "$ ./scripts/demo\n$ ./scripts/test");
    for block in &blocks[1..] {
        let commands: Vec<&str> =
            block.lines().map(|line| line.strip_prefix("$ ").expect("a command")).collect();
        let script = commands.join("\n").replace("target/up", "target/e2e/readme");
        let path =
            format!("{}:{}", root().join("target/debug").display(), env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-euc", &script])
            .current_dir(root())
            .env("PATH", path)
            .env("KEYHOLE_STATE", &state)
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}\n{output:?}");
    }
    assert!(!state.join("processes").exists());
}

#[test]
fn the_policy_is_valid() {
    let file = root().join("target/readme-policy.yaml");
    fs::write(&file, &blocks(&readme(), "yaml")[0]).unwrap();
    let check = Command::new(root().join("target/debug/keyhole"))
        .args(["policy", "check"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(check.status.success(), "{check:?}");
}
