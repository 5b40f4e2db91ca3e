//! What bounds a client, and what is only reported, with two workers and a proxy in
//! front that Envoy trusts.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use keyhole_tests::client::Client;
use keyhole_tests::stack::{Stack, new_key, root};
use serde_json::Value;

const PODS: &str = "/api/v1/namespaces/default/pods";
const LIMITS: [(&str, &str); 5] = [
    ("rated", "limits: {requestsPerSecond: 1, burst: 20}"),
    ("busy", "limits: {requestsInFlight: 2}"),
    ("small", "limits: {bodyBytes: 1000}"),
    ("fenced", "sourceRanges: [203.0.113.0/24]"),
    ("watched", "enforcement: report"),
];

/// A policy with a client for each limit, and these clients.
fn clients(stack: &Stack) -> [Client; 5] {
    let mut policy = "apiVersion: keyhole/v1\nkind: Policy\nclients:\n".to_owned();
    let clients = LIMITS.map(|(name, limit)| {
        let (key, digest) = new_key(name);
        policy.push_str(&format!(
            "- name: {name}\n  keys: [{{sha256: {digest}}}]\n  serviceAccount: {{namespace: default, name: api-reader}}\n  {limit}\n  roles: [r]\n"
        ));
        stack.anonymous().with_key(&key)
    });
    policy.push_str(
        "roles:\n- name: r\n  rules:\n  - {namespaces: [default], apiGroups: [\"\"], resources: [pods], verbs: [get, list, watch, create]}\n",
    );
    stack.apply(&policy).unwrap();
    clients
}

#[test]
fn a_client_stays_within_its_limits() {
    let stack = Stack::own("limits", &["--workers", "2", "--trusted-hops", "1"]).unwrap();
    let [rated, busy, small, fenced, watched] = clients(&stack);
    rate_is_counted_by_all_workers_together(&rated);
    requests_in_flight_are_counted_until_they_end(&busy);
    a_body_is_bounded(&small);
    only_what_the_trusted_hop_saw_counts(&fenced);
    what_is_reported_is_done_logged_and_counted(&stack, &watched);
    a_policy_is_written_from_what_was_seen(&stack, &watched);
}

fn rate_is_counted_by_all_workers_together(rated: &Client) {
    // A token is at hand, and the burst is whole again.
    assert_eq!(rated.get(PODS).unwrap().status, 200);
    thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    let responses: Vec<_> = (0..60).map(|_| rated.get(PODS).unwrap()).collect();
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap() + 1;
    let let_in = responses.iter().filter(|response| response.status == 200).count();
    assert!((20..=20 + seconds).contains(&let_in), "{let_in} in {seconds} s");
    let refused = responses.iter().find(|response| response.status != 200).unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.field("/reason"), "TooManyRequests");
    assert!(refused.field("/message").contains("requestsPerSecond: 1 (burst: 20)"));
}

fn requests_in_flight_are_counted_until_they_end(busy: &Client) {
    thread::scope(|scope| {
        let watches: Vec<_> = (0..2)
            .map(|_| {
                scope
                    .spawn(|| busy.get(&format!("{PODS}?watch=true&timeoutSeconds=4")).unwrap())
            })
            .collect();
        thread::sleep(Duration::from_secs(2));
        let refused = busy.get(PODS).unwrap();
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
        assert!(refused.field("/message").contains("requestsInFlight: 2"));
        let statuses = watches.into_iter().map(|watch| watch.join().unwrap().status);
        assert_eq!(statuses.collect::<Vec<_>>(), [200, 200]);
    });
    assert_eq!(busy.get(PODS).unwrap().status, 200);
}

fn a_body_is_bounded(small: &Client) {
    let pod = |size| {
        let filler = "x".repeat(size);
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"small\",\"annotations\":{{\"a\":\"{filler}\"}}}}}}"
        )
    };
    // The apiserver has read it: it misses the containers.
    assert_eq!(small.post(PODS, &pod(100)).unwrap().status, 422);
    let refused = small.post(PODS, &pod(1000)).unwrap();
    assert_eq!(
        (refused.status, refused.field("/reason")),
        (413, "RequestEntityTooLarge".into())
    );
    assert!(refused.field("/message").contains("larger than 1000 bytes"));
}

