//! Compiles the tokens that clients present: who issues them, and what they must say.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::problem::{At, Problems};
use super::written::{self, List, Tolerant};
use crate::jwks::KeySet;
use crate::policy::issuer::{Demand, Issuer, Issuers, KeySource, MOST_DEMANDS, Owner, Remote};
use crate::token::keys::KEYS_PATH;
use crate::upstream::{AUTHORITY, GATEWAY_CLUSTER};

/// Each has keys that are looked after.
const MOST_ISSUERS: usize = 32;
/// Of one entry.
pub(super) const MOST_CLAIMS: usize = 8;
/// Longer names are not taken.
pub(super) const LONGEST: usize = 512;

/// These have fields of their own, or are checked anyway.
const RESERVED: [&str; 6] = ["aud", "exp", "iat", "iss", "nbf", "sub"];

/// Envoy clusters for other ends: no issuer is behind these.
const OTHER_CLUSTERS: [&str; 6] = [
    "admin",
    "kube-apiserver",
    "kube-apiserver-again",
    "kube-apiserver-again-counted",
    "kube-apiserver-watch",
    "ratelimit",
];

/// Adds what a token of this client must say.
pub(super) fn compile(
    owner: Owner,
    token: &written::Token,
    issuers: &mut Issuers,
    at: &At<'_>,
    problems: &Problems<'_>,
) {
    let written::Token { issuer: name, audience, subject, claims, jwks, jwks_uri, cluster } =
        token;
    if !name.starts_with("https://") || !is_plain(name) {
        let message = format!(
            "`{name}` is no issuer: write what its tokens have as `iss`, which starts with `https://`"
        );
        return problems.add(&at.field("issuer"), message);
    }
    if !is_plain(audience) {
        let message = "is empty, has blanks in it, or more than 512 bytes: write what the tokens have as `aud`";
        return problems.add(&at.field("audience"), message);
    }
    let name: Arc<str> = name.as_str().into();
    if issuers.0.len() >= MOST_ISSUERS && issuers.get(&name).is_none() {
        let message = format!("is one more than the {MOST_ISSUERS} issuers that there may be");
        return problems.add(&at.field("issuer"), message);
    }
    let issuer =
        issuers.0.entry(Arc::clone(&name)).or_insert_with(|| Issuer::new(Arc::clone(&name)));
    let source = match (jwks, jwks_uri, cluster) {
        (None, None, None) => None,
        (Some(jwks), None, None) => written_keys(jwks, &at.field("jwks"), problems),
        (None, Some(uri), Some(cluster)) => {
            remote(name, uri, cluster, at, problems).map(|own| KeySource::Remote(Arc::new(own)))
        }
        (Some(_), _, _) => {
            let message = "does not go with `jwksUri` and `cluster`: keep the one or the other";
            return problems.add(&at.field("jwks"), message);
        }
        (None, Some(_), None) => {
            let message = "does not go without `cluster`: add the name of the Envoy cluster that leads there";
            return problems.add(&at.field("jwksUri"), message);
        }
        (None, None, Some(_)) => {
            let message =
                "does not go without `jwksUri`: add where the issuer publishes its keys";
            return problems.add(&at.field("cluster"), message);
        }
    };
    match (&issuer.source, source) {
        (_, None) => {}
        (None, source) => issuer.source = source,
        (Some(known), Some(source)) if *known == source => {}
        (Some(_), Some(_)) => {
            let field = if jwks.is_some() { "jwks" } else { "jwksUri" };
            let message = "says otherwise than an earlier entry of this issuer: say once where its keys are";
            problems.add(&at.field(field), message);
        }
    }
    issuer.audiences.insert(audience.clone());
    holder(owner, audience, subject.as_deref(), claims.as_ref(), issuer, at, problems);
}

/// Each issuer has keys.
pub(super) fn check_sources(
    clients: &List<written::Client>,
    issuers: &Issuers,
    at: &At<'_>,
    problems: &Problems<'_>,
) {
    let at_clients = at.field("clients");
    for (index, client) in clients.iter() {
        let at = at_clients.index(index);
        let at = at.field("tokens");
        for (index, token) in client.tokens.iter().flat_map(List::iter) {
            let at = at.index(index);
            let has_none =
                issuers.get(&token.issuer).is_some_and(|issuer| issuer.source.is_none());
            if has_none && !problems.any_below(&at_clients) {
                let message = "no entry of this issuer says where its keys are: add `jwksUri` and `cluster`, or `jwks`";
                return problems.add(&at, message);
            }
        }
    }
}

