//! Configuration: from the text that is written to the policy that runs.

mod compile;
pub(crate) mod constraints;
mod decode;
pub(crate) mod document;
mod issuer;
mod limits;
pub(crate) mod listing;
mod problem;
pub(crate) mod resource;
mod rule;
#[cfg(feature = "schema")]
pub(crate) mod schema;
mod source;
pub(crate) mod suite;
mod syntax;
pub(crate) mod text;
mod words;
mod written;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};

use self::decode::decode;
use self::document::{Node, Value};
use self::problem::{At, Problems};
use crate::policy::Policy;

pub use self::problem::Problem;
pub use self::source::Source;

/// A policy and the name of its content.
#[derive(Debug)]
pub struct Loaded {
    pub policy: Policy,
    pub revision: Revision,
}

/// How the filter gets its policy.
#[derive(Debug)]
pub enum PluginConfig {
    Inline(Loaded),
    Live(Source),
}

/// The content of a policy document: 12 hex digits of its SHA-256, the same for
/// the same fields and values, however they are laid out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revision(String);

/// Reads a policy document (`apiVersion: keyhole/v1`, `kind: Policy`).
///
/// # Errors
///
/// All problems of the document, by line.
pub fn load_policy(text: &str) -> Result<Loaded, Vec<Problem>> {
    let root = Node::parse(text).map_err(|problem| [problem])?;
    let problems = Problems::new(&root);
    let revision = Revision::of(&root);
    let policy = decode::<written::Policy>(&root, &problems)
        .map(|written| compile::compile(&written, &revision, &At::ROOT, &problems));
    problems.into_result(policy).map(|policy| Loaded { policy, revision })
}

/// Reads a plugin configuration: a mapping with the policy under `policy`, or with
/// the place to read it from under `policySource`.
///
/// # Errors
///
/// All problems of the document, by line. Where the policy starts on a line of
/// its own, its lines are counted from there, as in the file that it came from.
pub fn load_plugin_config(text: &str) -> Result<PluginConfig, Vec<Problem>> {
    let root = Node::parse(text).map_err(|problem| [problem])?;
    let problems = Problems::new(&root);
    let policy_at = root.entry("policy");
    let config = decode::<written::PluginConfig>(&root, &problems).and_then(|written| {
        let written::PluginConfig { policy, policy_source } = written;
        match (policy, policy_source) {
            (Some(policy), None) => {
                let revision = Revision::of(policy_at.map_or(&root, |entry| &entry.node));
                let at = At::ROOT.field("policy");
                let policy = compile::compile(&policy, &revision, &at, &problems);
                Some(PluginConfig::Inline(Loaded { policy, revision }))
            }
            (None, Some(source)) => {
                let at = At::ROOT.field("policySource");
                source::compile(&source, &at, &problems).map(PluginConfig::Live)
            }
            (Some(_), Some(_)) => {
                let message = "does not go with `policy`: keep one of them";
                problems.add(&At::ROOT.field("policySource"), message);
                None
            }
            (None, None) => {
                let message = "has neither `policy` nor `policySource`: add one of them";
                problems.add(&At::ROOT, message);
                None
            }
        }
    });
    let own_line = policy_at.filter(|entry| entry.node.mark.line > entry.mark.line);
    let shift = own_line.map_or(0, |entry| entry.mark.line);
    problems.into_result(config).map_err(|problems| {
        problems.into_iter().map(|problem| problem.shifted("policy", shift)).collect()
    })
}

// === impl Revision ===

