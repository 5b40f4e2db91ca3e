//! Whatever the policy allows arrives, with the verb that it allows: from SQL
//! Server's kind of request, and from kubectl through the same door.

use keyhole_tests::stack::{self, OwnStack, Stack};

/// A policy that allows all that can be allowed, to an account that may do all.
fn wide_open() -> OwnStack {
    let stack = Stack::own("verbs", &[]).unwrap();
    let policy = stack.policy();
    let (head, _) = policy.split_once("  rules:").unwrap();
    let rules = r#"  rules:
  - {namespaces: ["*"], apiGroups: ["*"], resources: ["*", pods/status, deployments/scale], verbs: ["*", watch]}
  - {clusterScope: true, apiGroups: ["*"], resources: ["*"], verbs: ["*", watch]}
  - {nonResourceURLs: ["/*", /], verbs: [get]}
"#;
    stack.apply(&format!("{head}{rules}")).unwrap();
    stack.make_account_admin().unwrap();
    stack
}

#[test]
#[rustfmt::skip]
fn every_verb_arrives_as_itself() {
    const PODS: &str = "/api/v1/namespaces/default/pods";
    const CONFIG: &str = "/api/v1/namespaces/default/configmaps";
    const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
    const JSON: &str = "application/json; charset=utf-8";
    let stack = wide_open();
    let config = |value: &str| format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"c"}},"data":{{"k":"{value}"}}}}"#);
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: from-yaml}\nspec: {containers: [{name: c, image: i}]}\n";
    let deployment = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}"#;
    let scale = r#"{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"d","namespace":"default"},"spec":{"replicas":3}}"#;
    let merge = ("application/merge-patch+json", r#"{"data":{"k":"3"}}"#);
    let apply = ("application/apply-patch+yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\n");

    for (method, target, (content_type, body), code, arrived) in [
        ("GET",    "/version",                           (JSON, ""),          200, "get /version"),
        ("GET",    "/api/v1",                            (JSON, ""),          200, "get /api/v1"),
        ("GET",    "/api/v1/nodes",                      (JSON, ""),          200, "list /nodes/ /"),
        ("GET",    "/api/v1/namespaces/default",         (JSON, ""),          200, "get /namespaces/ default/default"),
        ("GET",    "/api/v1/pods",                       (JSON, ""),          200, "list /pods/ /"),
        ("POST",   CONFIG,                               (JSON, &*config("1")), 201, "create /configmaps/ default/c"),
        ("PUT",    &format!("{CONFIG}/c"),               (JSON, &*config("2")), 200, "update /configmaps/ default/c"),
        ("PATCH",  &format!("{CONFIG}/c"),               merge,               200, "patch /configmaps/ default/c"),
        ("PATCH",  &format!("{CONFIG}/applied?fieldManager=t&force=true"), apply, 201, "patch /configmaps/ default/applied"),
        ("GET",    &format!("{CONFIG}/c"),               (JSON, ""),          200, "get /configmaps/ default/c"),
        ("GET",    &format!("{CONFIG}?watch=true&timeoutSeconds=1"), (JSON, ""), 200, "watch /configmaps/ default/"),
        ("POST",   &format!("{PODS}?dryRun=All"),        ("application/yaml", yaml), 201, "create /pods/ default/from-yaml"),
        ("POST",   PODS,                                 ("application/yaml", yaml), 201, "create /pods/ default/from-yaml"),
        ("GET",    &format!("{PODS}/from-yaml/status"),  (JSON, ""),          200, "get /pods/status default/from-yaml"),
        ("POST",   DEPLOYMENTS,                          (JSON, deployment),  201, "create apps/deployments/ default/d"),
        ("PUT",    &format!("{DEPLOYMENTS}/d/scale"),    (JSON, scale),       200, "update apps/deployments/scale default/d"),
        ("DELETE", &format!("{CONFIG}/c"),               (JSON, r#"{"propagationPolicy":"Background"}"#), 200, "delete /configmaps/ default/c"),
        ("DELETE", &format!("{CONFIG}?labelSelector=x%3Dy"), (JSON, ""),      200, "deletecollection /configmaps/ default/"),
    ] {
        let response = stack.client().with("content-type", content_type).send(method, target, body).unwrap();
        assert_eq!(response.status, code, "{method} {target}: {response:?}");
        let event = stack.audit().find(response.header("x-request-id").unwrap()).unwrap();
        assert_eq!(event.unwrap().attributes(), arrived, "{method} {target}");
    }
    // Watches have a cluster, and so limits, of their own.
    let watches = stack.admin("GET", "/stats?filter=cluster.kube-apiserver-watch.upstream_rq_total").unwrap();
    assert!(watches.trim_end().ends_with(": 1"), "{watches}");
}

#[test]
fn kubectl_goes_through_the_same_door() {
    let stack = Stack::shared();
    let kubectl = |arguments: &[&str]| {
        stack::kubectl()
            .args(["--server", stack.var("KEYHOLE_URL")])
            .args(["--certificate-authority", stack.var("KEYHOLE_CA")])
            .args(["--token", stack.var("KEYHOLE_KEY")])
            .args(arguments)
            .env("KUBECONFIG", "/dev/null")
            .output()
            .unwrap()
    };
    let version = kubectl(&["version", "-o", "json"]);
    assert!(String::from_utf8_lossy(&version.stdout).contains("v1.36.3"), "{version:?}");
    let pods = kubectl(&["get", "--raw", "/api/v1/namespaces/default/pods?limit=1"]);
    assert!(String::from_utf8_lossy(&pods.stdout).contains("PodList"), "{pods:?}");
    let secrets = kubectl(&["get", "--raw", "/api/v1/namespaces/default/secrets"]);
    let said = String::from_utf8_lossy(&secrets.stderr);
    assert!(
        said.contains("(Forbidden): secrets is forbidden: User \"keyhole:sql-prod-01\""),
        "{said}"
    );
}