fn only_what_the_trusted_hop_saw_counts(fenced: &Client) {
    for (forwarded_for, expected) in [
        ("203.0.113.7", 200),
        ("198.51.100.1, 203.0.113.7", 200),
        // What the client has written is not what the hop saw.
        ("203.0.113.7, 198.51.100.1", 403),
        ("198.51.100.1", 403),
    ] {
        let response = fenced.with("x-forwarded-for", forwarded_for).get(PODS).unwrap();
        assert_eq!(response.status, expected, "{forwarded_for}");
    }
    // Past the hop there is only the address of the connection.
    let refused = fenced.get(PODS).unwrap();
    let said = "this client may not call from 127.0.0.1";
    assert!(refused.field("/message").contains(said), "{}", refused.field("/message"));
}

fn what_is_reported_is_done_logged_and_counted(stack: &Stack, watched: &Client) {
    let path = "/api/v1/namespaces/default/secrets/none";
    let answer = watched.delete(path).unwrap();
    // The account's own rights are all that is left.
    assert_eq!(answer.status, 403);
    assert!(answer.field("/message").contains("system:serviceaccount:default:api-reader"));
    assert_eq!(watched.get(PODS).unwrap().status, 200);

    let decisions = || {
        let log = fs::read_to_string(stack.var("KEYHOLE_ACCESS_LOG")).unwrap();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let watched = lines.filter(|line| text(&line["caller"]).contains("\"watched\""));
        let records = watched.map(|line| text(&line["decision"]));
        records.filter(|record| !record.is_empty()).collect::<Vec<_>>()
    };
    let start = Instant::now();
    while decisions().is_empty() && start.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(100));
    }
    let [record] = &decisions()[..] else { panic!("{:?}", decisions()) };
    let record: Value = serde_json::from_str(record).unwrap();
    assert_eq!(record["decision"], "reported");
    assert_eq!(
        (record["method"].as_str(), record["path"].as_str()),
        (Some("DELETE"), Some(path))
    );

    let name = "keyhole_decisions_total.client.watched.verb.delete.outcome.reported: 1";
    let start = Instant::now();
    while !stack.admin("GET", "/stats").unwrap().contains(name) {
        assert!(start.elapsed() < Duration::from_secs(10), "it is not counted");
        thread::sleep(Duration::from_millis(100));
    }
}

/// `keyhole policy ...` on the log; what it prints.
fn keyhole(arguments: &[&str]) -> String {
    let keyhole = root().join("target/debug/keyhole");
    let output = Command::new(keyhole).arg("policy").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn a_policy_is_written_from_what_was_seen(stack: &Stack, watched: &Client) {
    let log = stack.var("KEYHOLE_ACCESS_LOG");
    let selected = format!("{PODS}?fieldSelector=metadata.name%3Da&watch=1&timeoutSeconds=1");
    assert_eq!(watched.get(&selected).unwrap().status, 200);
    thread::sleep(Duration::from_secs(1));
    let suggested = keyhole(&["suggest", log, "--client", "watched"]);
    assert_eq!(
        suggested,
        "# From 3 requests of 1 client.\nroles:\n- name: watched\n  rules:\n  \
         - {namespaces: [default], apiGroups: [\"\"], resources: [pods], verbs: [list]}\n  \
         - {namespaces: [default], apiGroups: [\"\"], resources: [pods], resourceNames: [a], verbs: [watch]}\n  \
         - {namespaces: [default], apiGroups: [\"\"], resources: [secrets], resourceNames: [none], verbs: [delete]}\n"
    );
    // In force, it changes nothing for this client.
    let before = fs::read_to_string(stack.state().join("applied.yaml")).unwrap();
    let (_, rules) = suggested.split_once("roles:\n").unwrap();
    let after = before
        .replace("enforcement: report\n  roles: [r]", "roles: [watched]")
        .replace("roles:\n- name: r\n", &format!("roles:\n{rules}- name: r\n"));
    let files = ["before.yaml", "after.yaml"].map(|name| stack.state().join(name));
    fs::write(&files[0], &before).unwrap();
    fs::write(&files[1], &after).unwrap();
    let [old, new] = files.each_ref().map(|file| file.to_str().unwrap());
    let replayed = keyhole(&["replay", old, new, log]);
    let (changes, _) = replayed.rsplit_once("requests, ").unwrap();
    let lines: Vec<&str> = changes.lines().filter(|line| line.contains("->")).collect();
    let deleted =
        "report -> allow  1x  watched: DELETE /api/v1/namespaces/default/secrets/none";
    assert_eq!(lines, [deleted], "{replayed}");
    stack.apply(&after).unwrap();
    assert_eq!(watched.get(PODS).unwrap().status, 200);
    assert_eq!(
        watched.delete(PODS).unwrap().field("/message").split(": ").last(),
        Some("no rule of this client allows it")
    );
}
