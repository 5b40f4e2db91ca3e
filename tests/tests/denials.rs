//! Keyhole denies in the apiserver's own words: for each verb of each resource, the
//! real server's answer to an account that may do nothing is compared with
//! Keyhole's to a client that may do nothing.

use std::path::Path;

use keyhole_tests::client::{Client, Response};
use keyhole_tests::crowd;
use keyhole_tests::discovery::calls;
use keyhole_tests::stack::{Stack, new_key};

const ACCOUNT: &str = "system:serviceaccount:default:nobody";

/// The parts of a `Status` that a client reads, with the user's name left out.
fn said(response: &Response, user: &str) -> [String; 6] {
    let message = response.field("/message");
    // What Keyhole adds is the reason.
    let message = message.split(": keyhole: ").next().unwrap_or_default();
    [
        response.status.to_string(),
        response.field("/reason"),
        message.replace(&format!("\"{user}\""), "USER"),
        response.field("/details/name"),
        response.field("/details/group"),
        response.field("/details/kind"),
    ]
}

#[test]
fn a_denial_is_the_apiservers_own() {
    let stack = Stack::own("denials", &[]).unwrap();
    stack.kubectl(&["create", "serviceaccount", "nobody", "-n", "default"]).unwrap();
    let token = stack.kubectl(&["create", "token", "nobody", "-n", "default"]).unwrap();
    let server =
        stack.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]);
    let server = server.unwrap().replace("127.0.0.1", "localhost");
    let ca = stack.state().join("pki/cluster-ca.crt");
    let direct = Client::new(&server, Path::new(&ca)).unwrap();
    let direct = direct.with("authorization", &format!("Bearer {}", token.trim()));

    let (key, digest) = new_key("nobody");
    stack
        .apply(&format!(
            "apiVersion: keyhole/v1\nkind: Policy\nclients:\n- name: nobody\n  keys: [{{sha256: \"{digest}\"}}]\n  \
             serviceAccount: {{namespace: default, name: nobody}}\n  roles: []\n"
        ))
        .unwrap();
    let through = stack.anonymous().with_key(&key);

    let mut calls = calls();
    for (method, path) in
        [("GET", "/metrics"), ("GET", "/logs/x"), ("POST", "/version"), ("GET", "/debug/pprof")]
    {
        let mut call = calls[0].clone();
        (call.method, call.target, call.verb) = (method, path.to_owned(), String::new());
        calls.push(call);
    }
    let answers = crowd::each(4, &calls, |call| {
        (call, call.send(&direct).unwrap(), call.send(&through).unwrap())
    });
    assert!(answers.len() > 550, "{}", answers.len());
    let mut open = 0;
    for (call, real, ours) in answers {
        let (real, ours) = (said(&real, ACCOUNT), said(&ours, "keyhole:nobody"));
        assert_eq!(ours[0], "403", "{} {}", call.method, call.target);
        // What everybody may ask about oneself, the real server answers.
        if call.resource.name.starts_with("selfsubject") {
            open += 1;
            continue;
        }
        assert_eq!(ours, real, "{} {}", call.method, call.target);
    }
    assert_eq!(open, 3);
}
