//! What holds for any policy and any request.

use keyhole_core::{
    Body, Header, Policy, Progress, Request, Tokens, UnixTime, Verdict, admit, load_policy,
};
use proptest::prelude::*;

const DIGEST: &str = "8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a";

/// A policy of one client with these roles, each a list of rules.
fn policy(roles: &[Vec<String>]) -> Policy {
    let names: Vec<String> = (0..roles.len()).map(|n| format!("r{n}")).collect();
    let defined: Vec<String> = roles
        .iter()
        .zip(&names)
        .map(|(rules, name)| format!("{{name: {name}, rules: [{}]}}", rules.join(", ")))
        .collect();
    let text = format!(
        "{{apiVersion: keyhole/v1, kind: Policy, clients: [{{name: c, keys: [{{sha256: {DIGEST}}}], \
         serviceAccount: {{namespace: d, name: a}}, roles: [{}]}}], roles: [{}]}}",
        names.join(", "),
        defined.join(", ")
    );
    load_policy(&text).unwrap_or_else(|problems| panic!("{text}: {problems:?}")).policy
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_back_reads_the_same(method in "GET|POST|PUT|PATCH|DELETE",
        path in "(/[a-z.:%-]{0,9}){0,9}", query in "([a-zA-Z%=&+;]{0,30})|(fieldSelector|watch|limit)=[a-z0-9.=,%]{0,20}") {
        let target = format!("{path}?{query}");
        if let Ok(request) = Request::parse(method.as_bytes(), target.as_bytes())
            && let Ok(written) = request.target()
        {
            let again = Request::parse(method.as_bytes(), written.as_bytes()).unwrap();
            prop_assert_eq!(&again.attributes, &request.attributes);
            prop_assert_eq!(again.target(), Ok(written.clone()));
        }
    }

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
    fn no_bytes_panic(method in prop::collection::vec(any::<u8>(), 0..10), target in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::parse(&method, &target).map(|request| request.target());
    }

    #[test]
    fn no_header_list_gets_in_without_its_key(
        headers in prop::collection::vec(("[a-z-]{1,20}|x-api-key|authorization|:path|:method", prop::collection::vec(any::<u8>(), 0..40)), 0..12)
    ) {
        let policy = policy(&[vec!["{nonResourceURLs: [\"/*\"], verbs: [\"*\"]}".to_owned()]]);
        let headers: Vec<Header> = headers;
        let progress = admit(&policy, &headers, Body::Empty, &mut Tokens::default(), UnixTime::from_secs(1));
        let keyed = headers.iter().any(|(name, value)| name == "x-api-key" && value == b"k");
        prop_assert!(matches!(progress, Progress::Done(Verdict::Refuse(_))) || keyed);
    }
}
