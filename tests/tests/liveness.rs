//! Everything ordinary passes: for each resource that the real server announces,
//! and for each of its verbs, the canonical request, with a policy that allows
//! just that, arrives with that verb; with a policy that allows all but that, it
//! does not leave.

use keyhole_core::{Request, load_policy};
use keyhole_tests::crowd;
use keyhole_tests::discovery::{Call, NAME, Resource, calls, recorded};
use keyhole_tests::stack::Stack;

const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A rule that allows this and nothing else.
fn rule(call: &Call) -> String {
    let Resource { group, name, .. } = &call.resource;
    let scope =
        if call.resource.namespaced { "namespaces: [default]" } else { "clusterScope: true" };
    format!(
        "{{{scope}, apiGroups: [\"{group}\"], resources: [{name}], verbs: [{}]}}",
        call.verb
    )
}

/// Rules that allow everything but this.
fn other_rules(call: &Call, all: &[Resource]) -> String {
    let is_this =
        |r: &Resource| (&r.group, &r.name) == (&call.resource.group, &call.resource.name);
    let others = all.iter().filter(|resource| !resource.streams()).filter_map(|r| {
        let verbs = r.verbs.iter().filter(|verb| !is_this(r) || **verb != call.verb);
        let verbs: Vec<&str> = verbs.map(String::as_str).collect();
        let scope = if r.namespaced { "namespaces: [\"*\"]" } else { "clusterScope: true" };
        let (group, name, verbs) = (&r.group, &r.name, verbs.join(", "));
        (!verbs.is_empty()).then(|| {
            format!(
                "{{{scope}, apiGroups: [\"{group}\"], resources: [{name}], verbs: [{verbs}]}}"
            )
        })
    });
    others.collect::<Vec<_>>().join(",\n")
}

#[test]
fn each_verb_of_each_resource_arrives_if_just_it_is_allowed() {
    let stack = Stack::own("liveness", &[]).unwrap();
    stack.make_account_admin().unwrap();

    let calls = calls();
    let key = |n: usize| format!("keyhole_c{n}_secret");
    let (mut clients, mut roles) = (String::new(), String::new());
    for (n, call) in calls.iter().enumerate().filter(|(_, call)| !call.resource.streams()) {
        let digest = keyhole_core::KeyDigest::of(key(n).as_bytes()).to_hex();
        clients.push_str(&format!(
            "- {{name: c{n}, keys: [{{sha256: \"{digest}\"}}], serviceAccount: {{namespace: default, name: api-reader}}, roles: [r{n}]}}\n"
        ));
        roles.push_str(&format!("- {{name: r{n}, rules: [{}]}}\n", rule(call)));
    }
    stack
        .apply(&format!(
            "apiVersion: keyhole/v1\nkind: Policy\nclients:\n{clients}roles:\n{roles}"
        ))
        .unwrap();

    let ordinary = calls.iter().enumerate().filter(|(_, call)| !call.resource.streams());
    let answered = crowd::each(8, ordinary, |(n, call)| {
        (call, call.send(&stack.anonymous().with_key(&key(n))).unwrap())
    });
    assert!(answered.len() > 550, "{}", answered.len());
    let events = stack.audit().events().unwrap();
    for (call, response) in answered {
        let id = response.header("x-request-id").unwrap();
        let event = events.iter().find(|event| event.text("/auditID") == id);
        let event = event.unwrap_or_else(|| panic!("{}: {response:?}", call.expected()));
        // The audit log leaves a namespace's own namespace to its name.
        let arrived = event.attributes();
        assert!(
            arrived == call.expected()
                || arrived
                    == call.expected().replace(&format!("{NAME}/{NAME}"), &format!("/{NAME}")),
            "{arrived} instead of {}",
            call.expected()
        );
    }
}

#[test]
fn each_verb_of_each_resource_is_denied_if_just_it_is_not_allowed() {
    let resources = recorded();
    let judge = |rules: &str, call: &Call| {
        let text = format!(
            "{{apiVersion: keyhole/v1, kind: Policy, clients: [{{name: c, keys: [{{sha256: {DIGEST}}}], \
             serviceAccount: {{namespace: default, name: a}}, roles: [r]}}], roles: [{{name: r, rules: [{rules}]}}]}}"
        );
        let policy =
            load_policy(&text).unwrap_or_else(|problems| panic!("{problems:?}")).policy;
        let request = Request::parse(call.method.as_bytes(), call.target.as_bytes()).unwrap();
        policy.authorize(&policy.clients()[0], &request.attributes).is_ok()
    };
    for call in calls().iter().filter(|call| !call.resource.streams()) {
        assert!(judge(&rule(call), call), "{}", call.expected());
        assert!(!judge(&other_rules(call, &resources), call), "{}", call.expected());
    }
}
