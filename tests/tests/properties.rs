//! What holds for any policy and any request.

use keyhole_core::{
    Attempt, Attributes, Body, HeaderList, PathTerm, Permission, Permissions, Policy, Request,
    ResourceAttributes, ResourceTerm, Scope, Term, Verb, Verdict, explain, list_policy,
    load_policy,
};
use keyhole_tests::sample::Gateway;
use keyhole_tests::{discovery, generate};
use proptest::prelude::*;

const DIGEST: &str = "8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a";

const ANYTHING: &str = "{nonResourceURLs: [\"/*\"], verbs: [\"*\"]}";

fn bytes(size: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), size)
}

/// Names that mean something to somebody, and any others, but no second credential.
fn hostile_name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(
        &[
            "impersonate-user",
            "impersonate-group",
            "impersonate-uid",
            "impersonate-extra-x",
            "x-remote-user",
            "x-remote-group",
            "x-remote-extra-x",
            "x-forwarded-for",
            "x-forwarded-user",
            "cookie",
            "audit-id",
            "proxy-authorization",
            "connection",
            "upgrade",
            "te",
            "sec-websocket-protocol",
            "x-original-url",
            "x-http-method-override",
            "x-envoy-original-path",
            "accept",
            "content-type-x",
            "warning",
        ][..],
    );
    prop_oneof![known.prop_map(str::to_owned), "x-[a-z-]{1,12}x"]
}

/// A policy of one client with these roles, each a list of rules.
fn policy(roles: &[Vec<String>]) -> Policy {
    let text = policy_text(roles);
    load_policy(&text).unwrap_or_else(|problems| panic!("{text}: {problems:?}")).policy
}

fn policy_text(roles: &[Vec<String>]) -> String {
    let names: Vec<String> = (0..roles.len()).map(|n| format!("r{n}")).collect();
    let defined: Vec<String> = roles
        .iter()
        .zip(&names)
        .map(|(rules, name)| format!("{{name: {name}, rules: [{}]}}", rules.join(", ")))
        .collect();
    format!(
        "{{apiVersion: keyhole/v1, kind: Policy, gateway: {{tokenVerification: claimsOnly}}, clients: [{{name: c, keys: [{{sha256: {DIGEST}}}], \
         serviceAccount: {{namespace: d, name: a0}}, roles: [{}]}}], roles: [{}]}}",
        names.join(", "),
        defined.join(", ")
    )
}

fn allows(policy: &Policy, (method, target): &(String, String)) -> bool {
    let request = Request::parse(method.as_bytes(), target.as_bytes()).unwrap();
    policy.authorize(&policy.clients()[0], &request.attributes).is_ok()
}

fn some(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::subsequence(words, 1..=words.len().min(3))
        .prop_map(|words| format!("{words:?}"))
}

/// A rule over few words, so that requests often match.
fn rule() -> impl Strategy<Value = String> {
    let scope = prop_oneof![
        some(&["d", "e", "*"]).prop_map(|namespaces| format!("namespaces: {namespaces}")),
        Just("clusterScope: true".to_owned()),
    ];
    let resource = (
        scope,
        some(&["", "apps", "*"]),
        some(&["pods", "pods/log", "secrets", "namespaces", "*"]),
        some(&["get", "list", "watch", "patch"]),
        prop::option::of(some(&["a", "b"])),
    )
        .prop_map(|(scope, groups, resources, verbs, names)| {
            let names = names.map(|names| format!(", resourceNames: {names}")).unwrap_or_default();
            format!("{{{scope}, apiGroups: {groups}, resources: {resources}, verbs: {verbs}{names}}}")
        });
    let path = (some(&["/version", "/healthz", "/healthz/*", "/*"]), some(&["get", "post"]))
        .prop_map(|(urls, verbs)| format!("{{nonResourceURLs: {urls}, verbs: {verbs}}}"));
    prop_oneof![4 => resource, 1 => path]
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(rule(), 1..6)
}

fn request() -> impl Strategy<Value = (String, String)> {
    let target = prop::sample::select(
        &[
            "/version",
            "/healthz",
            "/healthz/etcd",
            "/metrics",
            "/api/v1/pods",
            "/api/v1/pods?watch=1",
            "/api/v1/namespaces",
            "/api/v1/namespaces/d",
            "/api/v1/namespaces/d/pods",
            "/api/v1/namespaces/d/pods/a",
            "/api/v1/namespaces/e/pods/b",
            "/api/v1/namespaces/f/pods/a",
            "/api/v1/namespaces/d/pods/a/log",
            "/api/v1/namespaces/d/secrets",
            "/apis/apps/v1/namespaces/d/pods/a",
            "/api/v1/namespaces/d/pods?fieldSelector=metadata.name%3Da",
            "/apis/x.io/v1/namespaces/d/secrets/b",
        ][..],
    );
    (prop::sample::select(&["GET", "POST", "PATCH", "DELETE"][..]), target)
        .prop_map(|(method, target)| (method.to_owned(), target.to_owned()))
}

