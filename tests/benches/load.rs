//! Reading and compiling a policy of 10,000 clients and 1,000 rules.

use criterion::{Criterion, criterion_group, criterion_main};
use keyhole_core::load_policy;
use keyhole_tests::sample;

fn bench(criterion: &mut Criterion) {
    let text = sample::text(10_000, 1000);
    let mut group = criterion.benchmark_group("load");
    group.sample_size(20);
    group.bench_function("10000x1000", |bencher| bencher.iter(|| load_policy(&text)));
}

criterion_group!(benches, bench);
criterion_main!(benches);
