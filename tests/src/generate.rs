//! Requests that are likely to be read in two ways.

use fastrand::Rng;

use crate::discovery::Resource;

/// A method and a request target, as bytes on the wire.
pub type Raw = (Vec<u8>, Vec<u8>);

const METHODS: &[&str] = &["GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE"];
const ODD_METHODS: &[&str] = &["HEAD", "OPTIONS", "get", "CONNECT", "WATCH", "Get", ""];
const NAMES: &[&str] = &[
    "web-0",
    "default",
    "a",
    "status",
    "proxy",
    "watch",
    "log",
    "exec",
    "x.y",
    "system:node",
    "0",
];
const NAMESPACES: &[&str] =
    &["default", "kube-system", "d", "status", "finalize", "watch", "namespaces"];
const PATHS: &[&str] = &[
    "/",
    "/version",
    "/healthz",
    "/healthz/etcd",
    "/livez/ping",
    "/metrics",
    "/api",
    "/apis",
    "/api/v1",
    "/apis/apps",
    "/apis/apps/v1",
    "/openapi/v2",
    "/openapi/v3/apis/apps/v1",
    "/openid/v1/jwks",
    "/.well-known/openid-configuration",
    "/logs/x",
    "/debug/pprof/profile",
    "/API/v1/pods",
];
const PARAMETERS: &[&str] = &[
    "watch",
    "watch=",
    "watch=1",
    "watch=0",
    "watch=true",
    "watch=false",
    "watch=FALSE",
    "watch=no",
    "watch=00",
    "%77atch=1",
    "watch=%31",
    "Watch=1",
    "watch=0&watch=1",
    "watch=0;&watch=1",
    "watch=0%&watch=1",
    "wat%63h=fal%73e",
    "limit=5",
    "limit=abc",
    "limit=-1",
    "limit=",
    "limit=9223372036854775808",
    "continue=abc%3D%3D",
    "resourceVersion=0",
    "resourceVersionMatch=NotOlderThan",
    "timeoutSeconds=5",
    "timeoutSeconds=x",
    "allowWatchBookmarks=true",
    "sendInitialEvents=true",
    "labelSelector=a%3Db",
    "labelSelector=a=b",
    "labelSelector=a+in+(b,c)",
    "labelSelector=%",
    "fieldSelector=metadata.name%3Dweb-0",
    "fieldSelector=metadata.name=web-0",
    "fieldSelector=metadata.name==a",
    "fieldSelector=metadata.name!=a",
    "fieldSelector=metadata.name=a,metadata.name=b",
    "fieldSelector=metadata.name=",
    "fieldSelector=metadata.name=..",
    "fieldSelector=metadata.name=a%2Fb",
    "fieldSelector=metadata.name%3Da%5C%2Cb",
    "fieldSelector=status.phase=Running,metadata.name=x",
    "fieldSelector=,metadata.name=x",
    "fieldSelector=x",
    "fieldSelector=metadata.name=a=b",
    "fieldSelector=metadata.namespace=x",
    "fieldSelector= metadata.name=a",
    "fieldSelector=metadata.name=a%20",
    "fieldSelector=metadata.name%21=a",
    "fieldSelector=%2Cmetadata.name=x%2C",
    "dryRun=All",
    "fieldManager=x",
    "fieldValidation=Strict",
    "force=true",
    "force=maybe",
    "gracePeriodSeconds=0",
    "orphanDependents=true",
    "propagationPolicy=Background",
    "pretty=true",
    "timeout=5s",
    "container=c",
    "tailLines=5",
    "follow=true",
    "follow",
    "previous=1",
    "command=id",
    "access_token=x",
    "_method=DELETE",
    "&",
    "=",
    "",
    "a=b&&c=d",
    "%00=1",
];
const INSERTIONS: &[&[u8]] = &[
    b"/",
    b"//",
    b"/./",
    b"/../",
    b"..",
    b"%2f",
    b"%2F",
    b"%2e",
    b"%2e%2e",
    b"%252f",
    b"%5c",
    b"\\",
    b";",
    b";x=1",
    b"#",
    b"?",
    b"%3f",
    b"%00",
    b"\x00",
    b"%20",
    b" ",
    b"\t",
    b"%",
    b"%zz",
    b"\x80",
    b"\xff",
    "\u{ff0f}".as_bytes(),
    b"*",
    b"+",
    b"~",
    b"@",
    b":",
    b"&",
    b"=",
    b"/watch",
    b"/proxy",
    b"/namespaces",
    b"/exec",
    b"?watch=1",
    b"&watch=1",
    b"%77",
];

/// The next request: an ordinary one in most cases, bent in some way in the others.
pub fn request(rng: &mut Rng, resources: &[Resource]) -> Raw {
    let method = match rng.u8(..) {
        0..8 => pick(rng, ODD_METHODS),
        _ => pick(rng, METHODS),
    };
    let mut target = path(rng, resources).into_bytes();
    for n in 0..[0, 0, 1, 1, 2, 3][rng.usize(..6)] {
        target.push(if n == 0 { b'?' } else { b'&' });
        target.extend_from_slice(pick(rng, PARAMETERS).as_bytes());
    }
    for _ in 0..[0, 0, 0, 1, 1, 2][rng.usize(..6)] {
        bend(rng, &mut target);
    }
    (method.as_bytes().to_vec(), target)
}

fn path(rng: &mut Rng, resources: &[Resource]) -> String {
    if rng.u8(..10) == 0 {
        return pick(rng, PATHS).to_owned();
    }
    let mut resource = resources[rng.usize(..resources.len())].clone();
    match rng.u8(..20) {
        0 => resource.group = pick(rng, &["", "x.io", "v1", "namespaces"]).to_owned(),
        1 => resource.namespaced ^= true,
        2 => {
            resource.name =
                pick(rng, &["namespaces", "pods/proxy/x", "watch", "Pods", "pods/"]).to_owned()
        }
        _ => {}
    }
    let (namespace, name) = (pick(rng, NAMESPACES), pick(rng, NAMES));
    match rng.u8(..10) {
        0..4 if resource.subresource().is_empty() => resource.collection(namespace),
        4 => resource.object(namespace, &name.repeat(rng.usize(1..90))),
        5 => resource.object(namespace, name).replacen(
            "v1/",
            pick(rng, &["v1/watch/", "v1/proxy/", "v1//"]),
            1,
        ),
        _ => resource.object(namespace, name),
    }
}

fn bend(rng: &mut Rng, target: &mut Vec<u8>) {
    let at = rng.usize(..=target.len());
    match rng.u8(..8) {
        0 if at < target.len() => drop(target.remove(at)),
        1 if at < target.len() => target[at] = rng.u8(..),
        2 if at < target.len() => {
            let byte = format!("%{:02x}", target[at]);
            target.splice(at..=at, byte.bytes());
        }
        3 if at < target.len() => target[at] ^= 0x20,
        4 => target.truncate(at),
        5 => {
            let tail = target[at..].to_vec();
            target.extend(tail);
        }
        _ => {
            let insertion = INSERTIONS[rng.usize(..INSERTIONS.len())];
            target.splice(at..at, insertion.iter().copied());
        }
    }
}

fn pick<'t>(rng: &mut Rng, texts: &[&'t str]) -> &'t str {
    texts[rng.usize(..texts.len())]
}
