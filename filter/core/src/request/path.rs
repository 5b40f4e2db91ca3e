//! Reads a request path as kube-apiserver does, and refuses what two readers
//! could read differently.
//!
//! A path is `/`, or one or more segments, each after one slash. A segment is
//! 1 to 253 bytes of `[A-Za-z0-9._:-]`, but not `.` or `..`. There is thus
//! nothing to decode, merge, resolve or trim, and the bytes that are judged
//! can be forwarded as they are.
//!
//! The forms, in the order in which [`Target::parse`] tries them (`NewRequestInfo`
//! in `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go` is the model):
//!
//! ```text
//! non-resource   /
//!                /api            /api/{version}
//!                /apis           /apis/{group}     /apis/{group}/{version}
//! resource       /api/{version}/REST
//!                /apis/{group}/{version}/REST
//! non-resource   anything else
//!
//! REST  refused  watch/...  proxy/...                 the legacy verb prefixes
//!                namespaces                           all namespaces
//!                namespaces/{name}                    one; it lies in itself
//!                namespaces/{name}/status|finalize
//!                namespaces/{namespace}/OBJECT        in a namespace
//!                OBJECT                               at the cluster scope
//!
//! OBJECT         {resource}  {resource}/{name}  {resource}/{name}/{subresource}
//!                {resource}/{name}/proxy/...
//! ```

use arrayvec::ArrayVec;

/// A path with more segments is refused; the longest legal one has 8.
const MAX_SEGMENTS: usize = 16;
/// The longest name that Kubernetes accepts anywhere.
const MAX_SEGMENT_BYTES: usize = 253;

/// Where a request goes: a path in Kubernetes terms, before the verb is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target<'a> {
    NonResource,
    Resource(Object<'a>),
}

/// The object or collection that a resource path names; empty means "none".
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Object<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) name: &'a str,
    pub(crate) subresource: &'a str,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathError {
    #[error(
        "the path contains a byte outside of A-Z a-z 0-9 . _ : - and /: send names as they are, in ASCII"
    )]
    Byte,
    #[error("the path contains a `.` or `..` segment: send the path that they resolve to")]
    DotSegment,
    #[error(
        "the path contains an empty segment (`//`): name what is missing or drop the slash"
    )]
    EmptySegment,
    #[error("the path starts with the legacy prefix `{0}` after the version: {advice}", advice = legacy_advice(.0))]
    LegacyPrefix(&'static str),
    #[error("the path contains a percent-encoding: no Kubernetes name needs one")]
    PercentEncoded,
    #[error("the path does not start with a slash")]
    Relative,
    #[error("a path segment is longer than 253 bytes: no Kubernetes name is")]
    SegmentTooLong,
    #[error("the path ends in a slash: drop it")]
    TrailingSlash,
    #[error("the path has more segments than a Kubernetes path can have")]
    TooManySegments,
}

// === impl Target ===

impl<'a> Target<'a> {
    /// Reads a path that [`checked`] has let through.
    pub(crate) fn parse(path: &'a str) -> Result<Self, PathError> {
        let segments = segments(path)?;
        let (group, version, rest) = match segments.as_slice() {
            [] | ["api"] | ["api", _] | ["apis"] | ["apis", _] | ["apis", _, _] => {
                return Ok(Self::NonResource);
            }
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Ok(Self::NonResource),
        };
        let object = match *rest {
            ["watch", ..] => return Err(PathError::LegacyPrefix("watch")),
            ["proxy", ..] => return Err(PathError::LegacyPrefix("proxy")),
            ["namespaces", name] => {
                Object { namespace: name, resource: "namespaces", name, ..Object::default() }
            }
            ["namespaces", name, subresource @ ("status" | "finalize")] => Object {
                namespace: name,
                resource: "namespaces",
                name,
                subresource,
                ..Object::default()
            },
            ["namespaces", _, "status" | "finalize", ..] => {
                return Err(PathError::TooManySegments);
            }
            ["namespaces", namespace, ref object @ ..] => {
                Object { namespace, ..Object::parse(object)? }
            }
            ref object => Object::parse(object)?,
        };
        Ok(Self::Resource(Object { group, version, ..object }))
    }
}

