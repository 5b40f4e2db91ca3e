//! The requests that the T-SQL kit makes (`tests/sql/calls.toml`, held against the
//! scripts by the tests there), sent through a running stack as SQL Server sends them.

use std::path::Path;

use keyhole_tests::kit;
use keyhole_tests::sp_invoke::{Credential, Instance, Options};
use keyhole_tests::stack::Stack;
use serde_json::json;

#[test]
fn each_request_of_the_kit_gets_one_document() {
    let stack = Stack::own("kit", &[]).unwrap();
    stack.kubectl(&["create", "namespace", "shop"]).unwrap();
    stack.kubectl(&["create", "deployment", "web", "-n", "shop", "--image=i"]).unwrap();
    stack.kubectl(&["create", "job", "report", "-n", "shop", "--image=i"]).unwrap();
    let schedule = "--schedule=0 2 * * *";
    stack
        .kubectl(&["create", "cronjob", "nightly-report", "-n", "shop", "--image=i", schedule])
        .unwrap();
    let time = "2026-11-01T02:00:42Z";
    let done = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": time});
    let status = json!({"status": {
        "startTime": time, "completionTime": time,
        "conditions": [done("SuccessCriteriaMet"), done("Complete")],
    }});
    let patch =
        ["patch", "job", "report", "-n", "shop", "--subresource=status", "--type=merge"];
    stack.kubectl(&[&patch[..], &["-p", &status.to_string()]].concat()).unwrap();

    let key = stack
        .allow(&[
            r#"{namespaces: [shop], apiGroups: ["", apps, batch], resources: ["*", pods/log, deployments/scale], verbs: ["*", watch]}"#,
            r#"{clusterScope: true, apiGroups: [""], resources: [nodes], verbs: [list]}"#,
            "{nonResourceURLs: [/version], verbs: [get]}",
        ])
        .unwrap();
    let base = stack.var("KEYHOLE_URL");
    let credential = Credential::for_host(base, &format!(r#"{{"x-api-key":"{key}"}}"#));
    let ca = Path::new(stack.var("KEYHOLE_CA"));
    let instance = Instance::start(ca, Options::default()).unwrap().with(credential);

    let requests = kit::requests().unwrap();
    assert!(requests.len() > 15);
    for request in &requests {
        let answer = request
            .send(&instance, base)
            .unwrap_or_else(|error| panic!("{}: {error}", request.procedure));
        // There is no node that could have a log: the apiserver says so.
        let expected = if request.procedure == "k8s.logs" { 404 } else { 0 };
        assert_eq!(answer.return_value, expected, "{}: {answer:?}", request.procedure);
        assert!(answer.value("$.result.kind").is_some() || request.target() == "/version");
        if request.procedure == "k8s.wait" {
            assert_eq!(answer.value("$.result.outcome").as_deref(), Some("met"));
        }
    }
}
