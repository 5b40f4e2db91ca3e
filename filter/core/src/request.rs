//! One request in Kubernetes terms, and the bytes that will go upstream.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;

use crate::attributes::{Attributes, ResourceAttributes};
use crate::key::KEY_PREFIX;
use crate::parameters::{self, Carrier};
use crate::path::{Object, PathError, Target};
use crate::query::{self, Query, QueryError};
use crate::selector::pinned_name;
use crate::verb::Verb;

/// The methods that Kubernetes clients need; byte-exact, as the apiserver compares them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    Delete,
    Get,
    Patch,
    Post,
    Put,
}

/// What a client asks for, and the request target that says exactly this.
///
/// INVARIANT: `path_and_query` is written from what `attributes` was read from,
/// so that the apiserver derives the same attributes from it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub method: Method,
    pub attributes: Attributes<'a>,
    pub path_and_query: String,
}

/// Longer request targets are refused; SQL Server's own limit is 8 KiB.
const MAX_TARGET_BYTES: usize = 8192;

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    #[error(
        "the URL contains an API key, which is leaked by this: replace the key, and send it as the header `x-api-key`"
    )]
    KeyInUrl,
    #[error("the server does not allow this method on the requested resource")]
    Method,
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("the path and query are longer than 8192 bytes: shorten the selectors")]
    TooLong,
}

// === impl Method ===

