//! Tokens as the whole pod gets them: what its workers share, what outlives a crash,
//! what can be seen of it from outside.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keyhole_tests::accounts::Caller;
use keyhole_tests::crowd;
use keyhole_tests::load::Load;
use keyhole_tests::stack::{Stack, root};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("caller-{n}")).collect()
}

/// How often the gateway asked for a token of each of them.
fn asked(stack: &Stack, callers: &[Caller]) -> Vec<usize> {
    let requests = stack.audit().token_requests().unwrap();
    let accounts = callers.iter().map(|caller| &caller.account);
    accounts
        .map(|account| {
            let own = |event: &&_| {
                let event: &keyhole_tests::audit::Event = event;
                let object = |field| event.text(&format!("/objectRef/{field}"));
                format!("{}/{}", object("namespace"), object("name")) == *account
            };
            requests.iter().filter(own).count()
        })
        .collect()
}

fn median(latencies: &mut [Duration]) -> Duration {
    latencies.sort_unstable();
    latencies[latencies.len() / 2]
}

#[test]
fn a_thousand_first_requests_ask_once_for_each_account() {
    for workers in ["1", "4"] {
        let stack = Stack::own(&format!("first-{workers}"), &["--workers", workers]).unwrap();
        let callers = stack.callers(&names(20)).unwrap();
        let send = |n: usize| {
            let begun = Instant::now();
            let response = callers[n % callers.len()].client.get("/version").unwrap();
            assert_eq!(response.status, 200, "{response:?}");
            begun.elapsed()
        };
        let mut first = crowd::each(500, 0..1000, send);
        assert_eq!(asked(&stack, &callers), [1; 20], "{workers} workers");
        let mut later = crowd::each(4, 0..1000, send);
        assert_eq!(asked(&stack, &callers), [1; 20], "{workers} workers");
        println!(
            "{workers} workers, 20 accounts, 1000 first requests by 500 at once: median {:?}; later ones by 4: median {:?}",
            median(&mut first),
            median(&mut later)
        );
    }
}

#[test]
fn tokens_signed_with_es256_are_checked_too() {
    let stack = Stack::own("es256", &["--token-algorithm", "ES256"]).unwrap();
    assert_eq!(stack.client().get("/version").unwrap().status, 200);
    let log = fs::read_to_string(stack.var("KEYHOLE_ENVOY_LOG")).unwrap();
    assert!(log.contains("tokens are checked against 1 keys of"), "{log}");
}

#[test]
fn a_cluster_that_hides_its_keys_is_named_and_can_be_lived_with() {
    let stack = Stack::own("no-keys", &[]).unwrap();
    let binding = "system:service-account-issuer-discovery";
    stack.kubectl(&["delete", "clusterrolebinding", binding]).unwrap();
    // A gateway that starts anew knows no keys.
    let _envoy = stack.restart_envoy().unwrap();
    let refused = stack.client().get("/version").unwrap();
    let message = refused.field("/message");
    assert_eq!(refused.status, 503);
    assert!(
        message.contains("the cluster's signing keys") && message.contains("403"),
        "{message}"
    );

    let lenient = "kind: Policy\ngateway: {tokenVerification: claimsOnly}";
    stack.apply(&stack.policy().replace("kind: Policy", lenient)).unwrap();
    assert_eq!(stack.client().get("/version").unwrap().status, 200);
}

