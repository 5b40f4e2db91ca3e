//! Media types: what a request may carry, and what it may ask for.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::request::Method;
use crate::request::carried::Carried;
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
    #[error("`x-keyhole-patch` is for PATCH: leave it out")]
    NoPatch,
    #[error(
        "the body of a PATCH has no patch type: send `Content-Type: application/json`, with `x-keyhole-patch: merge`, `json`, `strategic` or `apply`; or `application/merge-patch+json`, `application/strategic-merge-patch+json`, `application/json-patch+json` or `application/apply-patch+yaml`"
    )]
    Patch,
    #[error(
        "the type of a patch is given twice: leave `x-keyhole-patch` out, or send `Content-Type: application/json`"
    )]
    TwoPatches,
    #[error(
        "`x-keyhole-patch` is none of `merge`, `json`, `strategic`, `apply`: write one of them"
    )]
    UnknownPatch,
    #[error(
        "the body has a type that is not taken here: send `Content-Type: application/json` or `application/yaml`"
    )]
    Type,
}

/// Server-side apply, which creates what is not there.
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

/// What a body is sent on as.
///
/// A request without one has no type, whatever it says: SQL Server sends
/// `application/json; charset=utf-8` with every request. For a PATCH it cannot say more,
/// so the header `x-keyhole-patch` does: `merge`, `json`, `strategic` or `apply`; without
/// it, an object is a merge patch and a list a JSON patch.
pub(crate) fn content_type(
    method: Method,
    head: &Head<'_>,
) -> Result<Option<Carried>, Unsupported> {
    if head.patch.is_some() && method != Method::Patch {
        return Err(Unsupported::NoPatch);
    }
    if head.body == Body::Empty {
        return Ok(None);
    }
    if head.encoded {
        return Err(Unsupported::Encoded);
    }
    let given = head.content_type.map(essence);
    let is = |known: &str| given.is_some_and(|g| g.eq_ignore_ascii_case(known.as_bytes()));
    let is_json = given.is_none() || is(JSON) || given.is_some_and(is_microsofts_json);
    if method == Method::Patch {
        let patch = PATCHES.into_iter().find(|patch| is(patch));
        return match (patch, head.patch) {
            (Some(patch), None) => Ok(Some(Carried::As(patch))),
            (Some(_), Some(_)) => Err(Unsupported::TwoPatches),
            (None, None) if is_json => Ok(Some(Carried::Patch)),
            (None, Some(word)) if is_json => chosen(word).map(Some),
            (None, _) => Err(Unsupported::Patch),
        };
    }
    match given {
        _ if is_json => Ok(Some(Carried::As(JSON))),
        Some(_) if is(YAML) => Ok(Some(Carried::As(YAML))),
        _ => Err(Unsupported::Type),
    }
}

fn chosen(word: &[u8]) -> Result<Carried, Unsupported> {
    match word {
        b"apply" => Ok(Carried::ToApply),
        b"json" => Ok(Carried::As(JSON_PATCH)),
        b"merge" => Ok(Carried::As(MERGE_PATCH)),
        b"strategic" => Ok(Carried::As(STRATEGIC_PATCH)),
        _ => Err(Unsupported::UnknownPatch),
    }
}

/// Of the types that SQL Server takes, those that say JSON in other words.
fn is_microsofts_json(essence: &[u8]) -> bool {
    const START: &[u8] = b"application/vnd.microsoft.";
    let lower = essence.to_ascii_lowercase();
    lower.starts_with(START) && (lower.ends_with(b".json") || lower.ends_with(b"+json"))
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
    use crate::headers::HeaderList;

    fn sent(
        method: Method,
        given: Option<&str>,
        patch: Option<&str>,
    ) -> Result<Option<Carried>, Unsupported> {
        let pairs = [("content-type", given), ("x-keyhole-patch", patch)];
        let headers: HeaderList =
            pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
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
            (Method::Patch,  Some("text/plain"),                                Err(Unsupported::Patch)),
            (Method::Post,   Some("application/vnd.microsoft.x+json"),          Ok(JSON)),
        ] {
            let expected = expected.map(|known| Some(Carried::As(known)));
            assert_eq!(sent(method, given, None), expected, "{method:?} {given:?}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_header_says_which_patch_it_is() {
        for (method, given, patch, expected) in [
            (Method::Patch, Some("application/json; charset=utf-8"), None,              Ok(Carried::Patch)),
            (Method::Patch, None,                                    None,              Ok(Carried::Patch)),
            (Method::Patch, Some("application/vnd.microsoft.patch.json"), None,         Ok(Carried::Patch)),
            (Method::Patch, Some("application/json"),                Some("merge"),     Ok(Carried::As(MERGE_PATCH))),
            (Method::Patch, Some("application/json"),                Some("json"),      Ok(Carried::As(JSON_PATCH))),
            (Method::Patch, Some("application/json"),                Some("strategic"), Ok(Carried::As(STRATEGIC_PATCH))),
            (Method::Patch, Some("application/json"),                Some("apply"),     Ok(Carried::ToApply)),
            (Method::Patch, Some("application/json"),                Some("Apply"),     Err(Unsupported::UnknownPatch)),
            (Method::Patch, Some(MERGE_PATCH),                       Some("merge"),     Err(Unsupported::TwoPatches)),
            (Method::Patch, Some("text/plain"),                      Some("merge"),     Err(Unsupported::Patch)),
            (Method::Post,  Some("application/json"),                Some("merge"),     Err(Unsupported::NoPatch)),
        ] {
            assert_eq!(sent(method, given, patch), expected.map(Some), "{given:?} {patch:?}");
        }
    }

    #[test]
    fn a_compressed_body_is_refused() {
        let headers = HeaderList::of(&[("content-encoding", "gzip")]);
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
