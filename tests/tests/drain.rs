//! What `keyhole drain`, the pods' `preStop`, does to clients.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use keyhole_tests::stack::{Stack, root};
use serde_json::Value;

const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const JOB: &str = r#"{"metadata":{"name":"slow"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}"#;

/// A client that has connected, and asks for nothing.
struct Idle(Child);

impl Idle {
    fn connect(stack: &Stack) -> Self {
        let address = stack.var("KEYHOLE_URL").trim_start_matches("https://");
        let mut client = Command::new("openssl");
        client.args(["s_client", "-quiet", "-connect", address]);
        client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let idle = Self(client.spawn().unwrap());
        while stack
            .admin("GET", "/stats?filter=^http.clients.downstream_cx_active")
            .unwrap()
            .trim_end()
            .ends_with(": 0")
        {
            thread::sleep(Duration::from_millis(100));
        }
        idle
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The command of a Deployment that is for bash.
fn pre_stop(file: &str) -> String {
    let deployment = fs::read_to_string(root().join(file)).unwrap();
    let deployment: Value = serde_saphyr::from_str(&deployment).unwrap();
    let hook = "/spec/template/spec/containers/0/lifecycle/preStop/exec/command/2";
    deployment.pointer(hook).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn a_pod_that_ends_finishes_what_clients_have_begun() {
    let stack = Stack::own("drain", &[]).unwrap();
    let key = stack
        .allow(&[
            "{namespaces: [default], apiGroups: [batch], resources: [jobs], verbs: [get, watch, create]}",
        ])
        .unwrap();
    let client = stack.anonymous().with_key(&key).with("connection", "keep-alive");
    let closes = |path: &str| {
        let response = client.get(path).unwrap();
        assert_eq!(response.status, 200, "{response:?}");
        response.header("connection") == Some("close")
    };
    assert_eq!(client.post(JOBS, JOB).unwrap().status, 201);
    let path = format!("{JOBS}/slow");

    let admin = stack.var("KEYHOLE_ADMIN");
    let mut of_image = Command::new(root().join("target/debug/keyhole"));
    of_image.args(["drain", "--spread", "2", "--quiet", "2", "--admin", admin]);
    let port = admin.rsplit(':').next().unwrap();
    let script = pre_stop("k8s/components/filter-configmap/deployment.yaml");
    let script = script.replace("/9901", &format!("/{port}")).replace("sleep 10", "sleep 2");
    let mut of_shell = Command::new("bash");
    of_shell.args(["-euc", &script]);
    for (mut drain, expected) in
        [(of_image, "drained: 1 connection is idle\n"), (of_shell, "active: 1")]
    {
        stack.admin("POST", "/healthcheck/ok").unwrap();
        assert!(!closes(&path));
        let idle = Idle::connect(&stack);
        thread::scope(|scope| {
            let waiting = client.with("x-keyhole-wait", "15");
            let waiting = scope.spawn(move || {
                (waiting.get(&format!("{JOBS}/slow?for=complete")).unwrap(), Instant::now())
            });
            thread::sleep(Duration::from_secs(1));
            let drain = drain.stdout(Stdio::piped()).spawn().unwrap();
            // Who comes yet is served, and told to connect elsewhere next.
            while !closes(&path) {
                thread::sleep(Duration::from_millis(100));
            }
            let drained = drain.wait_with_output().unwrap();
            let end = Instant::now();
            let (waited, at) = waiting.join().unwrap();
            let early = at.saturating_duration_since(end);
            assert!(early < Duration::from_secs(5), "a request was in flight for {early:?}");
            assert_eq!(waited.field("/outcome"), "timeout", "{waited:?}");
            assert_eq!(waited.header("connection"), Some("close"));
            assert!(drained.status.success(), "{drained:?}");
            let said = String::from_utf8(drained.stdout).unwrap();
            assert!(said.contains(expected), "{said}");
        });
        drop(idle);
    }
}
