//! What `keyhole rbac generate` prints gives each account what the policy allows its
//! clients, and no more; and what `keyhole rbac import` prints allows a client what its
//! account may do, and no more: in the judgement of the real apiserver.

use std::fs;
use std::path::Path;
use std::process::Command;

use keyhole_core::{Attributes, Policy, Request, ResourceAttributes, load_policy};
use keyhole_tests::stack::{OwnStack, Stack, kubectl, root};

/// The Roles that a policy needs.
fn generated(policy: &Path) -> String {
    let output = Command::new(root().join("target/debug/keyhole"))
        .args(["rbac", "generate"])
        .arg(policy)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `kubectl auth can-i --as` says of an account and a request.
fn may(stack: &OwnStack, account: &str, attributes: &Attributes<'_>) -> bool {
    let mut command = kubectl();
    command.args(["--kubeconfig", stack.var("KUBECONFIG"), "auth", "can-i"]);
    match attributes {
        Attributes::NonResource { path, verb } => command.args([verb.as_str(), path]),
        Attributes::Resource(resource) => {
            let ResourceAttributes {
                verb, group, namespace, resource, subresource, name, ..
            } = resource;
            let kind = if group.is_empty() {
                (*resource).to_owned()
            } else {
                format!("{resource}.{group}")
            };
            let object = if name.is_empty() { kind } else { format!("{kind}/{name}") };
            match *namespace {
                "" => command.arg("--all-namespaces"),
                namespace => command.args(["-n", namespace]),
            };
            command.args([verb.as_str(), &object]).args(["--subresource", subresource])
        }
    };
    let (namespace, name) = account.split_once('/').unwrap();
    command.args(["--as", &format!("system:serviceaccount:{namespace}:{name}")]);
    let output = command.output().unwrap();
    match String::from_utf8(output.stdout).unwrap().trim() {
        "yes" => true,
        said if said.starts_with("no") => false,
        _ => panic!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Whether any client of an account may do this.
fn allowed(policy: &Policy, account: &str, attributes: &Attributes<'_>) -> bool {
    let clients = policy.clients().iter();
    let mut of_account = clients.filter(|client| client.account().to_string() == account);
    of_account.any(|client| policy.authorize(client, attributes).is_ok())
}

#[test]
#[rustfmt::skip]
fn an_account_may_do_what_its_clients_may_and_no_more() {
    let stack = Stack::own("rbac", &[]).unwrap();
    let file = root().join("tests/cases/commands/rbac.yaml");
    let policy = load_policy(&fs::read_to_string(&file).unwrap()).unwrap().policy;
    let roles = stack.state().join("roles.yaml");
    fs::write(&roles, generated(&file)).unwrap();
    let roles = roles.to_str().unwrap();
    stack.kubectl(&["create", "namespace", "shop"]).unwrap();
    stack.kubectl(&["apply", "--dry-run=server", "-f", roles]).unwrap();
    stack.kubectl(&["apply", "-f", roles]).unwrap();
    for (account, request, expected) in [
        ("shop/scaler", "GET /api/v1/namespaces/shop/pods",                                     true),
        ("shop/scaler", "GET /api/v1/namespaces/shop/pods?watch=1",                             true),
        ("shop/scaler", "GET /api/v1/namespaces/default/pods/web-0",                            true),
        ("shop/scaler", "GET /api/v1/namespaces/default/pods/web-0/log",                        true),
        ("shop/scaler", "GET /api/v1/namespaces/default/pods/web-0/status",                     false),
        ("shop/scaler", "GET /api/v1/namespaces/kube-system/pods",                              false),
        ("shop/scaler", "GET /api/v1/pods",                                                     false),
        ("shop/scaler", "DELETE /api/v1/namespaces/shop/pods/web-0",                            false),
        ("shop/scaler", "GET /api/v1/namespaces/shop/secrets",                                  false),
        ("shop/scaler", "GET /api/v1/namespaces/shop",                                          false),
        ("shop/scaler", "PUT /apis/apps/v1/namespaces/shop/deployments/web/scale",              true),
        ("shop/scaler", "PUT /apis/apps/v1/namespaces/shop/deployments/api/scale",              false),
        ("shop/scaler", "PUT /apis/apps/v1/namespaces/shop/deployments/web",                    false),
        ("shop/scaler", "PUT /apis/apps/v1/namespaces/default/deployments/web/scale",           false),
        ("shop/scaler", "DELETE /apis/batch/v1/namespaces/shop/jobs",                           true),
        // `*` is every verb but `watch`
        ("shop/scaler", "GET /apis/batch/v1/namespaces/shop/jobs?watch=1",                      false),
        ("shop/scaler", "GET /apis/batch/v1/namespaces/shop/jobs/a/status",                     false),
        // the account's other client
        ("shop/scaler", "PATCH /api/v1/namespaces/shop/configmaps/settings",                    true),
        ("shop/scaler", "PATCH /api/v1/namespaces/shop/configmaps/other",                       false),
        ("shop/scaler", "POST /api/v1/namespaces/shop/configmaps",                              false),
        ("shop/scaler", "GET /healthz/etcd",                                                    true),
        ("shop/scaler", "GET /metrics",                                                         false),
        ("default/7",   "GET /api/v1/nodes",                                                    true),
        ("default/7",   "GET /api/v1/nodes/n",                                                  true),
        ("default/7",   "DELETE /api/v1/nodes/n",                                               false),
        ("default/7",   "GET /api/v1/namespaces/shop",                                          true),
        ("default/7",   "GET /api/v1/namespaces/shop/pods",                                     false),
        // RBAC cannot say these exactly, but says them
        ("default/wide", "GET /api/v1/namespaces/shop/services/a",                              true),
        ("default/wide", "GET /api/v1/pods",                                                    true),
        ("default/wide", "GET /apis/apps/v1/namespaces/shop/deployments/a",                     true),
        ("default/wide", "GET /api/v1/namespaces/shop/secrets",                                 false),
        ("default/wide", "GET /apis/apps/v1/namespaces/default/deployments/a",                  false),
        // an account that the policy does not name
        ("default/api-reader", "GET /api/v1/nodes",                                             false),
    ] {
        let (method, target) = request.split_once(' ').unwrap();
        let read = Request::parse(method.as_bytes(), target.as_bytes()).unwrap();
        assert_eq!(allowed(&policy, account, &read.attributes), expected, "policy: {account} {request}");
        assert_eq!(may(&stack, account, &read.attributes), expected, "apiserver: {account} {request}");
    }
    // Where there is a warning, and only there.
    for (account, request) in [
        ("default/wide", "GET /api/v1/namespaces/default/pods"),
        ("default/wide", "GET /apis/apps/v1/namespaces/shop/deployments/a/scale"),
    ] {
        let (method, target) = request.split_once(' ').unwrap();
        let read = Request::parse(method.as_bytes(), target.as_bytes()).unwrap();
        assert!(!allowed(&policy, account, &read.attributes), "{account} {request}");
        assert!(may(&stack, account, &read.attributes), "{account} {request}");
    }
}

/// A policy with one client, that may do what an account is bound to in the cluster.
fn imported(stack: &OwnStack, account: &str) -> String {
    let all = "roles,rolebindings,clusterroles,clusterrolebindings";
    let objects = stack.kubectl(&["get", all, "-A", "-o", "yaml"]).unwrap();
    let file = stack.state().join("cluster.yaml");
    fs::write(&file, objects).unwrap();
    let output = Command::new(root().join("target/debug/keyhole"))
        .args(["rbac", "import", "--account", account])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let fragment = String::from_utf8(output.stdout).unwrap();
    let roles = fragment.lines().next().unwrap().split_once("roles: ").unwrap().1;
    let (namespace, name) = account.split_once('/').unwrap();
    format!(
        "apiVersion: keyhole/v1\nkind: Policy\nclients:\n- name: sql\n  keys: [{{sha256: {:064}}}]\n  serviceAccount: {{namespace: {namespace}, name: {name}}}\n  roles: {roles}\n{fragment}",
        1
    )
}

/// What `keyhole policy explain` says of the client.
fn explained(policy: &Path, method: &str, target: &str) -> bool {
    let output = Command::new(root().join("target/debug/keyhole"))
        .args(["policy", "explain", policy.to_str().unwrap()])
        .args(["--client", "sql", "--", method, target])
        .output()
        .unwrap();
    match output.status.code() {
        Some(0) => true,
        Some(1) => false,
        _ => panic!("{output:?}"),
    }
}

#[test]
#[rustfmt::skip]
fn a_client_may_do_what_its_account_was_bound_to_and_no_more() {
    let stack = Stack::own("import", &[]).unwrap();
    for namespace in ["shop", "shop-test"] {
        stack.kubectl(&["create", "namespace", namespace]).unwrap();
    }
    let example = root().join("tests/cases/commands/import.yaml");
    stack.kubectl(&["apply", "-f", example.to_str().unwrap()]).unwrap();
    let account = "shop/scaler";
    let policy = stack.state().join("imported.yaml");
    fs::write(&policy, imported(&stack, account)).unwrap();
    for (request, expected) in [
        // a Role, bound to the account itself
        ("GET /api/v1/namespaces/shop/pods/web-0",                                  true),
        ("GET /api/v1/namespaces/shop/pods/web-0/log",                              true),
        ("POST /api/v1/namespaces/shop/pods",                                       true),
        ("DELETE /api/v1/namespaces/shop/pods/web-0",                               false),
        ("GET /api/v1/namespaces/shop-test/pods/web-0",                             false),
        ("DELETE /apis/apps/v1/namespaces/shop/deployments",                        true),
        ("GET /apis/apps/v1/namespaces/shop/deployments?watch=1",                   true),
        ("PUT /apis/apps/v1/namespaces/shop/deployments/web/scale",                 true),
        ("PUT /apis/apps/v1/namespaces/shop/deployments/api/scale",                 false),
        ("GET /api/v1/namespaces/shop/configmaps/settings",                         true),
        ("GET /api/v1/namespaces/shop/configmaps/other",                            false),
        ("POST /api/v1/namespaces/shop/configmaps",                                 false),
        // a ClusterRole, bound in one namespace to the account and in one to its group
        ("GET /apis/batch/v1/namespaces/shop/jobs?watch=1",                         true),
        ("GET /apis/batch/v1/namespaces/shop-test/jobs",                            true),
        ("GET /apis/batch/v1/namespaces/default/jobs",                              false),
        ("GET /apis/batch/v1/jobs",                                                 false),
        ("GET /metrics",                                                            false),
        // a ClusterRole, bound everywhere to all ServiceAccounts
        ("GET /api/v1/nodes",                                                       true),
        ("GET /api/v1/services",                                                    true),
        ("GET /api/v1/namespaces/default/services/a",                               true),
        ("DELETE /api/v1/nodes/n",                                                  false),
        ("GET /healthz/etcd",                                                       true),
        // what the cluster lets everybody do who is authenticated
        ("GET /version",                                                            true),
        ("GET /apis/apps",                                                          true),
        ("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",             true),
        // another account's
        ("GET /api/v1/namespaces/shop-test/secrets/a",                              false),
    ] {
        let (method, target) = request.split_once(' ').unwrap();
        let read = Request::parse(method.as_bytes(), target.as_bytes()).unwrap();
        assert_eq!(explained(&policy, method, target), expected, "policy: {request}");
        assert_eq!(may(&stack, account, &read.attributes), expected, "apiserver: {request}");
    }
    // Where there is a warning, it may do less.
    let (method, target) = ("GET", "/apis/batch/v1/namespaces/shop/jobs/a/status");
    let read = Request::parse(method.as_bytes(), target.as_bytes()).unwrap();
    assert!(!explained(&policy, method, target));
    assert!(may(&stack, account, &read.attributes));
}
