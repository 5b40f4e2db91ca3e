//! Waiting for an object of a real apiserver, as T-SQL waits for a Job.

use std::thread;
use std::time::{Duration, Instant};

use keyhole_tests::client::{Client, Response};
use keyhole_tests::stack::{Stack, new_key};

const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const JOB: &str = r#"{"metadata":{"name":"NAME"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}"#;

fn wait(client: &Client, seconds: u64, path: &str) -> Response {
    let client = client.with_patience(Duration::from_secs(seconds + 30));
    client.with("x-keyhole-wait", &seconds.to_string()).get(path).unwrap()
}

/// As the Job controller does, which this cluster has not.
fn set_status(stack: &Stack, name: &str, condition: &str) {
    let time = "2026-11-21T00:00:00Z";
    let before = match condition {
        "Complete" => "SuccessCriteriaMet",
        _ => "FailureTarget",
    };
    let status = format!(
        r#"{{"status":{{"startTime":"{time}","completionTime":{},"conditions":[
            {{"type":"{before}","status":"True","lastTransitionTime":"{time}"}},
            {{"type":"{condition}","status":"True","lastTransitionTime":"{time}"}}]}}}}"#,
        if condition == "Complete" { format!("\"{time}\"") } else { "null".to_owned() }
    );
    let arguments =
        ["patch", "job", name, "-n", "default", "--subresource=status", "--type=merge", "-p"];
    stack.kubectl(&[&arguments[..], &[&status]].concat()).unwrap();
}

#[test]
fn a_client_learns_soon_that_an_object_is_as_it_wants_it() {
    let stack = Stack::own("waits", &["--workers", "2"]).unwrap();
    stack.make_account_admin().unwrap();
    let (key, digest) = new_key("sql");
    stack
        .apply(&format!(
            "apiVersion: keyhole/v1\nkind: Policy\nclients:\n- name: sql\n  keys: [{{sha256: {digest}}}]\n  \
             serviceAccount: {{namespace: default, name: api-reader}}\n  limits: {{requestsInFlight: 20}}\n  roles: [r]\nroles:\n- name: r\n  rules:\n  \
             - {{namespaces: [default], apiGroups: [batch], resources: [jobs], verbs: [get, watch, create]}}\n  \
             - {{namespaces: [default], apiGroups: [\"\"], resources: [pods], verbs: [get]}}\n"
        ))
        .unwrap();
    let client = stack.anonymous().with_key(&key);
    for name in ["done", "failed", "gone", "slow"] {
        assert_eq!(client.post(JOBS, &JOB.replace("NAME", name)).unwrap().status, 201);
    }
    thread::scope(|scope| {
        let waits = [
            ("done", "complete", "met"),
            ("failed", "complete", "failed"),
            ("gone", "deleted", "met"),
            ("gone", "complete", "failed"),
            ("slow", "complete", "timeout"),
        ]
        .map(|(name, condition, outcome)| {
            let client = &client;
            let path = format!("{JOBS}/{name}?for={condition}");
            // Longer than Envoy lets other requests be silent.
            let seconds = if name == "slow" { 75 } else { 60 };
            (name, outcome, scope.spawn(move || (wait(client, seconds, &path), Instant::now())))
        });
        thread::sleep(Duration::from_secs(4));
        let changed = Instant::now();
        set_status(&stack, "done", "Complete");
        set_status(&stack, "failed", "Failed");
        stack.kubectl(&["delete", "job", "gone", "-n", "default"]).unwrap();
        for (name, outcome, waiting) in waits {
            let (response, at) = waiting.join().unwrap();
            assert_eq!(response.field("/outcome"), outcome, "{name}: {response:?}");
            assert_eq!(response.field("/object/metadata/name"), name);
            assert_eq!(response.field("/object/metadata/managedFields"), "");
            let late = at.saturating_duration_since(changed);
            assert!(name == "slow" || late < Duration::from_secs(30), "{name}: {late:?}");
            println!("{name}: {} after {late:?}", response.field("/outcome"));
        }
    });
    // What is so already is told at once, and what is not there, too.
    let start = Instant::now();
    assert_eq!(
        wait(&client, 60, &format!("{JOBS}/done?for=complete")).field("/outcome"),
        "met"
    );
    assert_eq!(wait(&client, 60, &format!("{JOBS}/none?for=deleted")).field("/outcome"), "met");
    assert_eq!(wait(&client, 60, &format!("{JOBS}/none?for=complete")).status, 404);
    assert!(start.elapsed() < Duration::from_secs(30));
    // To wait is to watch.
    let denied = wait(&client, 60, "/api/v1/namespaces/default/pods/p?for=ready");
    assert_eq!(denied.status, 403);
    assert!(denied.field("/message").contains("cannot watch resource \"pods\""));
}
