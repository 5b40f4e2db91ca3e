//! Two policies take turns, once a second, under load: no decision is that of
//! neither, and no request is lost. `KEYHOLE_FLIP_SECONDS` makes it longer.
//! Nor is one lost when they are large, which takes each worker a while to load.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keyhole_tests::client::Client;
use keyhole_tests::sample;
use keyhole_tests::stack::Stack;

const ROUND: Duration = Duration::from_secs(1);
const THREADS: usize = 3;

/// Each path, and whether the first and the second policy allow it.
const PATHS: [(&str, bool, bool); 4] = [
    ("/version", true, true),
    ("/api/v1/namespaces/default/pods", true, false),
    ("/api/v1/namespaces/default/services", false, true),
    ("/api/v1/namespaces/default/secrets", false, false),
];

#[derive(Default)]
struct Seen {
    sent: usize,
    /// Answers to what one of the two allows.
    allowed: usize,
    denied: usize,
    /// What a request took at most.
    longest: Duration,
}

/// Ends the load, also when a swap fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn seconds() -> u64 {
    env::var("KEYHOLE_FLIP_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15)
}

/// Sends until told to stop; whatever is no answer of one of the two policies panics.
fn load(client: &Client, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        for (path, first, second) in PATHS {
            let begun = Instant::now();
            let response = client.get(path).unwrap();
            seen.longest = seen.longest.max(begun.elapsed());
            let right = match response.status {
                200 => first || second,
                403 => !(first && second),
                _ => false,
            };
            assert!(right, "{path}: {response:?}");
            seen.sent += 1;
            if first != second {
                seen.allowed += usize::from(response.status == 200);
                seen.denied += usize::from(response.status == 403);
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    seen
}

/// `grow` adds to both policies what no request is about.
fn flip(name: &str, arguments: &[&str], grow: impl Fn(&str) -> String) {
    let stack = Stack::own(name, arguments).unwrap();
    stack.make_account_admin().unwrap();
    let rule = "{namespaces: [default], apiGroups: [\"\"], resources: [pods], verbs: [get, list, create]}";
    let first = grow(&stack.policy());
    assert!(first.contains(rule));
    let second = first.replace(rule, &rule.replace("pods", "services"));
    let (client, stop) = (stack.client(), AtomicBool::new(false));
    // Each worker takes up the first policy for itself.
    thread::sleep(ROUND);
    let (seen, swaps) = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| load(&client, &stop))).collect();
        let ended = Stop(&stop);
        let end = Instant::now() + Duration::from_secs(seconds());
        let mut swaps = 0;
        while Instant::now() < end {
            let next = Instant::now() + ROUND;
            let policy = if swaps % 2 == 0 { &second } else { &first };
            stack.apply(policy).unwrap();
            swaps += 1;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        drop(ended);
        let seen = threads.into_iter().map(|thread| thread.join().unwrap());
        let sum = seen.fold(Seen::default(), |a, b| Seen {
            sent: a.sent + b.sent,
            allowed: a.allowed + b.allowed,
            denied: a.denied + b.denied,
            longest: a.longest.max(b.longest),
        });
        (sum, swaps)
    });
    let Seen { sent, allowed, denied, longest } = seen;
    println!(
        "{name}: {swaps} swaps, {sent} requests, 0 lost, 0 wrong; of what one policy allows, {allowed} allowed and {denied} denied; the longest took {longest:?}"
    );
    assert!(allowed > 0 && denied > 0);
    // A token survives each of them.
    assert_eq!(stack.audit().token_requests().unwrap().len(), 1);
}

#[test]
fn every_decision_is_that_of_one_of_the_two_policies() {
    flip("flip-mounted", &["--workers", "2"], str::to_owned);
    flip("flip-live", &["--live", "--workers", "2"], str::to_owned);
}

#[test]
fn nor_does_a_large_policy_lose_a_request() {
    let grow = |policy: &str| sample::grow(policy, 10_000, 1000);
    flip("flip-large", &["--workers", "2"], grow);
}
