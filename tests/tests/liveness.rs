//! Everything ordinary passes: for each resource that the real server announces,
//! and for each of its verbs, the canonical request, with a policy that allows
//! just that, arrives with that verb; with a policy that allows all but that, it
//! does not leave.

use std::sync::Mutex;
use std::thread;

use keyhole_core::{Request, load_policy};
use keyhole_tests::discovery::{Resource, recorded};
use keyhole_tests::stack::Stack;

const NAME: &str = "keyhole-liveness";
const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const STREAMING: [&str; 4] = ["attach", "exec", "portforward", "proxy"];

/// A resource, one of its verbs, and the request that kubectl would send for it.
struct Case {
    resource: Resource,
    verb: String,
    method: &'static str,
    target: String,
    content_type: &'static str,
}

impl Case {
    fn new(resource: &Resource, verb: &str) -> Self {
        let (collection, object) =
            (resource.collection("default"), resource.object("default", NAME));
        let none = "labelSelector=keyhole%3Dnone";
        let (method, target) = match verb {
            "create" if resource.subresource().is_empty() => ("POST", collection),
            "create" => ("POST", object),
            "delete" => ("DELETE", object),
            "deletecollection" => ("DELETE", format!("{collection}?{none}")),
            "get" => ("GET", object),
            "list" => ("GET", format!("{collection}?{none}")),
            "patch" => ("PATCH", object),
            "update" => ("PUT", object),
            "watch" => ("GET", format!("{collection}?watch=true&timeoutSeconds=1&{none}")),
            verb => panic!("a new verb: {verb}"),
        };
        let content_type = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        Self { resource: resource.clone(), verb: verb.to_owned(), method, target, content_type }
    }

    fn streams(&self) -> bool {
        STREAMING.contains(&self.resource.subresource())
    }

    fn scope(&self) -> &'static str {
        if self.resource.namespaced { "namespaces: [default]" } else { "clusterScope: true" }
    }

    /// A rule that allows this and nothing else.
    fn rule(&self) -> String {
        let Resource { group, name, .. } = &self.resource;
        let (scope, verb) = (self.scope(), &self.verb);
        format!("{{{scope}, apiGroups: [\"{group}\"], resources: [{name}], verbs: [{verb}]}}")
    }

    /// Rules that allow everything but this.
    fn other_rules(&self, all: &[Resource]) -> String {
        let others = all.iter().filter(|r| !STREAMING.contains(&r.subresource())).filter_map(|r| {
            let verbs: Vec<&str> = r
                .verbs
                .iter()
                .filter(|verb| {
                    (&r.group, &r.name) != (&self.resource.group, &self.resource.name)
                        || **verb != self.verb
                })
                .map(String::as_str)
                .collect();
            let scope = if r.namespaced { "namespaces: [\"*\"]" } else { "clusterScope: true" };
            let (group, name, verbs) = (&r.group, &r.name, verbs.join(", "));
            (!verbs.is_empty()).then(|| {
                format!("{{{scope}, apiGroups: [\"{group}\"], resources: [{name}], verbs: [{verbs}]}}")
            })
        });
        others.collect::<Vec<_>>().join(",\n")
    }

    fn expected(&self) -> String {
        let Resource { group, .. } = &self.resource;
        let namespace = match (self.resource.namespaced, self.resource.resource(), &*self.verb)
        {
            (true, _, _) => "default",
            // A namespace lies in itself.
            (false, "namespaces", "list" | "watch" | "create") => "",
            (false, "namespaces", _) => NAME,
            (false, _, _) => "",
        };
        let name = match (self.resource.subresource(), &*self.verb) {
            ("", "create" | "list" | "watch" | "deletecollection") => "",
            _ => NAME,
        };
        let (verb, resource) = (&self.verb, self.resource.resource());
        format!("{verb} {group}/{resource}/{} {namespace}/{name}", self.resource.subresource())
    }
}

fn cases() -> Vec<Case> {
    let resources = recorded();
    resources
        .iter()
        .flat_map(|resource| resource.verbs.iter().map(|verb| Case::new(resource, verb)))
        .collect()
}

#[test]
fn each_verb_of_each_resource_arrives_if_just_it_is_allowed() {
    let stack = Stack::own("liveness", &[]).unwrap();
    let admin = ["--clusterrole=cluster-admin", "--serviceaccount=default:api-reader"];
    stack.kubectl(&[&["create", "clusterrolebinding", "admin"], &admin[..]].concat()).unwrap();

    let cases = cases();
    let key = |n: usize| format!("keyhole_c{n}_secret");
    let (mut clients, mut roles) = (String::new(), String::new());
    for (n, case) in cases.iter().enumerate().filter(|(_, case)| !case.streams()) {
        let digest = keyhole_core::KeyDigest::of(key(n).as_bytes()).to_hex();
        clients.push_str(&format!(
            "- {{name: c{n}, keys: [{{sha256: \"{digest}\"}}], serviceAccount: {{namespace: default, name: api-reader}}, roles: [r{n}]}}\n"
        ));
        roles.push_str(&format!("- {{name: r{n}, rules: [{}]}}\n", case.rule()));
    }
    stack
        .apply(&format!(
            "apiVersion: keyhole/v1\nkind: Policy\nclients:\n{clients}roles:\n{roles}"
        ))
        .unwrap();

    let next = Mutex::new(cases.iter().enumerate().filter(|(_, case)| !case.streams()));
    let answered = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some((n, case)) = next.lock().unwrap().next() else { return };
                    let client = stack.anonymous().with_key(&key(n));
                    let client = client.with("content-type", case.content_type);
                    let body = if case.method == "GET" { "" } else { "{}" };
                    let response = client.send(case.method, &case.target, body).unwrap();
                    answered.lock().unwrap().push((case, response));
                }
            });
        }
    });

    let answered = answered.into_inner().unwrap();
    assert!(answered.len() > 550, "{}", answered.len());
    let events = stack.audit().events().unwrap();
    for (case, response) in answered {
        let id = response.header("x-request-id").unwrap();
        let event = events.iter().find(|event| event.text("/auditID") == id);
        let event = event.unwrap_or_else(|| panic!("{}: {response:?}", case.expected()));
        // The audit log leaves a namespace's own namespace to its name.
        let arrived = event.attributes();
        assert!(
            arrived == case.expected()
                || arrived
                    == case.expected().replace(&format!("{NAME}/{NAME}"), &format!("/{NAME}")),
            "{arrived} instead of {}",
            case.expected()
        );
    }
}

#[test]
fn each_verb_of_each_resource_is_denied_if_just_it_is_not_allowed() {
    let resources = recorded();
    let judge = |rules: &str, case: &Case| {
        let text = format!(
            "{{apiVersion: keyhole/v1, kind: Policy, clients: [{{name: c, keys: [{{sha256: {DIGEST}}}], \
             serviceAccount: {{namespace: default, name: a}}, roles: [r]}}], roles: [{{name: r, rules: [{rules}]}}]}}"
        );
        let policy =
            load_policy(&text).unwrap_or_else(|problems| panic!("{problems:?}")).policy;
        let request = Request::parse(case.method.as_bytes(), case.target.as_bytes()).unwrap();
        policy.authorize(&policy.clients()[0], &request.attributes).is_ok()
    };
    for case in cases().iter().filter(|case| !case.streams()) {
        assert!(judge(&case.rule(), case), "{}", case.expected());
        assert!(!judge(&case.other_rules(&resources), case), "{}", case.expected());
    }
}
