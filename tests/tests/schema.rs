//! The JSON Schema of policies in `docs/` is the one that `keyhole policy schema`
//! prints, and it says what the gateway says of a policy's shape.

use std::fs;
use std::process::Command;

use jsonschema::Validator;
use keyhole_core::load_policy;
use keyhole_tests::cases;
use keyhole_tests::stack::root;
use serde_json::Value;

const GOOD: &str = r#"
apiVersion: keyhole/v1
kind: Policy
gateway: {tokenWaitSeconds: 8}
clients:
- name: sql
  keys: [{sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}]
  serviceAccount: {namespace: default, name: reader, expirationSeconds: 600}
  roles: [r]
roles:
- name: r
  rules:
  - {namespaces: [default], apiGroups: [""], resources: [pods], verbs: [get]}
"#;

fn committed() -> String {
    fs::read_to_string(root().join("docs/policy.schema.json")).unwrap()
}

fn validator() -> Validator {
    jsonschema::validator_for(&serde_json::from_str(&committed()).unwrap()).unwrap()
}

fn value(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

/// Every policy in this repository that is meant to be valid, by where it is.
fn policies() -> Vec<(String, String)> {
    let mut policies = vec![("tests/cases/policies.toml".to_owned(), cases::policy().unwrap())];
    for page in ["README.md", "docs/keyless.md", "docs/policy.md", "docs/recipes.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let blocks =
            text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let blocks = blocks.filter(|block| block.contains("apiVersion: keyhole/v1"));
        policies.extend(blocks.map(|block| (page.to_owned(), block.to_owned())));
    }
    let files = fs::read_dir(root().join("tests/cases/commands")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let deployed = ["k8s/base", "k8s/demo", "k8s/overlays/example"];
    let deployed = deployed.map(|folder| root().join(folder).join("policy.yaml"));
    for file in files.chain(deployed) {
        let text = fs::read_to_string(&file).unwrap();
        if file.extension().is_some_and(|e| e == "yaml") && load_policy(&text).is_ok() {
            policies.push((file.display().to_string(), text));
        }
    }
    policies
}

#[test]
fn the_schema_in_docs_is_the_one_that_is_printed() {
    let output = Command::new(root().join("target/debug/keyhole"))
        .args(["policy", "schema"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed == committed(),
        "renew it: cargo run -p keyhole -- policy schema >docs/policy.schema.json"
    );
}

#[test]
fn every_policy_of_this_repository_is_accepted() {
    let validator = validator();
    let policies = policies();
    for needed in ["policies.toml", "README.md", "k8s/demo/policy.yaml", "commands/shop.yaml"] {
        assert!(policies.iter().any(|(place, _)| place.ends_with(needed)), "{needed}");
    }
    for (place, text) in policies {
        assert!(load_policy(&text).is_ok(), "{place}");
        if let Err(error) = validator.validate(&value(&text)) {
            panic!("{place}: {}: {error}", error.instance_path());
        }
    }
}

#[test]
#[rustfmt::skip]
fn what_the_gateway_refuses_for_its_shape_the_schema_refuses() {
    const RULE: &str = r#"{namespaces: [default], apiGroups: [""], resources: [pods], verbs: [get]}"#;
    const KEYS: &str = r#"keys: [{sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}]"#;
    let validator = validator();
    assert!(validator.is_valid(&value(GOOD)));
    for (old, new) in [
        ("keyhole/v1",                "keyhole/v2"),
        ("kind: Policy",              "kind: Pod"),
        ("kind: Policy",              ""),
        ("kind: Policy",              "kind: Policy\nspec: {}"),
        ("tokenWaitSeconds: 8",       "tokenWaitSeconds: 31"),
        ("tokenWaitSeconds: 8",       "tokenWaitSeconds: "),
        ("tokenWaitSeconds: 8",       "tokenVerification: none"),
        ("tokenWaitSeconds: 8",       "warmUp: maybe"),
        ("name: sql",                 "name: SQL"),
        ("  roles: [r]",              ""),
        ("  roles: [r]",              "  roles: r"),
        ("  roles: [r]",              "  roles: [r, r]"),
        ("  roles: [r]",              "  roles: [r]\n  colour: red"),
        ("  roles: [r]",              "  roles: [r]\n  sourceRanges: [10.0.0.0]"),
        ("ba7816bf",                  "BA7816BF"),
        ("ba7816bf",                  ""),
        ("{namespace: default, name: reader, ", "{namespace: default, "),
        ("namespace: default",        "namespace: a/b"),
        ("expirationSeconds: 600",    "expirationSeconds: 599"),
        ("expirationSeconds: 600",    "expirationSeconds: 86401"),
        ("expirationSeconds: 600",    "expirationSeconds: 1h"),
        ("expirationSeconds: 600",    "audiences: [a, a]"),
        (KEYS, ""),
        (KEYS, "tokens: []"),
        (KEYS, "tokens: [{issuer: 'https://i', audience: a, subject: s, jwksUri: 'https://i/keys', cluster: c, x: y}]"),
        (KEYS, "tokens: [{issuer: 'http://i', audience: a, subject: s, jwksUri: 'https://i/keys', cluster: c}]"),
        (KEYS, "tokens: [{issuer: 'https://i', audience: '', subject: s, jwksUri: 'https://i/keys', cluster: c}]"),
        (KEYS, "tokens: [{issuer: 'https://i', audience: a, jwksUri: 'https://i/keys', cluster: c}]"),
        (KEYS, "tokens: [{issuer: 'https://i', audience: a, subject: s, claims: {b: c}, jwksUri: 'https://i/keys', cluster: c}]"),
        (KEYS, "tokens: [{issuer: 'https://i', audience: a, claims: {}, jwksUri: 'https://i/keys', cluster: c}]"),
        (KEYS, "tokens: [{issuer: 'https://i', audience: a, claims: {b: [c]}, jwksUri: 'https://i/keys', cluster: c}]"),
        (KEYS, "tokens: [{issuer: 'https://i', audience: a, subject: s, jwksUri: 'http://i/keys', cluster: c}]"),
        (KEYS, "tokens: [{issuer: 'https://i', audience: a, subject: s, jwksUri: 'https://i/keys'}]"),
        (KEYS, "tokens: [{issuer: 'https://i', audience: a, subject: s, cluster: c}]"),
        (KEYS, "tokens: [{issuer: 'https://i', audience: a, subject: s, jwks: '{}', cluster: c}]"),
        (RULE, ""),
        (RULE, "{apiGroups: [\"\"], resources: [pods], verbs: [get]}"),
        (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [pods]}"),
        (RULE, "{namespaces: [d], clusterScope: true, apiGroups: [\"\"], resources: [pods], verbs: [get]}"),
        (RULE, "{clusterScope: false, apiGroups: [\"\"], resources: [pods], verbs: [get]}"),
        (RULE, "{namespaces: [], apiGroups: [\"\"], resources: [pods], verbs: [get]}"),
        (RULE, "{namespaces: [D], apiGroups: [\"\"], resources: [pods], verbs: [get]}"),
        (RULE, "{namespaces: [d], apiGroups: [apps/v1], resources: [pods], verbs: [get]}"),
        (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [Pod], verbs: [get]}"),
        (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [pods/*], verbs: [get]}"),
        (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [pods], resourceNames: , verbs: [get]}"),
        (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [pods], verbs: [GET]}"),
        (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [pods], verbs: [get, get]}"),
        (RULE, "{nonResourceURLs: [version], verbs: [get]}"),
        (RULE, "{nonResourceURLs: [/healthz*], verbs: [get]}"),
        (RULE, "{nonResourceURLs: [/version], verbs: [list]}"),
        (RULE, "{nonResourceURLs: [/version], resources: [pods], verbs: [get]}"),
    ] {
        assert!(GOOD.contains(old), "{old}");
        let text = GOOD.replacen(old, new, 1);
        assert!(load_policy(&text).is_err(), "the gateway takes {new}");
        assert!(!validator.is_valid(&value(&text)), "the schema takes {new}");
    }
}
