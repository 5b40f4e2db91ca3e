//! How often the core's step for one request allocates: once for each thing that
//! it writes, and for little else, however large the policy is.

use keyhole_core::{Body, Policy, Verdict};
use keyhole_tests::sample::{self, Gateway};

#[test]
fn an_allowed_request_allocates_what_it_writes() {
    count(sample::policy(1, 20));
}

#[test]
fn promise_9_no_more_with_ten_thousand_clients() {
    count(sample::policy(10_000, 1000));
}

fn count(policy: Policy) {
    let mut gateway = Gateway::new(policy);
    // Written: the list, the target, the user agent, the bearer token.
    for (target, expected) in [
        ("/api/v1/namespaces/d0/pods/web-0", 4),
        // and one value that is decoded, byte by byte
        ("/api/v1/namespaces/d0/pods?limit=500&labelSelector=app%3Dweb", 6),
    ] {
        let headers = sample::headers("GET", target);
        // The first of a kind finds a token, and begins a count.
        gateway.judge(&headers, Body::Empty);
        let counted = allocation_counter::measure(|| {
            let verdict = gateway.request(&headers, Body::Empty);
            assert!(matches!(verdict, Some(Verdict::Forward(_))));
        });
        assert_eq!(counted.count_total, expected, "{target}: {counted:?}");
    }
}