impl<'a> Object<'a> {
    fn parse(segments: &[&'a str]) -> Result<Self, PathError> {
        match *segments {
            [resource] => Ok(Self { resource, ..Self::default() }),
            [resource, name] => Ok(Self { resource, name, ..Self::default() }),
            [resource, name, subresource] | [resource, name, subresource @ "proxy", ..] => {
                Ok(Self { resource, name, subresource, ..Self::default() })
            }
            _ => Err(PathError::TooManySegments),
        }
    }
}

/// The path as text, once each byte of it is known to be harmless.
pub(crate) fn checked(path: &[u8]) -> Result<&str, PathError> {
    if path.first() != Some(&b'/') {
        return Err(PathError::Relative);
    }
    let harmless = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-' | b'/')
    };
    match path.iter().all(harmless) {
        true => str::from_utf8(path).map_err(|_| PathError::Byte),
        false if path.contains(&b'%') => Err(PathError::PercentEncoded),
        false => Err(PathError::Byte),
    }
}

fn segments(path: &str) -> Result<ArrayVec<&str, MAX_SEGMENTS>, PathError> {
    let mut segments = ArrayVec::new();
    if path == "/" {
        return Ok(segments);
    }
    if path.ends_with('/') && !path.ends_with("//") {
        return Err(PathError::TrailingSlash);
    }
    for segment in path.split('/').skip(1) {
        match segment {
            "" => return Err(PathError::EmptySegment),
            "." | ".." => return Err(PathError::DotSegment),
            long if long.len() > MAX_SEGMENT_BYTES => return Err(PathError::SegmentTooLong),
            _ => segments.try_push(segment).map_err(|_| PathError::TooManySegments)?,
        }
    }
    Ok(segments)
}

