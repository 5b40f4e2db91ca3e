//! `scripts/bench` runs, and what it sees is of the right order of magnitude. Other things run here, too:
//! its promises are for an idle machine, and the margins here are wide.

use std::fs;
use std::process::Command;

use keyhole_tests::bench::report::Spread;
use keyhole_tests::stack::root;
use serde_json::Value;

#[test]
fn a_quick_benchmark_runs_and_its_figures_are_of_the_right_order() {
    let output = Command::new(root().join("scripts/bench"))
        .arg("--quick")
        // Built already, as a part of this test.
        .env("KEYHOLE_BENCH", env!("CARGO_BIN_EXE_bench"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let seen = fs::read_to_string(root().join("target/bench/bench.json")).unwrap();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert!(!seen["ratios"].as_array().unwrap().is_empty(), "{printed}");
    let cpu = |name: &str| {
        let rows = seen["report"]["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        let rounds = row["rounds"].as_array().unwrap().iter();
        Spread::of(rounds.map(|round| round["cpu_us"].as_f64().unwrap())).median
    };
    // On an idle machine 1.2, and 1.0.
    assert!(cpu("keyhole") < 3.0 * cpu("bare"), "{printed}");
    assert!(cpu("keyhole, 10,000") < 2.0 * cpu("keyhole"), "{printed}");
    let chart = fs::read_to_string(root().join("target/bench/bench.svg")).unwrap();
    assert!(roxmltree::Document::parse(&chart).is_ok(), "{chart}");
}
