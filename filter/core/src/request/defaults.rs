//! What is asked of the apiserver where a client leaves it open, so that no answer is
//! larger than SQL Server wants to take.

use super::Request;
use super::attributes::Attributes;
use super::query;
use super::verb::Verb;
use alloc::string::String;

/// `FieldManagerMaxLength` in `apimachinery/pkg/apis/meta/v1/validation`.
const MOST_OF_NAME: usize = 128;

/// Adds to a target what the request does not say.
///
/// - a list has at most 500 items; `metadata.continue` of the answer leads to the rest
/// - a log has its last 1000 lines, and at most 1 MiB
pub(crate) fn add(request: &Request<'_>, target: &mut String) {
    let Attributes::Resource(asked) = &request.attributes else { return };
    let defaults: &[(&str, &str)] = match (asked.verb, asked.resource, asked.subresource) {
        (Verb::List, ..) => &[("limit", "500")],
        (Verb::Get, "pods", "log") => &[("limitBytes", "1048576"), ("tailLines", "1000")],
        _ => &[],
    };
    for (name, value) in defaults {
        if request.query.get(name).is_none() {
            query::append(target, name, value);
        }
    }
}

/// Server-side apply has to name its manager: without a word from the client, it is the
/// client.
pub(crate) fn name_manager(request: &Request<'_>, client: &str, target: &mut String) {
    if request.query.get("fieldManager").is_none() {
        let name: String =
            "keyhole:".chars().chain(client.chars()).take(MOST_OF_NAME).collect();
        query::append(target, "fieldManager", &name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn what_a_client_leaves_open_has_a_bound() {
        for (request, expected) in [
            ("GET /api/v1/pods",                        "/api/v1/pods?limit=500"),
            ("GET /api/v1/pods?limit=5",                "/api/v1/pods?limit=5"),
            ("GET /api/v1/pods?labelSelector=a%3Db",    "/api/v1/pods?labelSelector=a%3Db&limit=500"),
            ("GET /api/v1/pods?watch=1",                "/api/v1/pods?watch=true"),
            ("GET /api/v1/namespaces/d/pods/p",         "/api/v1/namespaces/d/pods/p"),
            ("GET /api/v1/namespaces/d/pods/p/log",     "/api/v1/namespaces/d/pods/p/log?limitBytes=1048576&tailLines=1000"),
            ("GET /api/v1/namespaces/d/pods/p/log?tailLines=5", "/api/v1/namespaces/d/pods/p/log?tailLines=5&limitBytes=1048576"),
            ("DELETE /api/v1/namespaces/d/pods",        "/api/v1/namespaces/d/pods"),
            ("GET /version",                            "/version"),
        ] {
            let (method, target) = request.split_once(' ').unwrap();
            let request = Request::parse(method.as_bytes(), target.as_bytes()).unwrap();
            let mut target = request.target().unwrap();
            add(&request, &mut target);
            assert_eq!(target, expected);
        }
    }
}