/// What the first client of a policy may do.
fn permissions(policy: &Policy) -> Permissions {
    policy.permissions(&policy.clients()[0])
}

/// Whether one policy allows something of this permission that another does not:
/// asked with names that are in neither, and for a namespace itself.
fn has_witness(permission: &Permission, verb: Verb, yes: &Policy, no: &Policy) -> bool {
    let allows = |policy: &Policy, attributes: &Attributes<'_>| {
        policy.authorize(&policy.clients()[0], attributes).is_ok()
    };
    let term = |term: &Term, fresh: &str| match term {
        Term::Any => fresh.to_owned(),
        Term::Is(text) => text.clone(),
    };
    match permission {
        Permission::Path(path) => {
            let path = match path {
                PathTerm::Below(path) => format!("{path}/fresh"),
                PathTerm::Exactly(path) => path.clone(),
            };
            let attributes = Attributes::NonResource { path: &path, verb };
            allows(yes, &attributes) && !allows(no, &attributes)
        }
        Permission::Resource(ResourceTerm { scope, group, resource, subresource, name }) => {
            let namespaces = match scope {
                Scope::AnyNamespace => vec!["fresh".to_owned(), term(name, "fresh")],
                Scope::Cluster => vec![String::new()],
                Scope::Namespace(namespace) => vec![namespace.clone()],
            };
            let (resource, groups) =
                (term(resource, "fresh"), [term(group, "fresh.io"), term(group, "")]);
            namespaces.iter().any(|namespace| {
                groups.iter().any(|group| {
                    [term(name, "other"), term(name, namespace)].into_iter().any(|name| {
                        let attributes = Attributes::Resource(ResourceAttributes {
                            verb,
                            group,
                            version: "v1",
                            namespace,
                            resource: &resource,
                            subresource,
                            name: name.into(),
                        });
                        allows(yes, &attributes) && !allows(no, &attributes)
                    })
                })
            })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_order_and_the_number_of_rules_do_not_matter(rules in rules(), request in request(), seed in any::<u64>()) {
        let mut others: Vec<String> = rules.iter().chain(&rules).cloned().collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut others);
        let expected = allows(&policy(std::slice::from_ref(&rules)), &request);
        prop_assert_eq!(allows(&policy(&[others]), &request), expected);
        // Nor does it matter how they are spread over roles.
        let spread: Vec<Vec<String>> = rules.into_iter().map(|rule| vec![rule]).collect();
        prop_assert_eq!(allows(&policy(&spread), &request), expected);
    }

    #[test]
    fn a_rule_more_never_takes_and_a_rule_less_never_gives(rules in rules(), rule in rule(), request in request()) {
        let more: Vec<String> = rules.iter().cloned().chain([rule]).collect();
        let (without, with) = (allows(&policy(&[rules]), &request), allows(&policy(&[more]), &request));
        prop_assert!(!without || with);
    }

    #[test]
    fn nothing_is_allowed_without_a_rule(request in request()) {
        prop_assert!(!allows(&policy(&[]), &request));
    }

    #[test]
    fn an_explanation_agrees_with_the_decision(rules in rules(), request in request()) {
        let listing = list_policy(&policy_text(std::slice::from_ref(&rules))).unwrap();
        let (policy, (method, target)) = (&listing.loaded.policy, &request);
        let client = &policy.clients()[0];
        let attempt = Attempt { method, target, content_type: None, body: None };
        let explanation = explain(&listing, client, &attempt);
        let read = Request::parse(method.as_bytes(), target.as_bytes()).unwrap();
        let allowed = allows(policy, &request);
        prop_assert_eq!(explanation.judged.is_ok(), allowed && read.target().is_ok());
        // Each rule for itself differs in nothing exactly if it allows it.
        for rule in listing.roles.iter().flat_map(|role| &role.rules) {
            let differs_in_nothing = rule.differing(&read.attributes).is_some_and(|d| d.is_empty());
            prop_assert_eq!(rule.allows(&read.attributes), differs_in_nothing, "{}", rule.text);
        }
        for need in &explanation.needs {
            prop_assert_eq!(!need.allowed_by.is_empty(), allowed);
        }
        // With the rule that it names, and only with that one more, it is allowed.
        if let Some(rule) = explanation.remedy {
            prop_assert!(!allowed);
            let more: Vec<String> = rules.into_iter().chain([rule.to_string()]).collect();
            prop_assert!(allows(&self::policy(&[more]), &request), "{}", rule);
        } else {
            prop_assert!(allowed || explanation.needs.is_empty());
        }
    }

    #[test]
    fn permissions_say_what_the_policy_decides(rules in rules(), request in request()) {
        let policy = policy(&[rules]);
        let read = Request::parse(request.0.as_bytes(), request.1.as_bytes()).unwrap();
        let verbs = permissions(&policy).verbs(&Permission::of(&read.attributes));
        prop_assert_eq!(verbs.contains(read.attributes.verb()), allows(&policy, &request));
    }

    #[test]
    fn a_difference_is_all_that_is_decided_differently(
        old in rules(), new in rules(), both in rules(), request in request()
    ) {
        let (old, new) = (policy(&[old, both.clone()]), policy(&[both, new]));
        let added = permissions(&new).without(&permissions(&old));
        let read = Request::parse(request.0.as_bytes(), request.1.as_bytes()).unwrap();
        if allows(&new, &request) && !allows(&old, &request) {
            prop_assert!(added.verbs(&Permission::of(&read.attributes)).contains(read.attributes.verb()));
        }
        for (permission, verbs) in added.iter() {
            for verb in verbs.iter() {
                prop_assert!(has_witness(permission, verb, &new, &old), "{:?} {}", permission, verb);
            }
        }
    }

    #[test]
    fn rules_made_of_permissions_allow_the_same(given in rules()) {
        let expected = permissions(&policy(&[given]));
        let rules: Vec<String> = expected.rules("").iter().map(|rule| rule.to_string()).collect();
        prop_assert_eq!(permissions(&policy(&[rules])), expected);
    }

    #[test]
    fn no_bytes_panic(
        method in bytes(0..10), target in bytes(0..200), text in any::<String>()
    ) {
        let _ = Request::parse(&method, &target).map(|request| request.target());
        let _ = load_policy(&text);
        let _ = HeaderList::try_from(target.clone()).map(|list| list.iter().count());
        let policy = policy(&[vec![ANYTHING.to_owned()]]);
        let headers = HeaderList::of(&[(":method", &method[..]), (":path", &target), ("x-api-key", b"k")]);
        Gateway::new(policy).request(&headers, Body::Empty);
    }

    #[test]
    fn whatever_else_is_sent_only_the_allowlist_leaves(
        hostile in prop::collection::vec((hostile_name(), bytes(0..40)), 0..12), at in any::<prop::sample::Index>()
    ) {
        let policy = policy(&[vec![ANYTHING.to_owned()]]);
        let ordinary = [
            (":method", "GET"), (":path", "/version"), (":authority", "k"), (":scheme", "https"),
            ("x-api-key", "k"), ("x-request-id", "id"), ("user-agent", "SQL"),
        ];
        let mut headers: Vec<(String, Vec<u8>)> =
            ordinary.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let at = at.index(headers.len());
        headers.splice(at..at, hostile);

        let headers = HeaderList::of(&headers);
        let mut gateway = Gateway::new(policy);
        let verdict = gateway.judge(&headers, Body::Empty);
        let Verdict::Forward(forward) = verdict else { panic!("it is permitted: {verdict:?}") };
        let sent = forward.headers();
        let mut names: Vec<_> = sent.iter().map(|(name, _)| str::from_utf8(name).unwrap()).collect();
        names.sort_unstable();
        prop_assert_eq!(
            names,
            [":authority", ":method", ":path", ":scheme", "accept", "audit-id", "authorization", "user-agent", "x-request-id"]
        );
    }
}

/// Over requests that are likely to be read in two ways.
#[test]
fn what_is_written_back_reads_the_same() {
    let resources = discovery::recorded();
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut read, all) = (0, 100_000);
    for _ in 0..all {
        let (method, target) = generate::request(&mut rng, &resources);
        if let Ok(request) = Request::parse(&method, &target)
            && let Ok(written) = request.target()
        {
            read += 1;
            let again = Request::parse(&method, written.as_bytes()).unwrap();
            assert_eq!(again.attributes, request.attributes, "{}", target.escape_ascii());
            assert_eq!(again.target(), Ok(written.clone()), "{}", target.escape_ascii());
        }
    }
    assert!(read * 5 >= all, "{read} of {all} prove nothing");
}
