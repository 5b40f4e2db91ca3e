//! One request in Kubernetes terms, and the bytes that will go upstream.

pub(crate) mod attributes;
pub(crate) mod carried;
pub(crate) mod claims;
pub(crate) mod content;
pub(crate) mod defaults;
pub(crate) mod head;
pub(crate) mod media;
mod parameters;
pub(crate) mod path;
pub(crate) mod query;
mod selector;
pub(crate) mod streaming;
pub(crate) mod verb;

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;

use self::attributes::{Attributes, ResourceAttributes};
use self::parameters::Carrier;
use self::path::{Object, PathError, Target};
use self::query::{Query, QueryError};
use self::selector::pinned_name;
use self::verb::Verb;
use crate::policy::key::SecretInUrl;

/// The methods that Kubernetes clients need; byte-exact, as the apiserver compares them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    Delete,
    Get,
    Patch,
    Post,
    Put,
}

/// What a client asks for.
///
/// INVARIANT: `attributes` and [`target`](Self::target) are both made from `path`
/// and `query`, so the apiserver derives the same attributes from the target.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub method: Method,
    pub attributes: Attributes<'a>,
    path: &'a str,
    query: Query<'a>,
}

/// Longer request targets are refused; SQL Server's own limit is 8 KiB.
const MAX_TARGET_BYTES: usize = 8192;

/// What the apiserver never sees.
const OWN_PARAMETERS: [&str; 2] = ["for", "view"];

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    SecretInUrl(#[from] SecretInUrl),
    #[error("use GET, POST, PUT, PATCH or DELETE")]
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
    ///
    /// # Errors
    ///
    /// The request cannot be read in exactly one way.
    pub fn parse(method: &[u8], target: &'a [u8]) -> Result<Self, RequestError> {
        let method = Method::parse(method).ok_or(RequestError::Method)?;
        if target.len() > MAX_TARGET_BYTES {
            return Err(RequestError::TooLong);
        }
        let (path, query) = query::split_once(target, b'?');
        let path = path::checked(path)?;
        SecretInUrl::check(path)?;
        let query = Query::parse(query)?;
        let attributes = match Target::parse(path)? {
            Target::NonResource => {
                Attributes::NonResource { path, verb: method.non_resource_verb() }
            }
            Target::Resource(object) => resource_attributes(method, object, &query)?,
        };
        Ok(Self { method, attributes, path, query })
    }

    pub(crate) const fn path(&self) -> &'a str {
        self.path
    }

    /// A parameter that is for the gateway.
    pub(crate) fn own(&self, name: &str) -> Option<&str> {
        let reads = matches!(self.attributes.verb(), Verb::Get | Verb::List);
        let is_resource = matches!(self.attributes, Attributes::Resource(_));
        let is_own = reads && is_resource && OWN_PARAMETERS.contains(&name);
        is_own.then(|| self.query.get(name)).flatten()
    }

    /// The request target that says this and nothing else, in canonical spelling.
    ///
    /// # Errors
    ///
    /// A parameter does not belong to this verb, or has no legal value; or the
    /// canonical spelling is too long, being longer than what was sent.
    pub fn target(&self) -> Result<String, RequestError> {
        let carrier = match &self.attributes {
            Attributes::NonResource { .. } => Carrier::NonResource,
            Attributes::Resource(ResourceAttributes { verb, subresource, .. }) => {
                Carrier::Resource { verb: *verb, subresource }
            }
        };
        // Room for what most queries are written as; longer ones grow.
        let mut target = String::with_capacity(self.path.len().saturating_add(64));
        target.push_str(self.path);
        if self.attributes.verb() == Verb::Watch {
            query::append(&mut target, "watch", "true");
        }
        for (key, value) in self.query.iter() {
            if self.own(key).is_some() {
                continue;
            }
            // Said by the verb already.
            if key == "watch" && matches!(self.attributes.verb(), Verb::List | Verb::Watch) {
                continue;
            }
            let (key, value) = parameters::canonical(&carrier, key, value)?;
            query::append(&mut target, key, value);
        }
        match target.len() {
            ..=MAX_TARGET_BYTES => Ok(target),
            _ => Err(RequestError::TooLong),
        }
    }
}

fn resource_attributes<'a>(
    method: Method,
    object: Object<'a>,
    query: &Query<'_>,
) -> Result<Attributes<'a>, QueryError> {
    let verb = verb(method, &object, query);
    let Object { group, version, namespace, resource, name, subresource } = object;
    let name = match verb {
        Verb::List | Verb::Watch => selected_name(query)?,
        _ => Cow::Borrowed(name),
    };
    Ok(Attributes::Resource(ResourceAttributes {
        verb,
        group,
        version,
        namespace,
        resource,
        subresource,
        name,
    }))
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
        // The apiserver forgets the name if it cannot parse the labels.
        Ok(Some(_)) if query.get("labelSelector").is_some() => Err(QueryError::Invalid {
            name: "labelSelector",
            expected: "it without `fieldSelector=metadata.name`, which selects one object already",
        }),
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
        let request = match Request::parse(method.as_bytes(), target.as_bytes()) {
            Ok(request) => request,
            Err(error) => return (format!("{error}"), String::new()),
        };
        let name = match &request.attributes {
            Attributes::Resource(r) => format!(" name={}", r.name),
            Attributes::NonResource { .. } => String::new(),
        };
        match request.target() {
            Ok(target) => (format!("{}{name}", request.attributes), target),
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
    fn the_target_is_written_from_what_was_read() {
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
        let longer = format!("{PODS}?labelSelector={}", "<".repeat(3000));
        for (method, target, expected) in [
            ("HEAD",    PODS,                         "use GET, POST, PUT, PATCH or DELETE"),
            ("get",     PODS,                         "use GET, POST, PUT, PATCH or DELETE"),
            ("OPTIONS", "/version",                   "use GET, POST, PUT, PATCH or DELETE"),
            ("GET",     "/keyhole_a_b",               "the URL contains an API key or a token, which is leaked by this: replace it, and send it as the header `x-api-key` or `authorization`"),
            ("GET",     "/version?k%65yhole_a_b=1",   "the URL contains an API key or a token, which is leaked by this: replace it, and send it as the header `x-api-key` or `authorization`"),
            ("GET",     "/version?keyhole_a_b",       "the URL contains an API key or a token, which is leaked by this: replace it, and send it as the header `x-api-key` or `authorization`"),
            ("GET",     "/version?token=eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl", "the URL contains an API key or a token, which is leaked by this: replace it, and send it as the header `x-api-key` or `authorization`"),
            ("GET",     &longer,                      "the path and query are longer than 8192 bytes: shorten the selectors"),
            ("GET",     &long,                        "the path and query are longer than 8192 bytes: shorten the selectors"),
            ("GET",     "/api/v1/pods/web-0?watch=1", "the query parameter `watch` is not known for the verb `get`: leave it out"),
            ("GET",     "/version?limit=5",           "the query parameter `limit` is not known for the verb `get`: leave it out"),
        ] {
            assert_eq!(read(method, target), (expected.to_owned(), String::new()), "{method} {target}");
        }
    }
}
