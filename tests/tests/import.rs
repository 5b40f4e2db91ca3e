//! What `keyhole rbac generate` prints, `keyhole rbac import` reads back.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io::Write};

use keyhole_core::list_policy;
use keyhole_tests::stack::root;
use serde_json::{Value, json};

/// Runs the command, and gives back what it printed.
fn keyhole(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(root().join("target/debug/keyhole"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The policy with the roles of each client replaced by those that its account has.
fn from_rbac(file: &Path) -> Value {
    let text = fs::read_to_string(file).unwrap();
    let rbac = keyhole(&["rbac", "generate", "--exact", file.to_str().unwrap()], "");
    let mut policy: Value = serde_saphyr::from_str(&text).unwrap();
    let mut all = Vec::new();
    for (index, client) in
        list_policy(&text).unwrap().loaded.policy.clients().iter().enumerate()
    {
        let account = client.account().to_string();
        let imported = keyhole(&["rbac", "import", "--account", &account, "-"], &rbac);
        let mut imported: Value = serde_saphyr::from_str(&imported).unwrap();
        let mut names = Vec::new();
        for role in imported["roles"].as_array_mut().unwrap() {
            role["name"] = json!(format!("c{index}-{}", role["name"].as_str().unwrap()));
            names.push(role["name"].clone());
            all.push(role.clone());
        }
        policy["clients"][index]["roles"] = json!(names);
    }
    policy["roles"] = json!(all);
    policy
}

#[test]
fn a_policy_that_became_rbac_comes_back_with_no_change() {
    for name in ["shop.yaml", "rbac-everywhere.yaml"] {
        let file = root().join("tests/cases/commands").join(name);
        let back = root().join(format!("target/imported-{name}.json"));
        fs::write(&back, from_rbac(&file).to_string()).unwrap();
        let (file, back) = (file.to_str().unwrap(), back.to_str().unwrap());
        assert_eq!(keyhole(&["policy", "diff", file, back], ""), "no change\n");
    }
}
