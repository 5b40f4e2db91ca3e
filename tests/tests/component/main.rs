//! The component judges as the core does: the rows of `tests/cases/*.toml`, and the policies
//! of `tests/cases/commands`, on the core natively, on the component under wasmtime, and on
//! the component by jco under Node.

mod host;
mod native;
mod node;
mod question;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use keyhole_tests::cases;
use keyhole_tests::component::{MOST_BYTES, component, node as node_with};
use keyhole_tests::page::{blocks, page};
use keyhole_tests::stack::root;

use self::host::Host;
use self::question::{Documents, Judged, Rows};

#[test]
fn each_row_comes_out_as_natively_under_wasmtime_and_by_jco() {
    let cases = cases::all().unwrap();
    let rows = Rows::of(&cases::policy().unwrap(), &cases);
    let natively = native::judged(&rows);
    assert!(natively.len() > 200, "{}", natively.len());
    for ((file, case), judged) in cases.iter().zip(&natively) {
        let expected = case.core.as_ref().unwrap_or(&case.expect);
        assert_eq!(judged.outcome(), *expected, "{file}: {case:?}");
    }
    let elsewhere = [("wasmtime", Host::new().judged(&rows)), ("jco", node::judged(&rows))];
    for (how, came) in &elsewhere {
        assert_eq!(came.len(), natively.len(), "{how}");
        let differences = differences(&rows, &natively, came);
        assert!(differences.is_empty(), "{how}:\n{}", differences.join("\n"));
        println!("{how}: rows {}, differences {}", came.len(), differences.len());
    }
}

fn differences(rows: &Rows, natively: &[Judged], came: &[Judged]) -> Vec<String> {
    let pairs = rows.rows.iter().zip(natively.iter().zip(came));
    let different = pairs.filter(|(_, (natively, came))| natively != came);
    different
        .map(|(row, (natively, came))| format!("{row:?}: {natively:?}, {came:?}"))
        .collect()
}

#[test]
fn policies_are_checked_and_compared_as_natively_under_wasmtime_and_by_jco() {
    let documents = Documents::of_commands().unwrap();
    let natively = native::read(&documents);
    assert!(natively.checked.iter().any(|checked| checked.starts_with("valid")));
    assert!(natively.checked.iter().any(|checked| checked.starts_with("problem")));
    assert!(natively.diffs.iter().any(String::is_empty));
    assert!(natively.diffs.iter().any(|diff| diff.contains("  + ")));
    assert_eq!(Host::new().read(&documents), natively);
    assert_eq!(node::read(&documents), natively);
}

#[test]
fn the_component_is_small_and_imports_nothing() {
    let length = fs::read(component()).unwrap().len();
    assert!(length <= MOST_BYTES, "{length} bytes");
    assert_eq!(Host::new().imports(), [""; 0]);
}

#[test]
fn the_examples_explain_a_request_as_the_command_does() {
    let policy = root().join("tests/cases/commands/shop.yaml");
    let mut keyhole = Command::new(root().join("target/debug/keyhole"));
    keyhole.args(["policy", "explain"]).arg(&policy).args(["--client", "sql-prod-01", "--"]);
    let expected = output(keyhole.args(["DELETE", "/api/v1/namespaces/shop/pods/web-0"]));
    let expected = expected.replace(policy.to_str().unwrap(), "policy");
    assert!(expected.starts_with("denied, 403"), "{expected}");
    let mut rust = Command::new(root().join("target/debug/examples/explain"));
    rust.arg(component());
    let javascript = node_with("filter/component/examples/explain.mjs");
    for example in [rust, javascript] {
        assert_eq!(explained(example, &policy), expected);
    }
}

#[test]
fn every_command_of_the_page_prints_what_it_shows() {
    let blocks = blocks(&page("docs/component.md"), "console");
    assert_eq!(blocks.len(), 4);
    let commands = blocks.iter().flat_map(|block| block.split("$ ").skip(1));
    for command in commands {
        let (command, shown) = command.split_once('\n').unwrap_or((command, ""));
        let mut bash = Command::new("bash");
        // What cargo says of this crate would have crates that look at it built anew.
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_")) {
            bash.env_remove(name);
        }
        bash.env_remove("CARGO_MANIFEST_DIR");
        let printed = output(bash.args(["-euc", command]).current_dir(root()));
        if !shown.is_empty() {
            assert_eq!(printed.trim_end(), shown.trim_end(), "{command}");
        }
    }
}

fn explained(mut example: Command, policy: &Path) -> String {
    example.arg(policy).args(["sql-prod-01", "DELETE", "/api/v1/namespaces/shop/pods/web-0"]);
    output(&mut example)
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.stderr.is_empty(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
