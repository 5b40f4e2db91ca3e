//! Clients that have no key: known by tokens of the cluster itself, which is an issuer like
//! others, and of one that replaces its keys and fails.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keyhole_core::load_policy;
use keyhole_tests::client::{Client, Response};
use keyhole_tests::issuer::{HOST, ISSUER, Issuer, Pair, published};
use keyhole_tests::page::{blocks, page};
use keyhole_tests::stack::Stack;

const AUDIENCE: &str = "api://keyhole";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// The stack's policy, whose client is known by this, too.
fn with_token(stack: &Stack, token: &str) -> String {
    stack.policy().replace("  keys:\n", &format!("  tokens:\n  - {token}\n  keys:\n"))
}

fn bearer(stack: &Stack, token: &str) -> Client {
    stack.anonymous().with("authorization", &format!("Bearer {token}"))
}

/// What a client sees of an answer, but for what differs anyway.
fn seen(answer: &Response) -> (u16, Vec<&str>, String) {
    let names = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    (answer.status, names, String::from_utf8_lossy(&answer.body).into_owned())
}

fn until(what: &str, seconds: u64, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !done() {
        assert!(Instant::now() < deadline, "{what} does not come about");
        thread::sleep(Duration::from_millis(100));
    }
}

/// The sum of the counters of which this is a part of the name.
fn count(stack: &Stack, name: &str) -> u64 {
    let stats = stack.admin("GET", &format!("/stats?filter={name}")).unwrap();
    let values = stats.lines().filter_map(|line| line.rsplit(": ").next());
    values.map(|value| value.parse::<u64>().unwrap()).sum()
}

#[test]
fn the_policies_of_the_page_are_valid() {
    let blocks = blocks(&page("docs/keyless.md"), "yaml");
    let policy = blocks.iter().find(|block| block.contains("kind: Policy")).unwrap();
    load_policy(policy).unwrap_or_else(|problems| panic!("{problems:?}"));
    let (head, rest) = policy.split_once("  tokens:\n").unwrap();
    let (_, tail) = rest.split_once("  serviceAccount:").unwrap();
    let parts = blocks.iter().filter(|block| block.starts_with("  # in a client"));
    let parts: Vec<&String> = parts.collect();
    assert_eq!(parts.len(), 2);
    for part in parts {
        let whole = format!("{head}{part}\n  serviceAccount:{tail}");
        load_policy(&whole).unwrap_or_else(|problems| panic!("{problems:?}\n{whole}"));
    }
}