fn holder(
    owner: Owner,
    audience: &str,
    subject: Option<&str>,
    claims: Option<&Tolerant<BTreeMap<String, String>>>,
    issuer: &mut Issuer,
    at: &At<'_>,
    problems: &Problems<'_>,
) {
    match (subject, claims) {
        (Some(_), Some(_)) => {
            problems.add(&at.field("claims"), "does not go with `subject`: keep one of them");
        }
        (None, None) => {
            let message = "does not say whose tokens it is about: add `subject` or `claims`";
            problems.add(at, message);
        }
        (Some(""), None) => {
            problems.add(&at.field("subject"), "is empty: write what the tokens have as `sub`");
        }
        (Some(subject), None) => {
            let known = issuer.subjects.entry(subject.to_owned()).or_default();
            if known.iter().any(|(own, _)| own == audience) {
                let message = "is given twice for this issuer and audience: a token belongs to one client, and is listed once";
                return problems.add(&at.field("subject"), message);
            }
            known.push((audience.to_owned(), owner));
        }
        (None, Some(Tolerant(Some(claims)))) => {
            let at = at.field("claims");
            if claims.is_empty() || claims.len() > MOST_CLAIMS {
                let message = format!("has {}: write 1 to {MOST_CLAIMS} of them", claims.len());
                problems.add(&at, message);
            }
            for (name, text) in claims {
                if RESERVED.contains(&name.as_str()) {
                    let message = "is not for `claims`: write `issuer`, `audience` or `subject`; times are checked anyway";
                    problems.add(&at.field(name), message);
                }
                if name.is_empty() || text.is_empty() {
                    problems.add(&at.field(name), "is empty: write its text");
                }
            }
            let claims: Vec<_> =
                claims.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
            let audience = audience.to_owned();
            if issuer.demands.iter().any(|own| own.audience == audience && own.claims == claims)
            {
                let message = "are given twice for this issuer and audience: a token belongs to one client, and is listed once";
                problems.add(&at, message);
            }
            if issuer.demands.len() >= MOST_DEMANDS {
                let message = format!(
                    "is one of more than {MOST_DEMANDS} entries with `claims` of this issuer: write `subject`, which costs nothing however many there are"
                );
                return problems.add(&at, message);
            }
            issuer.demands.push(Demand { audience, claims, owner });
        }
        (None, Some(Tolerant(None))) => {}
    }
}

fn written_keys(jwks: &str, at: &At<'_>, problems: &Problems<'_>) -> Option<KeySource> {
    match KeySet::written(jwks) {
        Ok(keys) => Some(KeySource::Written(Arc::new(keys))),
        Err(wrong) => {
            let message = format!(
                "{wrong}: write the public keys that the issuer signs tokens with, as it publishes them"
            );
            problems.add(at, message);
            None
        }
    }
}

/// `https://HOST[:PORT]/PATH[?QUERY]`.
fn remote(
    issuer: Arc<str>,
    uri: &str,
    cluster: &str,
    at: &At<'_>,
    problems: &Problems<'_>,
) -> Option<Remote> {
    let is_authority =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    let parts = uri.strip_prefix("https://").and_then(|rest| {
        let (authority, path) = rest.split_once('/')?;
        let valid = is_plain(uri)
            && !uri.contains('#')
            && !authority.is_empty()
            && authority.bytes().all(is_authority);
        valid.then(|| (authority.to_owned(), format!("/{path}")))
    });
    let Some((authority, path)) = parts else {
        let message = format!(
            "`{uri}` is not where keys can be: write an address like `https://issuer.example.com/keys`"
        );
        problems.add(&at.field("jwksUri"), message);
        return None;
    };
    if !is_plain(cluster) {
        let message = "is empty, has blanks in it, or more than 512 bytes: write the name of an Envoy cluster";
        problems.add(&at.field("cluster"), message);
        return None;
    }
    if OTHER_CLUSTERS.contains(&cluster) {
        let message = format!(
            "`{cluster}` is the gateway's own, for other ends: write a cluster that leads to the issuer, `{GATEWAY_CLUSTER}` for accounts of this cluster"
        );
        problems.add(&at.field("cluster"), message);
        return None;
    }
    // It has the gateway's own credential, which is for nobody else.
    if cluster == GATEWAY_CLUSTER && (authority != AUTHORITY || path != KEYS_PATH) {
        let message = format!(
            "with the cluster `{GATEWAY_CLUSTER}` only the apiserver's own keys can be read: write `https://{AUTHORITY}{KEYS_PATH}`, or another cluster"
        );
        problems.add(&at.field("jwksUri"), message);
        return None;
    }
    Some(Remote { issuer, cluster: cluster.to_owned(), authority, path })
}

/// Printable ASCII without blanks, and not too much of it.
fn is_plain(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cluster_of_the_gateways_own_is_known_as_such() {
        for bootstrap in [
            include_str!("../../../../envoy/bootstrap.yaml"),
            include_str!("../../../../k8s/components/ratelimit/bootstrap.yaml"),
        ] {
            let (_, clusters) = bootstrap.split_once("\n  clusters:\n").unwrap();
            let (clusters, _) = clusters.split_once("\n\n").unwrap();
            let names: Vec<&str> =
                clusters.lines().filter_map(|line| line.strip_prefix("  - name: ")).collect();
            assert!(names.contains(&GATEWAY_CLUSTER));
            for name in names {
                assert!(name == GATEWAY_CLUSTER || OTHER_CLUSTERS.contains(&name), "{name}");
            }
        }
    }
}
