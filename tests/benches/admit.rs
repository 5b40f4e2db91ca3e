//! The core's whole step for one request, with a token at hand: parse, look up,
//! decide, rebuild. With one client and its two roles, and with 10,000 clients and
//! 1,000 rules: the two should cost the same.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use keyhole_core::{Body, Verdict};
use keyhole_tests::sample::{self, Gateway};

fn bench(criterion: &mut Criterion) {
    for (size, (clients, rules)) in [("1x20", (1, 20)), ("10000x1000", (10_000, 1000))] {
        let mut gateway = Gateway::new(sample::policy(clients, rules));
        gateway.judge(&sample::headers("GET", "/api/v1/namespaces/d0/pods"), Body::Empty);
        for (name, method, target, allowed) in [
            ("list", "GET", "/api/v1/namespaces/d0/pods?limit=500", true),
            ("get", "GET", "/api/v1/namespaces/d0/pods/web-0", true),
            ("create", "POST", "/api/v1/namespaces/d0/pods", true),
            ("denied", "DELETE", "/api/v1/namespaces/d0/pods/web-0", false),
        ] {
            let headers = sample::headers(method, target);
            criterion.bench_function(&format!("{name}/{size}"), |bencher| {
                bencher.iter(|| {
                    let headers = black_box(&headers);
                    let verdict = gateway.request(headers, Body::Empty);
                    assert_eq!(matches!(verdict, Some(Verdict::Forward(_))), allowed);
                    verdict
                });
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