fn legacy_advice(prefix: &str) -> &'static str {
    match prefix {
        "watch" => "list with `watch=true` instead",
        _ => "proxying to pods, services and nodes is not offered",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn parse(path: &[u8]) -> Result<Target<'_>, PathError> {
        Target::parse(checked(path)?)
    }

    fn object(path: &str) -> [&str; 6] {
        match parse(path.as_bytes()) {
            Ok(Target::Resource(o)) => {
                [o.group, o.version, o.namespace, o.resource, o.name, o.subresource]
            }
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    #[rustfmt::skip]
    fn resource_paths_read_as_the_apiserver_reads_them() {
        for (path, expected) in [
            // core group
            ("/api/v1/pods",                                    ["", "v1", "", "pods", "", ""]),
            ("/api/v1/nodes/n1",                                ["", "v1", "", "nodes", "n1", ""]),
            ("/api/v1/nodes/n1/status",                         ["", "v1", "", "nodes", "n1", "status"]),
            ("/api/v1/namespaces/default/pods",                 ["", "v1", "default", "pods", "", ""]),
            ("/api/v1/namespaces/default/pods/web-0",           ["", "v1", "default", "pods", "web-0", ""]),
            ("/api/v1/namespaces/default/pods/web-0/log",       ["", "v1", "default", "pods", "web-0", "log"]),
            ("/api/v1/namespaces/default/pods/web-0/proxy/a/b", ["", "v1", "default", "pods", "web-0", "proxy"]),
            // namespaces lie in themselves
            ("/api/v1/namespaces",                              ["", "v1", "", "namespaces", "", ""]),
            ("/api/v1/namespaces/prod",                         ["", "v1", "prod", "namespaces", "prod", ""]),
            ("/api/v1/namespaces/prod/status",                  ["", "v1", "prod", "namespaces", "prod", "status"]),
            ("/api/v1/namespaces/prod/finalize",                ["", "v1", "prod", "namespaces", "prod", "finalize"]),
            ("/api/v1/namespaces/status/pods",                  ["", "v1", "status", "pods", "", ""]),
            // named groups; `namespaces` is a prefix in every group
            ("/apis/apps/v1/deployments",                       ["apps", "v1", "", "deployments", "", ""]),
            ("/apis/apps/v1/namespaces/d/deployments/web/scale",["apps", "v1", "d", "deployments", "web", "scale"]),
            ("/apis/x.io/v1/namespaces/d",                      ["x.io", "v1", "d", "namespaces", "d", ""]),
            ("/apis/v1/namespaces/default/pods",                ["v1", "namespaces", "", "default", "pods", ""]),
            // `watch` and `proxy` are ordinary words anywhere else
            ("/api/v1/namespaces/watch/pods",                   ["", "v1", "watch", "pods", "", ""]),
            ("/api/v1/namespaces/d/pods/proxy",                 ["", "v1", "d", "pods", "proxy", ""]),
            ("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
                ["rbac.authorization.k8s.io", "v1", "", "clusterroles", "system:node", ""]),
        ] {
            assert_eq!(object(path), expected, "{path}");
        }
    }

    #[test]
    fn every_other_path_is_non_resource() {
        for path in [
            "/",
            "/api",
            "/api/v1",
            "/apis",
            "/apis/apps",
            "/apis/apps/v1",
            "/version",
            "/healthz",
            "/healthz/etcd",
            "/openapi/v3/apis/apps/v1",
            "/API/v1/pods/x",
            "/openid/v1/jwks",
            "/.well-known/openid-configuration",
        ] {
            assert_eq!(parse(path.as_bytes()), Ok(Target::NonResource), "{path}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn ambiguous_paths_are_refused() {
        let long = format!("/api/v1/pods/{}", "a".repeat(254));
        let deep = "/a".repeat(17);
        for (path, expected) in [
            (&b""[..],                                             PathError::Relative),
            (b"api/v1/pods",                                       PathError::Relative),
            (b"https://k/api/v1/pods",                             PathError::Relative),
            (b"//api/v1/namespaces/default/pods",                  PathError::EmptySegment),
            (b"//",                                                PathError::EmptySegment),
            (b"/api/v1/namespaces//pods",                          PathError::EmptySegment),
            (b"/api/v1/namespaces/default/pods//exec",             PathError::EmptySegment),
            (b"/apis//v1/namespaces/default/pods",                 PathError::EmptySegment),
            (b"/api/v1/namespaces/default/pods/",                  PathError::TrailingSlash),
            (b"/api/v1/namespaces/default/pods/../secrets",        PathError::DotSegment),
            (b"/api/v1/namespaces/../pods",                        PathError::DotSegment),
            (b"/api/v1/./pods",                                    PathError::DotSegment),
            (b"/api/v1/namespaces/default/pods/web-0%2Fexec",      PathError::PercentEncoded),
            (b"/api/v1/namespaces/default/p%6Fds",                 PathError::PercentEncoded),
            (b"/api/v1/namespaces/default/pods%00",                PathError::PercentEncoded),
            (b"/api/v1/namespaces/default/pods\\..\\kube-system",  PathError::Byte),
            (b"/api/v1/namespaces/default;x/pods",                 PathError::Byte),
            (b"/api/v1/namespaces/default/pods#x",                 PathError::Byte),
            (b"/api/v1/namespaces/default/pods x",                 PathError::Byte),
            (b"/api/v1/namespaces/default/pods\x00",               PathError::Byte),
            (b"/api/v1/namespaces/default/pods\x80",               PathError::Byte),
            ("/api/v1/namespaces/\u{ff44}efault/pods".as_bytes(),  PathError::Byte),
            (long.as_bytes(),                                      PathError::SegmentTooLong),
            (deep.as_bytes(),                                      PathError::TooManySegments),
            (b"/api/v1/watch/namespaces/default/pods",             PathError::LegacyPrefix("watch")),
            (b"/apis/apps/v1/watch",                               PathError::LegacyPrefix("watch")),
            (b"/api/v1/proxy/nodes/n1",                            PathError::LegacyPrefix("proxy")),
            (b"/api/v1/namespaces/foo/status/pods",                PathError::TooManySegments),
            (b"/api/v1/namespaces/d/pods/web-0/log/x",             PathError::TooManySegments),
        ] {
            assert_eq!(parse(path), Err(expected), "{}", path.escape_ascii());
        }
    }
}
