//! Media types: what a request may carry, and what it may ask for.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::request::Method;
use crate::request::head::{Body, Head};

pub(crate) const JSON: &str = "application/json";
pub(crate) const YAML: &str = "application/yaml";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const PATCHES: [&str; 4] = [APPLY, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH];

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsupported {
    #[error("the body has a `Content-Encoding`: send it uncompressed")]
    Encoded,
    #[error(
        "the body of a PATCH has no patch type: send `Content-Type: application/merge-patch+json`, `application/strategic-merge-patch+json`, `application/json-patch+json` or `application/apply-patch+yaml`"
    )]
    Patch,
    #[error(
        "the body has a type that is not taken here: send `Content-Type: application/json` or `application/yaml`"
    )]
    Type,
}

/// Server-side apply, which creates what is not there.
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

/// The content type to send upstream, in its canonical spelling.
///
/// A request without a body has none, whatever it says: SQL Server sends
/// `application/json; charset=utf-8` with every request.
pub(crate) fn content_type(
    method: Method,
    head: &Head<'_>,
) -> Result<Option<&'static str>, Unsupported> {
    if head.body == Body::Empty {
        return Ok(None);
    }
    if head.encoded {
        return Err(Unsupported::Encoded);
    }
    let given = head.content_type.map(essence);
    let is = |known: &str| given.is_some_and(|g| g.eq_ignore_ascii_case(known.as_bytes()));
    if method == Method::Patch {
        return PATCHES.into_iter().find(|patch| is(patch)).map(Some).ok_or(Unsupported::Patch);
    }
    match given {
        None => Ok(Some(JSON)),
        Some(_) if is(JSON) => Ok(Some(JSON)),
        Some(_) if is(YAML) => Ok(Some(YAML)),
        Some(_) => Err(Unsupported::Type),
    }
}

/// What to accept: the JSON forms among what the client accepts (with their
/// parameters, as in `application/json;as=Table;...`), or plain JSON.
pub(crate) fn accept(given: Option<&[u8]>) -> Cow<'_, [u8]> {
    let Some(given) = given else { return Cow::Borrowed(JSON.as_bytes()) };
    let harmless = |range: &&[u8]| range.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let json = |range: &&[u8]| essence(range).eq_ignore_ascii_case(JSON.as_bytes());
    let mut ranges =
        given.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(harmless).filter(json);
    match (ranges.next(), ranges.next()) {
        (None, _) => Cow::Borrowed(JSON.as_bytes()),
        (Some(only), None) => Cow::Borrowed(only),
        (Some(first), Some(second)) => {
            let all: Vec<&[u8]> = [first, second].into_iter().chain(ranges).collect();
            Cow::Owned(all.join(&b','))
        }
    }
}

/// The type without its parameters.
pub(crate) fn essence(media_type: &[u8]) -> &[u8] {
    media_type.split(|byte| *byte == b';').next().unwrap_or(media_type).trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::head::Header;
    use alloc::string::String;

    fn sent(method: Method, given: Option<&str>) -> Result<Option<&'static str>, Unsupported> {
        let headers: Vec<Header> = given
            .into_iter()
            .map(|value| (String::from("content-type"), value.as_bytes().to_vec()))
            .collect();
        content_type(method, &Head::parse(&headers, Body::Follows).unwrap())
    }

    #[test]
    #[rustfmt::skip]
    fn a_body_is_json_or_yaml_or_a_patch() {
        const MERGE: &str = "application/merge-patch+json";
        for (method, given, expected) in [
            (Method::Post,   None,                                              Ok(JSON)),
            (Method::Post,   Some("application/json"),                          Ok(JSON)),
            (Method::Post,   Some("Application/JSON; charset=utf-8"),           Ok(JSON)),
            (Method::Put,    Some("application/yaml"),                          Ok(YAML)),
            (Method::Delete, Some("application/json"),                          Ok(JSON)),
            (Method::Post,   Some("application/vnd.kubernetes.protobuf"),       Err(Unsupported::Type)),
            (Method::Post,   Some("application/cbor"),                          Err(Unsupported::Type)),
            (Method::Post,   Some("text/plain"),                                Err(Unsupported::Type)),
            (Method::Post,   Some("application/json,application/json"),         Err(Unsupported::Type)),
            (Method::Post,   Some(MERGE),                                       Err(Unsupported::Type)),
            (Method::Patch,  Some(MERGE),                                       Ok(MERGE)),
            (Method::Patch,  Some("application/json"),                          Err(Unsupported::Patch)),
            (Method::Patch,  None,                                              Err(Unsupported::Patch)),
        ] {
            assert_eq!(sent(method, given), expected.map(Some), "{method:?} {given:?}");
        }
    }

    #[test]
    fn a_compressed_body_is_refused() {
        let headers = [(String::from("content-encoding"), b"gzip".to_vec())];
        let head = Head::parse(&headers, Body::Follows).unwrap();
        assert_eq!(content_type(Method::Post, &head), Err(Unsupported::Encoded));
    }

    #[test]
    #[rustfmt::skip]
    fn only_json_is_asked_for() {
        for (given, expected) in [
            ("*/*",                                                   "application/json"),
            ("text/plain",                                            "application/json"),
            ("application/vnd.kubernetes.protobuf, application/json", "application/json"),
            ("application/yaml",                                      "application/json"),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
             "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"),
        ] {
            assert_eq!(&*accept(Some(given.as_bytes())), expected.as_bytes(), "{given}");
        }
        assert_eq!(&*accept(None), b"application/json");
    }
}
