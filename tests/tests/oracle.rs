//! Keyhole reads requests as kube-apiserver does.

use keyhole_tests::stack::Stack;
use keyhole_tests::{discovery, oracle};

#[test]
fn both_read_whatever_is_forwarded_in_the_same_way() {
    let report = oracle::run(100_000, fastrand::u64(..), |_| {}).unwrap();
    assert!(report.mismatches.is_empty(), "{}", report.mismatches.join("\n"));
    // A comparison of too few would prove nothing.
    assert!(report.forwarded * 5 >= report.requests, "{report:?}");
}

#[test]
fn the_recorded_discovery_is_the_real_ones() {
    let mut live = discovery::live(Stack::shared()).unwrap();
    let mut recorded = discovery::recorded();
    live.sort_by_key(discovery::Resource::line);
    recorded.sort_by_key(discovery::Resource::line);
    let text: Vec<String> = live.iter().map(discovery::Resource::line).collect();
    assert_eq!(live, recorded, "tests/cases/discovery.tsv should be:\n{}", text.join("\n"));
}