impl Method {
    pub fn parse(method: &[u8]) -> Option<Self> {
        match method {
            b"DELETE" => Some(Self::Delete),
            b"GET" => Some(Self::Get),
            b"PATCH" => Some(Self::Patch),
            b"POST" => Some(Self::Post),
            b"PUT" => Some(Self::Put),
            _ => None,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    const fn non_resource_verb(self) -> Verb {
        match self {
            Self::Delete => Verb::Delete,
            Self::Get => Verb::Get,
            Self::Patch => Verb::Patch,
            Self::Post => Verb::Post,
            Self::Put => Verb::Put,
        }
    }
}

// === impl Request ===

impl<'a> Request<'a> {
    /// Reads a method and a request target (`path[?query]`), both as received.
    pub fn parse(method: &[u8], target: &'a [u8]) -> Result<Self, RequestError> {
        let method = Method::parse(method).ok_or(RequestError::Method)?;
        if target.len() > MAX_TARGET_BYTES {
            return Err(RequestError::TooLong);
        }
        if contains(target, KEY_PREFIX.as_bytes()) {
            return Err(RequestError::KeyInUrl);
        }
        let (path, query) = query::split_once(target, b'?');
        let target = Target::parse(path)?;
        let query = Query::parse(query)?;
        match target {
            Target::NonResource(path) => Self::non_resource(method, path, &query),
            Target::Resource(object) => Self::resource(method, path, object, &query),
        }
    }

    fn non_resource(
        method: Method,
        path: &'a str,
        query: &Query<'_>,
    ) -> Result<Self, RequestError> {
        let mut path_and_query = path.to_owned();
        for (key, value) in query.iter() {
            let (key, value) = parameters::canonical(&Carrier::NonResource, key, value)?;
            query::append(&mut path_and_query, key, value);
        }
        let attributes = Attributes::NonResource { path, verb: method.non_resource_verb() };
        Ok(Self { method, attributes, path_and_query })
    }

    fn resource(
        method: Method,
        path: &'a [u8],
        object: Object<'a>,
        query: &Query<'_>,
    ) -> Result<Self, RequestError> {
        let verb = verb(method, &object, query);
        let carrier = Carrier::Resource { verb, subresource: object.subresource };
        let mut path_and_query = str::from_utf8(path).map_err(|_| PathError::Byte)?.to_owned();
        if verb == Verb::Watch {
            query::append(&mut path_and_query, "watch", "true");
        }
        for (key, value) in query.iter() {
            if key == "watch" && matches!(verb, Verb::List | Verb::Watch) {
                continue;
            }
            let (key, value) = parameters::canonical(&carrier, key, value)?;
            query::append(&mut path_and_query, key, value);
        }
        let name = match verb {
            Verb::List | Verb::Watch => selected_name(query)?,
            _ => Cow::Borrowed(object.name),
        };
        let Object { group, version, namespace, resource, subresource, name: _ } = object;
        let attributes = Attributes::Resource(ResourceAttributes {
            verb,
            group,
            version,
            namespace,
            resource,
            subresource,
            name,
        });
        Ok(Self { method, attributes, path_and_query })
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn verb(method: Method, object: &Object<'_>, query: &Query<'_>) -> Verb {
    let named = !object.name.is_empty();
    match method {
        Method::Delete if named => Verb::Delete,
        Method::Delete => Verb::DeleteCollection,
        Method::Get if named => Verb::Get,
        Method::Get if query.get("watch").is_some_and(parameters::asks_to_watch) => Verb::Watch,
        Method::Get => Verb::List,
        Method::Patch => Verb::Patch,
        Method::Post => Verb::Create,
        Method::Put => Verb::Update,
    }
}

fn selected_name(query: &Query<'_>) -> Result<Cow<'static, str>, QueryError> {
    let Some(selector) = query.get("fieldSelector") else { return Ok(Cow::Borrowed("")) };
    match pinned_name(selector) {
        Ok(Some(name)) => Ok(Cow::Owned(name.to_owned())),
        Ok(None) => Ok(Cow::Borrowed("")),
        Err(_) => Err(QueryError::Invalid {
            name: "fieldSelector",
            expected: "terms like `metadata.name=web-0`, separated by commas, without `\\`",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn read(method: &str, target: &str) -> (String, String) {
        match Request::parse(method.as_bytes(), target.as_bytes()) {
            Ok(request) => {
                let name = match &request.attributes {
                    Attributes::Resource(r) => format!(" name={}", r.name),
                    Attributes::NonResource { .. } => String::new(),
                };
                (format!("{}{name}", request.attributes), request.path_and_query)
            }
            Err(error) => (format!("{error}"), String::new()),
        }
    }

    const PODS: &str = "/api/v1/namespaces/default/pods";

    #[test]
    #[rustfmt::skip]
    fn the_verb_follows_from_method_name_and_watch() {
        for (method, rest, verb, name) in [
            ("GET",    "",                  "list",             ""),
            ("GET",    "/web-0",            "get",              "web-0"),
            ("GET",    "?watch=0",          "list",             ""),
            ("GET",    "?watch=False",      "list",             ""),
            ("GET",    "?watch",            "watch",            ""),
            ("GET",    "?watch=",           "watch",            ""),
            ("GET",    "?watch=no",         "watch",            ""),
            ("GET",    "?%77atch=1",        "watch",            ""),
            ("GET",    "?fieldSelector=metadata.name%3Dweb-0", "list", "web-0"),
            ("POST",   "",                  "create",           ""),
            ("PUT",    "/web-0",            "update",           "web-0"),
            ("PATCH",  "/web-0",            "patch",            "web-0"),
            ("DELETE", "/web-0",            "delete",           "web-0"),
            ("DELETE", "",                  "deletecollection", ""),
            ("DELETE", "?fieldSelector=metadata.name%3Dweb-0", "deletecollection", ""),
        ] {
            let (attributes, _) = read(method, &format!("{PODS}{rest}"));
            let expected = format!(
                "cannot {verb} resource \"pods\" in API group \"\" in the namespace \"default\" name={name}"
            );
            assert_eq!(attributes, expected, "{method} {rest}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn path_and_query_are_written_from_what_was_read() {
        for (target, expected) in [
            ("/version",                           "/version"),
            ("/version?",                          "/version"),
            ("/api?timeout=32s",                   "/api?timeout=32s"),
            ("/api/v1/pods?watch=0&limit=5",       "/api/v1/pods?limit=5"),
            ("/api/v1/pods?limit=5&watch=yes",     "/api/v1/pods?watch=true&limit=5"),
            ("/api/v1/pods?l%61belSelector=a%3db", "/api/v1/pods?labelSelector=a%3Db"),
        ] {
            assert_eq!(read("GET", target).1, expected, "{target}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn what_cannot_be_judged_is_refused() {
        let long = format!("{PODS}?labelSelector={}", "a".repeat(9000));
        for (method, target, expected) in [
            ("HEAD",    PODS,                         "the server does not allow this method on the requested resource"),
            ("get",     PODS,                         "the server does not allow this method on the requested resource"),
            ("OPTIONS", "/version",                   "the server does not allow this method on the requested resource"),
            ("GET",     "/version?keyhole_a_b",       "the URL contains an API key, which is leaked by this: replace the key, and send it as the header `x-api-key`"),
            ("GET",     &long,                        "the path and query are longer than 8192 bytes: shorten the selectors"),
            ("GET",     "/api/v1/pods/web-0?watch=1", "the query parameter `watch` is not known for the verb `get`: leave it out"),
            ("GET",     "/version?limit=5",           "the query parameter `limit` is not known for the verb `get`: leave it out"),
        ] {
            assert_eq!(read(method, target), (expected.to_owned(), String::new()), "{method} {target}");
        }
    }
}