#[test]
fn probes_are_answered_without_a_key_and_tell_no_secret() {
    let stack = Stack::own("probes", &[]).unwrap();
    let anonymous = stack.anonymous();
    let alive = anonymous.get("/keyhole/livez").unwrap();
    assert_eq!((alive.status, alive.field("/status").as_str()), (200, "alive"));
    let deadline = Instant::now() + Duration::from_secs(10);
    let ready = loop {
        let answer = anonymous.get("/keyhole/readyz").unwrap();
        if answer.status == 200 || Instant::now() > deadline {
            break answer;
        }
        assert_eq!((answer.status, answer.field("/kind").as_str()), (503, "Status"));
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((ready.status, ready.field("/status").as_str()), (200, "ready"));
    assert_eq!(ready.field("/policy/revision").len(), 12, "{ready:?}");
    // Nothing else lies there, and nothing of it goes to the apiserver.
    for (method, path) in [
        ("GET", "/keyhole/readyz?verbose"),
        ("GET", "/keyhole/"),
        ("GET", "/keyhole/livez/"),
        ("POST", "/keyhole/readyz"),
    ] {
        assert_eq!(anonymous.send(method, path, "").unwrap().status, 401, "{method} {path}");
    }
    let events = stack.audit().events().unwrap();
    assert!(events.iter().all(|event| !event.text("/requestURI").starts_with("/keyhole")));

    // Whom the apiserver does not know is not ready.
    stack.mount_gateway_token(Some("none")).unwrap();
    let _envoy = stack.restart_envoy().unwrap();
    thread::sleep(Duration::from_secs(1));
    let answer = anonymous.get("/keyhole/readyz").unwrap();
    assert_eq!((answer.status, answer.field("/reason").as_str()), (503, "ServiceUnavailable"));
    assert!(answer.field("/message").contains("does not know this gateway"), "{answer:?}");
    assert_eq!(anonymous.get("/keyhole/livez").unwrap().status, 200);
}

#[test]
fn a_warm_gateway_has_its_tokens_before_the_first_request() {
    let stack = Stack::own("warm", &["--workers", "2"]).unwrap();
    let callers = stack.callers(&names(5)).unwrap();
    assert_eq!(asked(&stack, &callers), [0; 5]);
    let policy = fs::read_to_string(stack.state().join("applied.yaml")).unwrap();
    let warm = policy.replace("kind: Policy", "kind: Policy\ngateway: {warmUp: true}");
    stack.apply(&warm).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while asked(&stack, &callers) != [1; 5] {
        assert!(Instant::now() < deadline, "{:?}", asked(&stack, &callers));
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_metrics_tell_what_became_of_requests_and_tokens() {
    let stack = Stack::own("metrics", &[]).unwrap();
    let client = stack.client();
    client.get("/version").unwrap();
    client.get("/api/v1/secrets").unwrap();
    stack.anonymous().get("/version").unwrap();
    let account = |verb| {
        stack.kubectl(&[verb, "serviceaccount", "api-reader", "-n", "default"]).unwrap();
    };
    let until = |done: &dyn Fn(u16) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !done(client.get("/version").unwrap().status) {
            assert!(Instant::now() < deadline, "it does not come about");
            thread::sleep(Duration::from_millis(300));
        }
    };
    // The apiserver believes a token for 10 s after its account has gone.
    account("delete");
    account("create");
    let resent = || stack.admin("GET", "/stats?filter=requests_resent_total").unwrap();
    let count = |stats: String| stats.rsplit(' ').next()?.trim().parse::<u64>().ok();
    until(&|_| count(resent()).is_some_and(|count| count > 0));
    account("delete");
    until(&|status| status == 503);
    account("create");
    until(&|status| status == 200);
    // Envoy is told once a second.
    thread::sleep(Duration::from_secs(2));
    let stats = stack.admin("GET", "/stats/prometheus").unwrap();
    for line in [
        r#"keyhole_decisions_total{client="sql-prod-01",verb="get",outcome="allowed"} "#,
        r#"keyhole_decisions_total{client="sql-prod-01",verb="list",outcome="forbidden"} 1"#,
        r#"keyhole_decisions_total{client="unknown",verb="unknown",outcome="unauthorized"} 1"#,
        r#"keyhole_token_failures_total{cause="refused"} "#,
        r#"keyhole_token_failures_total{cause="no_answer"} 0"#,
    ] {
        assert!(stats.contains(line), "{line} is not in {stats}");
    }
    for name in ["requests_resent_total{}", "token_failures_total{cause=\"refused\"}"] {
        assert!(!stats.contains(&format!("keyhole_{name} 0\n")), "{name} is 0");
    }
}

/// Envoy loads a filter that traps when it is told to, and loads it again.
#[test]
fn a_worker_that_traps_takes_only_its_own_requests_with_it() {
    let target = root().join("target/crash");
    let arguments = "build --quiet --locked -p keyhole-filter --release --features crash --target wasm32-wasip1";
    let mut build = Command::new("cargo");
    build.args(arguments.split(' ')).arg("--target-dir").arg(&target).current_dir(root());
    assert!(build.status().unwrap().success());

    let stack = Stack::own("crash", &["--workers", "2"]).unwrap();
    let built = target.join("wasm32-wasip1/release/keyhole_filter.wasm");
    fs::copy(built, stack.state().join("keyhole/filter/keyhole.wasm")).unwrap();
    let _envoy = stack.restart_envoy().unwrap();
    let callers = stack.callers(&names(4)).unwrap();
    let load = |name, millis| Load {
        name,
        threads: 4,
        pause: Duration::from_millis(10),
        duration: Duration::from_millis(millis),
    };
    let stop = AtomicBool::new(false);
    let before = load("before", 1000).run(&callers, &stop);
    assert_eq!((before.failed(), before.refused), (0, 0), "{before:?}");

    let crashing = stack.client().with("x-keyhole-crash", "now");
    let (during, codes) = thread::scope(|scope| {
        let during = scope.spawn(|| load("during", 6000).run(&callers, &stop));
        let mut codes = Vec::new();
        while !during.is_finished() {
            codes.push(crashing.get("/version").unwrap().status);
            thread::sleep(Duration::from_millis(1500));
        }
        assert!(codes.iter().all(|code| *code == 503), "{codes:?}");
        (during.join().unwrap(), codes)
    });
    // A worker that is down answers 503, the other one serves. What was on its way
    // through the trapped one, at most a request of each thread, may be cut.
    let cut = during.wrong.len() + during.lost.len();
    assert!(cut <= 4 * codes.len(), "{during:?}");
    assert!(during.ok > during.sent / 3, "{during:?}");
    assert_eq!(stack.made("during").unwrap().duplicates, 0);
    stop.store(true, Ordering::Relaxed);

    thread::sleep(Duration::from_secs(3));
    stop.store(false, Ordering::Relaxed);
    let after = load("after", 2000).run(&callers, &stop);
    assert_eq!((after.failed(), after.refused), (0, 0), "{after:?}");
    // Tokens outlive the worker that asked for them.
    assert_eq!(asked(&stack, &callers), [1; 4]);
    let reloads = stack.admin("GET", "/stats?filter=vm_reload_success").unwrap();
    println!(
        "{} traps: {} sent, {} served, {} refused, {cut} cut; {}",
        codes.len(),
        during.sent,
        during.ok,
        during.refused,
        reloads.trim()
    );
    assert!(!reloads.trim().ends_with(": 0"), "{reloads}");
}
