//! The T-SQL kit, as far as it can be judged without a SQL Server: it parses, names
//! what is there, reads what the gateway answers, and sends what `calls.toml` says.

use std::process::Command;

use keyhole_tests::stack::root;

#[test]
fn the_kit_passes_its_checks() {
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "discover", "--start-directory", "tests/sql"])
        .current_dir(root())
        .env("PYTHONPATH", root().join(".tools/sqlfluff"))
        .output()
        .expect("python3 starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Python before 3.12 is content without any test.
    let ran = said.lines().find(|line| line.starts_with("Ran ")).unwrap_or_default();
    assert!(!ran.is_empty() && !ran.starts_with("Ran 0 "), "{said}");
}