#[test]
fn a_token_of_a_cluster_serves_as_a_key_and_goes_no_further() {
    let stack = Stack::own("keyless", &[]).unwrap();
    let pages = blocks(&page("docs/keyless.md"), "yaml");
    let shown = pages.iter().find(|block| block.contains("system:serviceaccount:")).unwrap();
    let entry = shown.lines().find_map(|line| line.strip_prefix("  - ")).expect("a token");
    stack.apply(&with_token(&stack, entry)).unwrap();
    stack.kubectl(&["create", "namespace", "db"]).unwrap();
    stack.kubectl(&["create", "serviceaccount", "sql", "-n", "db"]).unwrap();
    stack.kubectl(&["create", "serviceaccount", "other", "-n", "db"]).unwrap();
    let token = |account: &str, audience: &[&str]| {
        let arguments = [&["create", "token", account, "-n", "db"], audience].concat();
        stack.kubectl(&arguments).unwrap().trim().to_owned()
    };
    let good = token("sql", &["--audience", "keyhole"]);
    let client = bearer(&stack, &good);
    until("a login", 20, || client.get("/version").unwrap().status == 200);
    let answer = client.get(PODS).unwrap();
    assert_eq!((answer.status, answer.field("/kind").as_str()), (200, "PodList"));
    // The apiserver sees the client's account, not who presented the token.
    let id = answer.header("x-request-id").unwrap();
    let event = stack.audit().find(id).unwrap().expect("it arrived");
    assert_eq!(event.text("/user/username"), "system:serviceaccount:default:api-reader");
    assert_eq!(client.delete(&format!("{PODS}/x")).unwrap().status, 403);
    assert_eq!(stack.client().get("/version").unwrap().status, 200);

    let (start, end) = good.split_at(good.len() - 100);
    let other = if end.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{start}{other}{}", &end[1..]);
    let wrong_key = stack.anonymous().with_key("keyhole_x_y").get("/version").unwrap();
    for (what, token) in [
        ("another audience", token("sql", &[])),
        (
            "two audiences, of which none is right",
            token("sql", &["--audience", "a", "--audience", "b"]),
        ),
        ("another account", token("other", &["--audience", "keyhole"])),
        ("the gateway's own", stack.gateway_token().unwrap()),
        ("forged", forged),
    ] {
        let refused = bearer(&stack, &token).get("/version").unwrap();
        assert_eq!(seen(&refused), seen(&wrong_key), "{what}");
    }
    let several = client.with_key(stack.var("KEYHOLE_KEY")).get("/version").unwrap();
    assert_eq!(several.status, 400);

    // A token of the account's that the apiserver takes back is replaced under the client.
    let resent = || count(&stack, "requests_resent_total");
    let account = |verb| {
        stack.kubectl(&[verb, "serviceaccount", "api-reader", "-n", "default"]).unwrap();
    };
    account("delete");
    account("create");
    until("a second attempt", 30, || {
        assert!([200, 503].contains(&client.get("/version").unwrap().status));
        resent() > 0
    });
    assert_eq!(client.get("/version").unwrap().status, 200);

    thread::sleep(Duration::from_secs(1));
    let signature = good.rsplit('.').next().unwrap().as_bytes();
    for (path, content) in stack.logs().unwrap() {
        let leaked = content.windows(signature.len()).any(|window| window == signature);
        assert!(!leaked, "{}", path.display());
    }
    let stats = stack.admin("GET", "/stats/prometheus").unwrap();
    for line in [
        r#"keyhole_logins_refused_total{cause="audience"} 3"#,
        r#"keyhole_logins_refused_total{cause="signature"} 1"#,
        "keyhole_logins_verified_total{} ",
        "keyhole_issuer_keys_fetched_total{} 1",
        r#"keyhole_issuer_keys_failures_total{cause="no_answer"} "#,
    ] {
        assert!(stats.contains(line), "{line} is not in {stats}");
    }
    let log = fs::read_to_string(stack.var("KEYHOLE_ENVOY_LOG")).unwrap();
    for why in [
        "a token of https://kubernetes.default.svc is not accepted: it is for another audience",
        "no client has the subject `system:serviceaccount:db:other`",
        "its signature is wrong",
    ] {
        assert!(log.contains(why), "{why}");
    }
}

/// The page's cluster, for the issuer on this machine.
fn cluster(stack: &Stack, issuer: &Issuer) -> String {
    let blocks = blocks(&page("docs/keyless.md"), "yaml");
    let cluster = blocks.iter().find(|block| block.contains("connect_timeout")).unwrap();
    let ca = stack.state().join("pki/clients-ca.crt");
    let here = format!("address: 127.0.0.1, port_value: {}", issuer.port);
    let cluster = cluster
        .replace("address: login.microsoftonline.com, port_value: 443", &here)
        .replace("login.microsoftonline.com", HOST)
        .replace("/etc/ssl/certs/ca-certificates.crt", ca.to_str().unwrap());
    assert!(cluster.contains(&here) && cluster.contains(ca.to_str().unwrap()));
    cluster.lines().map(|line| format!("  {line}\n")).collect()
}

