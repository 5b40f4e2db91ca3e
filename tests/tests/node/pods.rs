//! The T-SQL kit's requests, about pods that run.

use std::time::SystemTime;
use std::{env, fs};

use keyhole_tests::kit::{self, Request};
use keyhole_tests::sp_invoke::{Answer, Instance};
use keyhole_tests::stack::root;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Value, json};

use crate::gateway::{Gateway, eventually, gateway};

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: web, image: "busybox:1.36", command: [sh, -c, "echo ready; echo serving; exec sleep 3600"]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly-report, namespace: shop}
spec:
  schedule: "0 2 31 2 *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - {name: report, image: "busybox:1.36", command: [sh, -c, "echo 250 orders; sleep 1"]}
"#;

/// The kit, as an operator of the namespace `shop` uses it.
struct Kit<'g> {
    gateway: &'g Gateway,
    sql_server: Instance,
}

impl Kit<'_> {
    fn send(&self, request: Request) -> Answer {
        let answer = request.send(&self.sql_server, self.gateway.base()).unwrap();
        assert_eq!(answer.return_value, 0, "{}: {answer:?}", request.procedure);
        answer
    }

    /// `k8s.wait`: how it ended.
    fn wait(&self, path: &str, condition: &str) -> String {
        let wait = kit::request("k8s.wait", "GET").unwrap();
        let wait = wait.with("path", path).with("condition", condition).with("left", "100");
        let answer = self.send(wait);
        if condition == "complete" {
            keep("wait", &answer);
        }
        answer.value("$.result.outcome").unwrap()
    }

    /// `k8s.pods`: name, status and address of each.
    fn pods(&self, label_selector: &str) -> Vec<Vec<Option<String>>> {
        let pods = kit::request("k8s.pods", "GET").unwrap();
        let pods = pods.with("label_selector", label_selector).without("field_selector");
        let answer = self.send(pods);
        keep("pods", &answer);
        answer.rows("$.result.rows", &["$.name", "$.status", "$.ip"])
    }

    /// `k8s.logs`: all lines of the pod's only container.
    fn log(&self, pod: &str, container: &str) -> Vec<String> {
        let logs = kit::request("k8s.logs", "GET").unwrap();
        let logs = logs.with("pod", pod).with("container", container);
        let answer = self.send(logs.with("timestamps_text", "false"));
        keep("log", &answer);
        serde_json::from_str(&answer.query("$.result.lines").unwrap()).unwrap()
    }
}

/// With `KEYHOLE_BLESS=1`, this becomes the reply that the kit's columns are held against.
fn keep(name: &str, answer: &Answer) {
    if env::var_os("KEYHOLE_BLESS").is_none() {
        return;
    }
    let reply: Value = serde_json::from_str(&answer.query("$.result").unwrap()).unwrap();
    let mut text = Vec::new();
    let form = PrettyFormatter::with_indent(b" ");
    reply.serialize(&mut Serializer::with_formatter(&mut text, form)).unwrap();
    text.push(b'\n');
    fs::write(root().join(format!("tests/sql/replies/{name}.json")), text).unwrap();
}

#[test]
#[ignore = "needs scripts/cluster"]
fn a_job_from_sql_runs_and_a_deployment_is_scaled_and_restarted() {
    must_run_and_scale(&gateway());
}

pub(crate) fn must_run_and_scale(gateway: &Gateway) {
    // An earlier run has restarted it, and the kit's restart here has always the same time.
    let again = ["delete", "deployment/web", "-n", "shop", "--cascade=foreground"];
    gateway.kubectl(&[&again[..], &["--ignore-not-found"]].concat()).unwrap();
    gateway.apply_manifest(WEB).unwrap();
    let kit = Kit { gateway, sql_server: gateway.shop() };

    // k8s.run_job: the CronJob's template becomes a Job, which is waited for.
    let cronjob = kit.send(kit::request("k8s.run_job", "GET").unwrap());
    let found = |path: &str| {
        cronjob.query(path).map(|text| serde_json::from_str::<Value>(&text).unwrap())
    };
    let spec = found("$.result.spec.jobTemplate.spec").unwrap();
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let name = format!("nightly-report-{age}");
    let manifest = json!({
        "apiVersion": "batch/v1", "kind": "Job", "spec": spec,
        "metadata": {
            "name": name,
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [{
                "apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly-report",
                "uid": cronjob.value("$.result.metadata.uid").unwrap(), "controller": true,
            }],
        },
    });
    let jobs = "/apis/batch/v1/namespaces/shop/jobs";
    let create = kit::request("k8s.create", "POST").unwrap();
    let create = create.with("collection", jobs).with("manifest", manifest);
    kit.send(create.without("dry_run_text"));
    assert_eq!(kit.wait(&format!("{jobs}/{name}"), "complete"), "met");
    let pods = kit.pods(&format!("job-name%3D{name}"));
    assert_eq!(pods.len(), 1, "{pods:?}");
    assert_eq!(pods[0][1].as_deref(), Some("Completed"), "{pods:?}");
    assert_eq!(kit.log(pods[0][0].as_ref().unwrap(), "report"), ["250 orders"]);

    let web = "/apis/apps/v1/namespaces/shop/deployments/web";
    assert_eq!(kit.wait(web, "ready"), "met");
    kit.send(kit::request("k8s.scale", "PATCH").unwrap().with("replicas", 3));
    assert_eq!(kit.wait(web, "ready"), "met");
    let before = kit.pods("app%3Dweb");
    assert_eq!(before.len(), 3, "{before:?}");
    for pod in &before {
        assert_eq!(pod[1].as_deref(), Some("Running"), "{before:?}");
        assert!(pod[2].as_deref().is_some_and(|ip| ip.starts_with("10.244.")), "{before:?}");
        assert_eq!(kit.log(pod[0].as_ref().unwrap(), "web"), ["ready", "serving"]);
    }

    kit.send(kit::request("k8s.restart", "PATCH").unwrap());
    assert_eq!(kit.wait(web, "ready"), "met");
    eventually("the old pods have gone", || kit.pods("app%3Dweb").len() == 3);
    let after = kit.pods("app%3Dweb");
    assert!(after.iter().all(|pod| before.iter().all(|old| old[0] != pod[0])), "{after:?}");
}
