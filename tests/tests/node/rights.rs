//! What the gateway may do, and who may reach it.

use crate::gateway::gateway;

/// What every account may do besides: ask what it may do, and discover the API.
const EVERYBODY: [&str; 4] =
    ["selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews", "["];

#[test]
#[ignore = "needs scripts/cluster"]
fn the_gateway_may_do_what_is_documented_and_no_more() {
    let gateway = gateway();
    let list = |namespace: &str| {
        let who = "--as=system:serviceaccount:keyhole:keyhole";
        let listed =
            gateway.kubectl(&["auth", "can-i", "--list", who, "-n", namespace]).unwrap();
        let mut lines: Vec<String> = listed
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !EVERYBODY.iter().any(|everybody| line.starts_with(everybody)))
            .collect();
        lines.sort();
        lines
    };
    // As docs and k8s/base/rbac.yaml say it.
    assert_eq!(
        list("keyhole"),
        ["configmaps [] [keyhole-policy] [get]", "events [] [] [create]"]
    );
    let accounts = ["api-reader", "caller-0", "caller-1", "caller-2", "caller-3"];
    let tokens = accounts.map(|name| format!("serviceaccounts/token [] [{name}] [create]"));
    assert_eq!(list("default"), tokens);
    assert_eq!(list("shop"), ["serviceaccounts/token [] [default] [create]"]);
    assert!(list("kube-system").is_empty());
}

#[test]
#[ignore = "needs scripts/cluster"]
fn a_pod_outside_reaches_the_clients_port_and_two_pages_and_never_the_admin() {
    let gateway = gateway();
    let ip = gateway.staying_pods()[0].text("/status/podIP");
    // The status, or nothing where nobody listens.
    let script = format!(
        "ask() {{ (printf 'GET %s HTTP/1.1\\r\\nhost: outside\\r\\nconnection: close\\r\\n\\r\\n' $2; sleep 5) |
           nc -w 10 {ip} $1 2>/dev/null | head -n 1 | cut -d ' ' -f 2; }}
         nc -w 10 {ip} 8443 </dev/null && echo clients
         for page in ready quitquitquit config_dump; do echo 9902 $page $(ask 9902 /$page); done
         echo 9901 ready $(ask 9901 /ready)"
    );
    let run = ["run", "outsider", "-n", "shop", "--image=busybox:1.36", "--restart=Never"];
    gateway.kubectl(&[&run[..], &["--command", "--", "sh", "-c", &script]].concat()).unwrap();
    let pod = ["pod/outsider", "-n", "shop"];
    let ended = ["wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"];
    gateway.kubectl(&[&ended[..], &pod].concat()).unwrap();
    let said = gateway.kubectl(&["logs", "outsider", "-n", "shop"]).unwrap();
    gateway.kubectl(&[&["delete", "--now"][..], &pod].concat()).unwrap();
    let pages = ["9902 ready 200", "9902 quitquitquit 404", "9902 config_dump 404"];
    let expected = [&["clients"][..], &pages, &["9901 ready"]].concat();
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}