#[test]
fn an_issuer_may_replace_its_keys_and_fail() {
    let stack = Stack::own("issuer", &["--workers", "2"]).unwrap();
    let issuer = Issuer::start(&stack).unwrap();
    let pairs = ["EdDSA", "ES256", "RS256"].map(|name| Pair::new(name, name).unwrap());
    issuer.publish(&[&pairs[0], &pairs[1], &pairs[2]]);
    let bootstrap = stack.state().join("keyhole/envoy/bootstrap.yaml");
    let text = fs::read_to_string(&bootstrap).unwrap();
    let clusters = format!("  clusters:\n{}", cluster(&stack, &issuer));
    fs::write(&bootstrap, text.replacen("  clusters:\n", &clusters, 1)).unwrap();
    let _envoy = stack.restart_envoy().unwrap();
    let entry = |keys: &str| {
        format!("{{issuer: \"{ISSUER}\", audience: \"{AUDIENCE}\", subject: sql, {keys}}}")
    };
    let fetched = entry(&format!("jwksUri: \"{ISSUER}/keys?v=2\", cluster: entra"));
    stack.apply(&with_token(&stack, &fetched)).unwrap();

    // The keys are there before anybody asks, once for both workers and the main thread.
    until("a fetch", 20, || issuer.fetched() > 0);
    let get = |pair: &Pair| {
        let token = pair.token(AUDIENCE, "sql").unwrap();
        bearer(&stack, &token).get("/version").unwrap()
    };
    // The other worker takes them over within a second.
    for pair in pairs.iter().chain(&pairs) {
        until("a login", 20, || get(pair).status == 200);
    }
    assert_eq!(issuer.fetched(), 1);

    // A key is replaced under load: who tries again, as @retry_count does, gets through.
    thread::sleep(Duration::from_secs(10));
    let new = Pair::new("ES256", "new").unwrap();
    let (stop, is_new) = (AtomicBool::new(false), AtomicBool::new(false));
    let (served, tried_again) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let pair = if is_new.load(Ordering::Relaxed) { &new } else { &pairs[1] };
                    let token = pair.token(AUDIENCE, "sql").unwrap();
                    until("an answer", 20, || {
                        let answer = bearer(&stack, &token).get("/version").unwrap();
                        if answer.status == 503 {
                            assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
                            tried_again.fetch_add(1, Ordering::Relaxed);
                        } else {
                            assert_eq!(answer.status, 200, "{answer:?}");
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        answer.status == 200
                    });
                    // A new token each time: more than so many are not checked.
                    thread::sleep(Duration::from_millis(200));
                }
            });
        }
        thread::sleep(Duration::from_secs(3));
        issuer.publish(&[&new]);
        is_new.store(true, Ordering::Relaxed);
        thread::sleep(Duration::from_secs(5));
        stop.store(true, Ordering::Relaxed);
    });
    let (served, tried_again) = (served.into_inner(), tried_again.into_inner());
    assert!(served > 0 && issuer.fetched() == 2, "{}", issuer.fetched());
    // What the issuer took back serves nobody.
    assert_ne!(get(&pairs[1]).status, 200);

    // Strangers who name keys that are not there cause a fetch in ten seconds, no more.
    let (before, begun) = (issuer.fetched(), Instant::now());
    let stranger = Pair::new("ES256", "stranger").unwrap();
    while begun.elapsed() < Duration::from_secs(12) {
        assert!([401, 503].contains(&get(&stranger).status));
    }
    let caused = issuer.fetched() - before;
    assert!((1..=2).contains(&caused), "{caused}");

    // Without the issuer the last keys serve on, for new tokens, too.
    issuer.set_down(true);
    until("a fetch in vain", 30, || {
        get(&stranger);
        count(&stack, "issuer_keys_failures") > 0
    });
    assert_eq!(get(&new).status, 200);
    let unknown = get(&stranger);
    assert_eq!((unknown.status, unknown.header("retry-after").is_some()), (503, true));

    // A gateway that starts without the issuer knows no keys, unless they are written down.
    let _restarted = {
        drop(_envoy);
        stack.start_again("envoy", &[]).unwrap()
    };
    until("the policy", 20, || stack.client().get("/version").unwrap().status == 200);
    let without = get(&new);
    assert_eq!(
        (without.status, without.field("/message").as_str()),
        (503, "service unavailable: keyhole: tokens cannot be checked now: try again")
    );
    let keys = published(&[&new]);
    stack.apply(&with_token(&stack, &entry(&format!("jwks: '{keys}'")))).unwrap();
    until("a login", 20, || get(&new).status == 200);
    until("a refusal", 20, || get(&stranger).status == 401);
    println!(
        "a key replaced under load: {served} served, {tried_again} answers of 503 on the way; {caused} fetches in 12 s of unknown keys; {} in all",
        issuer.fetched()
    );
}