impl Revision {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(node: &Node) -> Self {
        let mut digest = Sha256::new();
        feed(&mut digest, node);
        let hex = base16ct::lower::encode_string(&digest.finalize());
        Self(hex.chars().take(12).collect())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Each value starts with its kind and length, so that no two trees feed alike.
fn feed(digest: &mut Sha256, node: &Node) {
    let mut head = |kind: u8, len: usize| {
        digest.update([kind]);
        digest.update(u64::try_from(len).unwrap_or(u64::MAX).to_le_bytes());
    };
    match &node.value {
        Value::Null => head(b'n', 0),
        Value::Scalar { text, .. } => {
            head(b's', text.len());
            digest.update(text.as_bytes());
        }
        Value::Sequence(items) => {
            head(b'l', items.len());
            items.iter().for_each(|item| feed(digest, item));
        }
        Value::Mapping(entries) => {
            head(b'm', entries.len());
            for entry in entries {
                digest.update(u64::try_from(entry.key.len()).unwrap_or(u64::MAX).to_le_bytes());
                digest.update(entry.key.as_bytes());
                feed(digest, &entry.node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::string::ToString;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const GOOD: &str = "\
apiVersion: keyhole/v1
kind: Policy
clients:
- name: sql
  keys: [{sha256: DIGEST}]
  serviceAccount: {namespace: default, name: reader}
  roles: [r]
roles:
- name: r
  rules:
  - {namespaces: [default], apiGroups: [\"\"], resources: [pods], verbs: [get]}
";

    fn good() -> String {
        GOOD.replace("DIGEST", DIGEST)
    }

    fn problems(text: &str) -> Vec<String> {
        load_policy(text).err().unwrap_or_default().iter().map(|p| p.to_string()).collect()
    }

    #[test]
    fn a_policy_that_is_all_wrong_says_so_briefly() {
        let text = good().replace("roles: [r]", &format!("roles: [{}]", "x, ".repeat(1000)));
        assert_eq!(problems(&text).len(), 100);
    }

    #[test]
    fn a_good_policy_has_no_problems() {
        assert_eq!(problems(&good()), [""; 0]);
        assert_eq!(load_policy(&good()).unwrap().policy.clients().len(), 1);
    }

    #[test]
    #[rustfmt::skip]
    fn each_mistake_says_where_it_is_and_what_to_write() {
        const RULE: &str = r#"{namespaces: [default], apiGroups: [""], resources: [pods], verbs: [get]}"#;
        const KEY: &str = "{sha256: DIGEST}";
        let huge = format!(
            "{{namespaces: [{0}], apiGroups: [a], resources: [{0}], resourceNames: [{1}], verbs: [get]}}",
            (0..100).map(|n| format!("n{n}")).collect::<Vec<_>>().join(", "),
            (0..26).map(|n| format!("n{n}")).collect::<Vec<_>>().join(", "),
        );
        let writes = |group: &str, resources: &str, constraints: &str| format!(
            "{{namespaces: [d], apiGroups: [{group}], resources: [{resources}], verbs: [create], constraints: {{{constraints}}}}}"
        );
        let jobs = |constraints: &str| writes("batch", "jobs", "X").replace("{X}", constraints);
        const KEYS: &str = "keys: [{sha256: DIGEST}]";
        const ISSUER: &str = "https://i.example.com";
        const FETCHED: &str = "jwksUri: 'https://i.example.com/keys', cluster: c";
        let token = |issuer: &str, what: &str, keys: &str| {
            let keys = if keys.is_empty() { String::new() } else { format!(", {keys}") };
            format!("{{issuer: '{issuer}', {what}{keys}}}")
        };
        let tokens = |issuer: &str, what: &str, keys: &str| {
            format!("tokens: [{}]", token(issuer, what, keys))
        };
        let several = |first: &str, second: &str, subject: &str| {
            let one = token(ISSUER, "audience: a, subject: s", first);
            let two = token(ISSUER, &format!("audience: a, subject: {subject}"), second);
            format!("tokens: [{one}, {two}]")
        };
        const ACCOUNT: &str = "{namespace: default, name: reader}";
        for (old, new, expected) in [
            // the document
            ("keyhole/v1",    "keyhole/v2",      "line 1: apiVersion: is `keyhole/v2`: write `keyhole/v1`"),
            ("kind: Policy",  "kind: Pod",       "line 2: kind: is `Pod`: write `Policy`"),
            ("kind: Policy",  "",                "line 1: `kind` is missing: add it"),
            ("kind: Policy",  "kind: Policy\nkind: Policy", "line 3: kind: given twice: keep one of them"),
            ("kind: Policy",  "kind: Policy\nspec: {}", "line 3: spec: unknown field: write `apiVersion`, `kind`, `gateway`, `clients` or `roles`"),
            ("kind: Policy",  "kind: &a Policy", "line 2: anchors are not supported: remove the `&...`"),
            ("kind: Policy",  "kind: !x Policy", "line 2: tags are not supported: remove the `!...`"),
            // the gateway
            ("kind: Policy",  "kind: Policy\ngateway: {warmUp: yes}", "line 3: gateway.warmUp: is `yes`: write `true` or `false`"),
            ("kind: Policy",  "kind: Policy\ngateway: {tokenWaitSeconds: 31}", "line 3: gateway.tokenWaitSeconds: is 31: write 1 to 30"),
            ("kind: Policy",  "kind: Policy\ngateway: {tokenVerification: none}", "line 3: gateway.tokenVerification: is `none`: write `claimsOnly` or `signature`"),
            // clients
            ("name: sql",     "name: SQL",       "line 4: clients[0].name: `SQL` is not a Kubernetes name: write lower-case letters, digits and `-`"),
            ("roles: [r]",    "roles: [x]",      "line 7: clients[0].roles[0]: no role `x` is defined: write one of `r`, or add it under `roles`"),
            ("roles: [r]",    "roles: [r, r]",   "line 7: clients[0].roles[1]: the role `r` is given twice"),
            ("roles: [r]",    "roles: r",        "line 7: clients[0].roles: is `r`: write a list"),
            ("roles: [r]",    "roles: [r]\n  enforcement: audit", "line 8: clients[0].enforcement: is `audit`: write `enforce` or `report`"),
            // from where, and how much
            ("roles: [r]",    "roles: [r]\n  sourceRanges: []", "line 8: clients[0].sourceRanges: is empty, so the client can call from nowhere: add a range, or remove it for any address"),
            ("roles: [r]",    "roles: [r]\n  sourceRanges: [10.0.0.0]", "line 8: clients[0].sourceRanges[0]: `10.0.0.0` is not a range of addresses: write one like 10.0.0.0/8, or 10.1.2.3/32 for one address"),
            ("roles: [r]",    "roles: [r]\n  sourceRanges: [10.1.2.3/8]", "line 8: clients[0].sourceRanges[0]: `10.1.2.3/8` is an address within a range: write `10.0.0.0/8` for the range, or `10.1.2.3/32` for the address"),
            ("roles: [r]",    "roles: [r]\n  sourceRanges: [10.0.0.0/8, 10.0.0.0/8]", "line 8: clients[0].sourceRanges[1]: `10.0.0.0/8` is given twice: keep one of them"),
            ("roles: [r]",    "roles: [r]\n  limits: {}", "line 8: clients[0].limits: is empty: add `requestsPerSecond`, `requestsInFlight` or `bodyBytes`, or remove it"),
            ("roles: [r]",    "roles: [r]\n  limits: {requestsPerSecond: 0}", "line 8: clients[0].limits.requestsPerSecond: is 0: write 1 to 10000"),
            ("roles: [r]",    "roles: [r]\n  limits: {requestsPerSecond: 0.5}", "line 8: clients[0].limits.requestsPerSecond: is `0.5`: write a whole number"),
            ("roles: [r]",    "roles: [r]\n  limits: {burst: 5}", "line 8: clients[0].limits.burst: does not go without `requestsPerSecond`: add it"),
            ("roles: [r]",    "roles: [r]\n  limits: {requestsInFlight: 1001}", "line 8: clients[0].limits.requestsInFlight: is 1001: write 1 to 1000"),
            ("roles: [r]",    "roles: [r]\n  limits: {bodyBytes: 4194304}", "line 8: clients[0].limits.bodyBytes: is 4194304: write 1 to 3145728"),
            // keys
            // written, but with nothing in it: not the same as left out
            (KEY,  "{sha256: DIGEST, notAfter: }", "line 5: clients[0].keys[0].notAfter: is nothing: write text"),
            (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [secrets], resourceNames: , verbs: [get]}", "line 11: roles[0].rules[0].resourceNames: is nothing: write a list"),
            (RULE, &huge,                        "line 11: roles[0].rules[0]: stands for 260000 combinations, and the policy for more than 250000: use `*`, or drop what is not needed"),
            (KEY,  "",                           "line 5: clients[0].keys: is empty, so nobody can be this client: add a key, or remove the client"),
            (KEY,  "{sha256: abc}",              "line 5: clients[0].keys[0].sha256: is not 64 lower-case hex digits: write the SHA-256 digest of the key, as `keyhole key new` prints it"),
            (KEY,  "{sha256: DIGEST}, {sha256: DIGEST}", "line 5: clients[0].keys[1].sha256: is given twice: a key belongs to one client, and is listed once"),
            (KEY,  "{sha256: DIGEST, notAfter: soon}", "line 5: clients[0].keys[0].notAfter: `soon` is not a time: write one like 2026-11-01T00:00:00Z"),
            (KEY,  "{sha256: DIGEST, notBefore: 2027-01-01T00:00:00Z, notAfter: 2026-01-01T00:00:00Z}",
                   "line 5: clients[0].keys[0].notAfter: is not after `notBefore`, so the key is never valid: swap the two"),
            (KEY,  "{sha256: DIGEST, hours: 6-20}", "line 5: clients[0].keys[0].hours: `6-20` are not hours of a day: write them like 06:00-20:00, in UTC"),
            // accounts
            (ACCOUNT, "default/reader",          "line 6: clients[0].serviceAccount: is `default/reader`: write a mapping with `namespace`, `name`, `expirationSeconds` or `audiences`"),
            (ACCOUNT, "{namespace: default}",    "line 6: clients[0].serviceAccount: `name` is missing: add it"),
            (ACCOUNT, "{namespace: a/b, name: reader}", "line 6: clients[0].serviceAccount.namespace: `a/b` is not a Kubernetes name: write lower-case letters, digits and `-`"),
            (ACCOUNT, "{namespace: default, name: reader, expirationSeconds: 60}", "line 6: clients[0].serviceAccount.expirationSeconds: is 60: write 600 (the apiserver's minimum) to 86400"),
            (ACCOUNT, "{namespace: default, name: reader, expirationSeconds: 1h}", "line 6: clients[0].serviceAccount.expirationSeconds: is `1h`: write a whole number"),
            (ACCOUNT, "{namespace: default, name: reader, audiences: [a, a]}", "line 6: clients[0].serviceAccount.audiences[1]: is empty or given twice: remove it"),
            // tokens
            (KEYS, "tokens: []",                "line 5: clients[0].tokens: is empty: add a token, or remove it"),
            (KEYS, "enforcement: enforce",      "line 4: clients[0]: has neither `keys` nor `tokens`, so nobody can be this client: add one of them, or remove the client"),
            (KEYS, &tokens("issuer.example.com", "audience: a, subject: s", FETCHED), "line 5: clients[0].tokens[0].issuer: `issuer.example.com` is no issuer: write what its tokens have as `iss`, which starts with `https://`"),
            (KEYS, &tokens(ISSUER, "audience: 'a b', subject: s", FETCHED), "line 5: clients[0].tokens[0].audience: is empty, has blanks in it, or more than 512 bytes: write what the tokens have as `aud`"),
            (KEYS, &tokens(ISSUER, "subject: s", FETCHED), "line 5: clients[0].tokens[0]: `audience` is missing: add it"),
            (KEYS, &tokens(ISSUER, "audience: a", FETCHED), "line 5: clients[0].tokens[0]: does not say whose tokens it is about: add `subject` or `claims`"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s, claims: {b: c}", FETCHED), "line 5: clients[0].tokens[0].claims: does not go with `subject`: keep one of them"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: ''", FETCHED), "line 5: clients[0].tokens[0].subject: is empty: write what the tokens have as `sub`"),
            (KEYS, &tokens(ISSUER, "audience: a, claims: {}", FETCHED), "line 5: clients[0].tokens[0].claims: has 0: write 1 to 8 of them"),
            (KEYS, &tokens(ISSUER, "audience: a, claims: [b]", FETCHED), "line 5: clients[0].tokens[0].claims: is a list: write a mapping"),
            (KEYS, &tokens(ISSUER, "audience: a, claims: {b: [c]}", FETCHED), "line 5: clients[0].tokens[0].claims.b: is a list: write text"),
            (KEYS, &tokens(ISSUER, "audience: a, claims: {b: ''}", FETCHED), "line 5: clients[0].tokens[0].claims.b: is empty: write its text"),
            (KEYS, &tokens(ISSUER, "audience: a, claims: {b: c, b: d}", FETCHED), "line 5: clients[0].tokens[0].claims.b: given twice: keep one of them"),
            (KEYS, &tokens(ISSUER, "audience: a, claims: {sub: c}", FETCHED), "line 5: clients[0].tokens[0].claims.sub: is not for `claims`: write `issuer`, `audience` or `subject`; times are checked anyway"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "jwksUri: 'http://i.example.com/keys', cluster: c"), "line 5: clients[0].tokens[0].jwksUri: `http://i.example.com/keys` is not where keys can be: write an address like `https://issuer.example.com/keys`"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "jwksUri: 'https://a@i.example.com/keys', cluster: c"), "line 5: clients[0].tokens[0].jwksUri: `https://a@i.example.com/keys` is not where keys can be: write an address like `https://issuer.example.com/keys`"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "jwksUri: 'https://i.example.com/keys'"), "line 5: clients[0].tokens[0].jwksUri: does not go without `cluster`: add the name of the Envoy cluster that leads there"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "cluster: c"), "line 5: clients[0].tokens[0].cluster: does not go without `jwksUri`: add where the issuer publishes its keys"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "jwks: '{}', cluster: c"), "line 5: clients[0].tokens[0].jwks: does not go with `jwksUri` and `cluster`: keep the one or the other"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "jwks: '{}'"), "line 5: clients[0].tokens[0].jwks: it is not a JSON Web Key Set: write the public keys that the issuer signs tokens with, as it publishes them"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "jwks: {keys: []}"), "line 5: clients[0].tokens[0].jwks: is a mapping: write text"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "jwks: '{\"keys\":[{\"kid\":\"a\"}]}'"), "line 5: clients[0].tokens[0].jwks: `keys[0]` is no public key for RS256, ES256 or EdDSA: write the public keys that the issuer signs tokens with, as it publishes them"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "enforcement: x"), "line 5: clients[0].tokens[0].enforcement: unknown field: write `issuer`, `audience`, `subject`, `claims`, `jwks`, `jwksUri` or `cluster`"),
            // the gateway's own credential is for its own cluster
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "jwksUri: 'https://kubernetes.default.svc/api/v1/secrets', cluster: kube-apiserver-gateway"), "line 5: clients[0].tokens[0].jwksUri: with the cluster `kube-apiserver-gateway` only the apiserver's own keys can be read: write `https://kubernetes.default.svc/openid/v1/jwks`, or another cluster"),
            // nor is any other of its clusters an issuer's
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "jwksUri: 'https://localhost/certs', cluster: admin"), "line 5: clients[0].tokens[0].cluster: `admin` is the gateway's own, for other ends: write a cluster that leads to the issuer, `kube-apiserver-gateway` for accounts of this cluster"),
            (KEYS, &tokens(ISSUER, "audience: a, subject: s", "jwksUri: 'https://kubernetes.default.svc/openid/v1/jwks', cluster: kube-apiserver"), "line 5: clients[0].tokens[0].cluster: `kube-apiserver` is the gateway's own, for other ends: write a cluster that leads to the issuer, `kube-apiserver-gateway` for accounts of this cluster"),
            // several entries of one issuer
            (KEYS, &several("", "", "t"), "line 5: clients[0].tokens[0]: no entry of this issuer says where its keys are: add `jwksUri` and `cluster`, or `jwks`"),
            (KEYS, &several(FETCHED, "jwksUri: 'https://i.example.com/other', cluster: c", "t"), "line 5: clients[0].tokens[1].jwksUri: says otherwise than an earlier entry of this issuer: say once where its keys are"),
            (KEYS, &several(FETCHED, "jwksUri: 'https://i.example.com/keys', cluster: d", "t"), "line 5: clients[0].tokens[1].jwksUri: says otherwise than an earlier entry of this issuer: say once where its keys are"),
            (KEYS, &several(FETCHED, "", "s"), "line 5: clients[0].tokens[1].subject: is given twice for this issuer and audience: a token belongs to one client, and is listed once"),
            // rules that can never match
            (RULE, "{apiGroups: [\"\"], resources: [pods], verbs: [get]}", "line 11: roles[0].rules[0]: does not say where it holds: add `namespaces: [...]`, `clusterScope: true` or `nonResourceURLs: [...]`"),
            (RULE, "{namespaces: [d], clusterScope: true, apiGroups: [\"\"], resources: [pods], verbs: [get]}", "line 11: roles[0].rules[0].clusterScope: does not go with `namespaces`: write two rules"),
            (RULE, "{clusterScope: false, apiGroups: [\"\"], resources: [pods], verbs: [get]}", "line 11: roles[0].rules[0].clusterScope: is `false`: leave it out, and say where the rule holds by `namespaces`"),
            (RULE, "{namespaces: [], apiGroups: [\"\"], resources: [pods], verbs: [get]}", "line 11: roles[0].rules[0].namespaces: is empty, so the rule can never match: add to it"),
            (RULE, "{namespaces: [D], apiGroups: [\"\"], resources: [pods], verbs: [get]}", "line 11: roles[0].rules[0].namespaces[0]: `D` is not a namespace: write its name, or `*` for any"),
            (RULE, "{namespaces: [d], apiGroups: [core], resources: [pods], verbs: [get]}", "line 11: roles[0].rules[0].apiGroups[0]: `core` is not an API group: the core group is `\"\"`"),
            (RULE, "{namespaces: [d], apiGroups: [apps/v1], resources: [pods], verbs: [get]}", "line 11: roles[0].rules[0].apiGroups[0]: `apps/v1` names a version: write `apps`"),
            (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [Pod], verbs: [get]}", "line 11: roles[0].rules[0].resources[0]: `Pod` is not a resource: write its lower-case plural, as in `pods` or `pods/log`"),
            (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [pods/*], verbs: [get]}", "line 11: roles[0].rules[0].resources[0]: `pods/*` would cover subresources by a star: name each one, as in `pods/log`"),
            (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [nodes], verbs: [get]}", "line 11: roles[0].rules[0].resources[0]: `nodes` lies in no namespace: write a rule with `clusterScope: true`"),
            (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [pods], verbs: [GET]}", "line 11: roles[0].rules[0].verbs[0]: `GET` is not a verb here: write one of create, delete, deletecollection, get, list, patch, update, watch, or `*`"),
            (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [pods], verbs: [get, get]}", "line 11: roles[0].rules[0].verbs[1]: `get` is given twice: keep one of them"),
            (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [pods]}", "line 11: roles[0].rules[0]: `verbs` is missing: add it"),
            (RULE, "{namespaces: [d], apiGroups: [\"\"], resources: [pods], resourceNames: [a], verbs: [create]}", "line 11: roles[0].rules[0].verbs: `create` has no name in its path, so it never matches `resourceNames`: move it to a rule of its own"),
            (RULE, "{nonResourceURLs: [version], verbs: [get]}", "line 11: roles[0].rules[0].nonResourceURLs[0]: `version` is not a path: write one like `/version`, or `/healthz/*` for all below it"),
            (RULE, "{nonResourceURLs: [/healthz*], verbs: [get]}", "line 11: roles[0].rules[0].nonResourceURLs[0]: `/healthz*` is not a path: write one like `/version`, or `/healthz/*` for all below it"),
            (RULE, "{nonResourceURLs: [/api/v1/pods], verbs: [get]}", "line 11: roles[0].rules[0].nonResourceURLs[0]: `/api/v1/pods` is a resource path: write a rule with `resources`"),
            (RULE, "{nonResourceURLs: [/version], verbs: [list]}", "line 11: roles[0].rules[0].verbs[0]: `list` is not a verb here: write one of delete, get, patch, post, put, or `*`"),
            (RULE, "{nonResourceURLs: [/version], resources: [pods], verbs: [get]}", "line 11: roles[0].rules[0].resources: does not go with `nonResourceURLs`: write two rules"),
            // constraints
            (RULE, "{nonResourceURLs: [/version], verbs: [get], constraints: {namePrefix: a-}}", "line 11: roles[0].rules[0].constraints: does not go with `nonResourceURLs`: write two rules"),
            (RULE, &jobs("{}"),                  "line 11: roles[0].rules[0].constraints: is empty: write `images`, `forbid`, `serviceAccounts`, `namePrefix`, `labels` or `maxReplicas`, or remove it"),
            (RULE, &jobs(""),                    "line 11: roles[0].rules[0].constraints: is nothing: write a mapping with `images`, `forbid`, `serviceAccounts`, `namePrefix`, `labels` or `maxReplicas`"),
            (RULE, &jobs("{image: a, maxReplicas: 1}"),  "line 11: roles[0].rules[0].constraints.image: unknown field: write `images`, `forbid`, `serviceAccounts`, `namePrefix`, `labels` or `maxReplicas`"),
            (RULE, &jobs("{images: a}"),         "line 11: roles[0].rules[0].constraints.images: is `a`: write a list"),
            (RULE, &jobs("{images: []}"),        "line 11: roles[0].rules[0].constraints.images: is empty: add to it, or remove it"),
            (RULE, &jobs("{images: [a, a]}"),    "line 11: roles[0].rules[0].constraints.images[1]: `a` is given twice: keep one of them"),
            (RULE, &jobs("{images: ['']}"),    "line 11: roles[0].rules[0].constraints.images[0]: `` is not an image: write one like `docker.io/library/busybox:1.36`, or `registry.example.com/team/` for all below it"),
            (RULE, &jobs("{images: [a b]}"),     "line 11: roles[0].rules[0].constraints.images[0]: `a b` is not an image: write one like `docker.io/library/busybox:1.36`, or `registry.example.com/team/` for all below it"),
            (RULE, &jobs("{images: [team/*]}"),  "line 11: roles[0].rules[0].constraints.images[0]: `team/*` is not an image: write one like `docker.io/library/busybox:1.36`, or `registry.example.com/team/` for all below it"),
            (RULE, &jobs("{images: [HTTPS://a/]}"), "line 11: roles[0].rules[0].constraints.images[0]: `HTTPS://a/` is not an image: write one like `docker.io/library/busybox:1.36`, or `registry.example.com/team/` for all below it"),
            (RULE, &jobs("{forbid: ['*']}"),     "line 11: roles[0].rules[0].constraints.forbid[0]: `*` cannot be forbidden here: write one of privileged, hostPath, hostNetwork, hostPID, hostIPC, hostPorts, addedCapabilities"),
            (RULE, &jobs("{serviceAccounts: [a/b]}"), "line 11: roles[0].rules[0].constraints.serviceAccounts[0]: `a/b` is not a ServiceAccount: write its name"),
            (RULE, &jobs("{namePrefix: ''}"),    "line 11: roles[0].rules[0].constraints.namePrefix: `` starts no name: write one like `sql-`"),
            (RULE, &jobs("{namePrefix: sql-*}"), "line 11: roles[0].rules[0].constraints.namePrefix: `sql-*` starts no name: write one like `sql-`"),
            (RULE, &jobs("{labels: [a b]}"),     "line 11: roles[0].rules[0].constraints.labels[0]: `a b` is not a label: write one like `team=db`, or `team` for any value"),
            (RULE, &jobs("{labels: [=a]}"),      "line 11: roles[0].rules[0].constraints.labels[0]: `=a` is not a label: write one like `team=db`, or `team` for any value"),
            (RULE, &jobs("{labels: [a/b/c]}"),   "line 11: roles[0].rules[0].constraints.labels[0]: `a/b/c` is not a label: write one like `team=db`, or `team` for any value"),
            (RULE, &jobs("{labels: [a=b, a]}"),  "line 11: roles[0].rules[0].constraints.labels: `a` is given two values: keep one"),
            (RULE, &jobs("{labels: {a: b}}"),    "line 11: roles[0].rules[0].constraints.labels: is a mapping: write a list"),
            (RULE, &jobs("{maxReplicas: many}"), "line 11: roles[0].rules[0].constraints.maxReplicas: is `many`: write a whole number"),
            (RULE, &jobs("{maxReplicas: -1}"),   "line 11: roles[0].rules[0].constraints.maxReplicas: is `-1`: write a whole number"),
            (RULE, &writes("batch", "jobs", "namePrefix: a-").replace("create", "get"), "line 11: roles[0].rules[0].constraints: are about `create`, `update` and `patch`, of which the rule allows none: remove them"),
            (RULE, &writes("''", "pods, configmaps", "images: [a/]"), "line 11: roles[0].rules[0].resources[1]: `configmaps` has no pod spec known here, so `constraints.images` cannot be judged: move it to a rule of its own; known are pods, podtemplates, replicationcontrollers, daemonsets, deployments, replicasets, statefulsets, cronjobs, jobs"),
            (RULE, &writes("apps", "jobs", "forbid: [hostPath]"), "line 11: roles[0].rules[0].resources[0]: `jobs` has no pod spec known here, so `constraints.forbid` cannot be judged: move it to a rule of its own; known are pods, podtemplates, replicationcontrollers, daemonsets, deployments, replicasets, statefulsets, cronjobs, jobs"),
            (RULE, &writes("apps", "daemonsets", "maxReplicas: 1"), "line 11: roles[0].rules[0].resources[0]: `daemonsets` has no number of replicas known here, so `constraints.maxReplicas` cannot be judged: move it to a rule of its own; known are replicationcontrollers, deployments, replicasets, statefulsets, cronjobs, jobs"),
            (RULE, &writes("apps", "deployments/scale", "labels: [a]"), "line 11: roles[0].rules[0].resources[0]: `deployments/scale` has no labels known here, so `constraints.labels` cannot be judged: move it to a rule of its own"),
            (RULE, &writes("''", "pods/eviction", "namePrefix: a-"), "line 11: roles[0].rules[0].resources[0]: the body of `pods/eviction` cannot be judged by `constraints`: move it to a rule of its own"),
            (RULE, &writes("''", "pods/status", "labels: [a]"), "line 11: roles[0].rules[0].resources[0]: the body of `pods/status` cannot be judged by `constraints`: move it to a rule of its own"),
            (RULE, &writes("batch", "'*'", "serviceAccounts: [a]"), "line 11: roles[0].rules[0].resources[0]: `*` does not go with `constraints.serviceAccounts`: name the resources, as in `jobs`"),
            (RULE, &writes("'*'", "jobs", "maxReplicas: 1"), "line 11: roles[0].rules[0].apiGroups[0]: `*` does not go with `constraints.maxReplicas`: name the groups, as in `batch`"),
        ] {
            let good = GOOD.to_owned();
            assert!(good.contains(old), "{old}");
            let text = good.replacen(old, new, 1).replace("DIGEST", DIGEST);
            assert_eq!(problems(&text), [expected], "{new}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_client_may_have_tokens_instead_of_keys_or_both() {
        const KEYS: &str = "keys: [{sha256: DIGEST}]";
        const TOKEN: &str = "issuer: 'https://i.example.com', audience: a";
        const SOURCE: &str = "jwksUri: 'https://i.example.com:8443/keys?x=1', cluster: outbound|443||i.example.com";
        for tokens in [
            format!("tokens: [{{{TOKEN}, subject: s, {SOURCE}}}]"),
            format!("{KEYS}\n  tokens: [{{{TOKEN}, subject: s, {SOURCE}}}]"),
            // said once, or twice the same, and for whatever entry
            format!("tokens: [{{{TOKEN}, subject: s}}, {{{TOKEN}, claims: {{b: c}}, {SOURCE}}}]"),
            format!("tokens: [{{{TOKEN}, subject: s, {SOURCE}}}, {{{TOKEN}, subject: t, {SOURCE}}}]"),
            format!("tokens: [{{{TOKEN}, subject: s, {SOURCE}}}, {{issuer: 'https://i.example.com', audience: b, subject: s}}]"),
            // the cluster's own
            "tokens: [{issuer: 'https://kubernetes.default.svc', audience: a, subject: s, jwksUri: 'https://kubernetes.default.svc/openid/v1/jwks', cluster: kube-apiserver-gateway}]".to_owned(),
        ] {
            let text = GOOD.replace(KEYS, &tokens).replace("DIGEST", DIGEST);
            assert_eq!(problems(&text), [""; 0], "{tokens}");
        }
    }

    #[test]
    fn there_are_so_many_issuers_and_entries_with_claims() {
        let source = "jwksUri: 'https://i.example.com/keys', cluster: c";
        let issuers = (0..33).map(|n| {
            format!("{{issuer: 'https://i{n}.example.com', audience: a, subject: s, {source}}}")
        });
        let claims = (0..33).map(|n| {
            format!("{{issuer: 'https://i.example.com', audience: a, claims: {{b: c{n}}}, {source}}}")
        });
        let said = |tokens: Vec<String>| {
            let tokens = format!("tokens: [{}]", tokens.join(", "));
            problems(&GOOD.replace("keys: [{sha256: DIGEST}]", &tokens))
        };
        assert_eq!(
            said(issuers.collect()),
            [
                "line 5: clients[0].tokens[32].issuer: is one more than the 32 issuers that there may be"
            ]
        );
        assert_eq!(
            said(claims.collect()),
            [
                "line 5: clients[0].tokens[32].claims: is one of more than 32 entries with `claims` of this issuer: write `subject`, which costs nothing however many there are"
            ]
        );
    }

    #[test]
    #[rustfmt::skip]
    fn a_mistake_is_in_the_line_and_column_of_what_is_wrong() {
        for (old, new, expected) in [
            ("keyhole/v1",    "keyhole/v2",               (1, 13)),
            ("kind: Policy",  "kind: Policy\nspec: {}",   (3, 1)),
            ("kind: Policy",  "kind: &a Policy",          (2, 7)),
            ("kind: Policy",  "kind: [",                  (3, 1)),
            ("name: sql",     "name: \"SQL\"",            (4, 9)),
            ("  roles: [r]",  "  roles: [r]\n  colour: red", (8, 3)),
            ("namespace: default", "namespace: \"ö\", x: y", (6, 36)),
            // what is missing is wrong with what it is missing from
            ("- {namespaces: [default], ", "- {",         (11, 5)),
        ] {
            let text = good().replacen(old, new, 1);
            let found = load_policy(&text).unwrap_err();
            let last = found.last().unwrap();
            assert_eq!((last.line, last.column), expected, "{new}: {found:?}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn constraints_go_with_what_can_be_judged() {
        for (groups, resources, verbs, constraints) in [
            ("batch",      "jobs",                          "create",                "images: [a/, 'b@', c:1], forbid: [privileged], serviceAccounts: [a]"),
            ("'', apps",   "pods, deployments",             "update, patch",         "images: [a/]"),
            ("''",         "pods, pods/ephemeralcontainers", "patch",                "images: [a/], labels: [a=]"),
            ("apps",       "deployments, deployments/scale", "patch",                "maxReplicas: 0, namePrefix: a-"),
            ("'*'",        "'*'",                           "'*'",                   "namePrefix: sql-, labels: [example.com/team=db, app]"),
            ("''",         "configmaps",                    "create",                "namePrefix: sql-"),
            ("batch",      "jobs",                          "create, get, delete, deletecollection", "maxReplicas: 5"),
        ] {
            let rule = format!(
                "{{namespaces: [d], apiGroups: [{groups}], resources: [{resources}], verbs: [{verbs}], constraints: {{{constraints}}}}}"
            );
            let text = good().replace(
                r#"{namespaces: [default], apiGroups: [""], resources: [pods], verbs: [get]}"#,
                &rule,
            );
            assert!(text.contains(&rule));
            assert_eq!(problems(&text), [""; 0], "{rule}");
        }
    }

    #[test]
    fn all_mistakes_are_found_at_once() {
        let text =
            good().replace("name: sql", "name: SQL\n  colour: red").replace("get", "got");
        let text = text.replace("keyhole/v1", "v1").replace("default, name", "D, name");
        let lines: Vec<_> = load_policy(&text).unwrap_err().iter().map(|p| p.line).collect();
        assert_eq!(lines, [1, 4, 5, 7, 12]);
    }

    #[test]
    fn a_plugin_configuration_counts_lines_within_the_policy() {
        let indented =
            |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<String>();
        let text =
            format!("policy:\n{}", indented(&good().replace("kind: Policy", "kind: Pod")));
        let problems = load_plugin_config(&text).unwrap_err();
        assert_eq!(problems[0].to_string(), "line 2: policy.kind: is `Pod`: write `Policy`");
    }

    #[test]
    fn json_is_read_too_and_names_the_same_revision() {
        let json = format!(
            r#"{{"apiVersion":"keyhole/v1","kind":"Policy","clients":[{{"name":"sql","keys":[{{"sha256":"{DIGEST}"}}],"serviceAccount":{{"namespace":"default","name":"reader"}},"roles":["r"]}}],"roles":[{{"name":"r","rules":[{{"namespaces":["default"],"apiGroups":[""],"resources":["pods"],"verbs":["get"]}}]}}]}}"#
        );
        let (yaml, json) = (load_policy(&good()).unwrap(), load_policy(&json).unwrap());
        assert_eq!(yaml.revision, json.revision);
        let other = load_policy(&good().replace("get", "list")).unwrap();
        assert_ne!(yaml.revision, other.revision);
    }
}
