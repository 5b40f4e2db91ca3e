//! What loading a policy costs: so much for each client, however many there are.

use std::time::{Duration, Instant};

use allocation_counter::AllocationInfo;
use keyhole_core::load_policy;
use keyhole_tests::sample;

const RULES: usize = 1000;

fn measure(clients: usize) -> AllocationInfo {
    let text = sample::text(clients, RULES);
    allocation_counter::measure(|| drop(load_policy(&text).unwrap()))
}

/// The best of three, for others run here, too.
fn times<const N: usize>(sizes: [usize; N]) -> [Duration; N] {
    let texts = sizes.map(|clients| sample::text(clients, RULES));
    let mut best = [Duration::MAX; N];
    for _ in 0..3 {
        for (text, best) in texts.iter().zip(&mut best) {
            let begun = Instant::now();
            load_policy(text).unwrap();
            *best = begun.elapsed().min(*best);
        }
    }
    best
}

#[test]
fn a_client_costs_so_many_allocations_and_bytes() {
    let (few, many) = (measure(10_000), measure(20_000));
    let count = (many.count_total - few.count_total) / 10_000;
    let bytes = (many.bytes_max - few.bytes_max) / 10_000;
    println!("{count} allocations and, at the peak, {bytes} bytes for each client");
    assert!(count <= 75, "{count}");
    assert!(bytes <= 2800, "{bytes}");
}

#[test]
fn ten_times_as_many_clients_take_about_ten_times_as_long() {
    let [few, many] = times([2_000, 20_000]);
    println!("2,000 clients: {few:?}, 20,000: {many:?}");
    // If it were the square of their number, a hundred times.
    assert!(many < few * 25);
}
