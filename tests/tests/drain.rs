//! What `keyhole drain`, the pods' `preStop`, does to clients.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use keyhole_tests::stack::{Stack, new_key, root};

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

#[test]
fn a_pod_that_ends_finishes_what_clients_have_begun() {
    let stack = Stack::own("drain", &[]).unwrap();
    stack.make_account_admin().unwrap();
    let (key, digest) = new_key("sql");
    stack
        .apply(&format!(
            "apiVersion: keyhole/v1\nkind: Policy\nclients:\n- name: sql\n  keys: [{{sha256: {digest}}}]\n  \
             serviceAccount: {{namespace: default, name: api-reader}}\n  roles: [r]\nroles:\n- name: r\n  rules:\n  \
             - {{namespaces: [default], apiGroups: [batch], resources: [jobs], verbs: [get, watch, create]}}\n"
        ))
        .unwrap();
    let client = stack.anonymous().with_key(&key).with("connection", "keep-alive");
    let closes = |path: &str| {
        let response = client.get(path).unwrap();
        assert_eq!(response.status, 200, "{response:?}");
        response.header("connection") == Some("close")
    };
    assert_eq!(client.post(JOBS, JOB).unwrap().status, 201);
    let path = format!("{JOBS}/slow");
    assert!(!closes(&path));

    let idle = Idle::connect(&stack);
    thread::scope(|scope| {
        let waiting = client.with("x-keyhole-wait", "15");
        let waiting = scope.spawn(move || waiting.get(&format!("{JOBS}/slow?for=complete")));
        thread::sleep(Duration::from_secs(1));
        let mut drain = Command::new(root().join("target/debug/keyhole"));
        drain.args(["drain", "--spread", "2", "--quiet", "2"]);
        drain.args(["--admin", stack.var("KEYHOLE_ADMIN")]).stdout(Stdio::piped());
        let drain = drain.spawn().unwrap();
        // Who comes yet is served, and told to connect elsewhere next.
        while !closes(&path) {
            thread::sleep(Duration::from_millis(100));
        }
        let drained = scope.spawn(move || drain.wait_with_output().unwrap());
        let waited = waiting.join().unwrap().unwrap();
        assert_eq!(waited.field("/outcome"), "timeout", "{waited:?}");
        assert_eq!(waited.header("connection"), Some("close"));
        assert!(!drained.is_finished(), "a request was in flight");
        let drained = drained.join().unwrap();
        assert!(drained.status.success(), "{drained:?}");
        assert_eq!(str::from_utf8(&drained.stdout).unwrap(), "drained: 1 connection is idle\n");
    });
    drop(idle);
}
