//! Reads a query as kube-apiserver does, and refuses what it would silently drop.
//!
//! ```text
//! query      pair ("&" pair)*      at most 32 pairs, each key once
//! pair       key ["=" value]       `%XX` and `+` are decoded once, to UTF-8
//!                                  without control characters; no `;`
//! ```
//!
//! Go drops a pair with a `;` or a broken escape, takes the first of a repeated
//! key, and drops everything past 10,000 pairs. Each of these is a 400 here, so
//! a parameter that was judged is a parameter that arrives.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use crate::policy::key::SecretInUrl;

const MAX_PAIRS: usize = 32;

/// What is written back unescaped: RFC 3986 "unreserved".
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A decoded query, in the order in which it was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QueryError {
    #[error(
        "the query contains a `%` that two hex digits do not follow, or that decodes to a control character or to bytes that are not UTF-8"
    )]
    Escape,
    #[error(
        "the query parameter `follow` asks for a log without an end: ask for its tail again, with `sinceTime`"
    )]
    Follow,
    #[error("the query parameter `{name}` cannot be read: write {expected}")]
    Invalid { name: &'static str, expected: &'static str },
    #[error(transparent)]
    SecretInUrl(#[from] SecretInUrl),
    #[error("the query has a parameter without a name: drop the `&` or `=` that is too much")]
    Nameless,
    #[error("the query parameter `{0}` is given more than once: keep one of them")]
    Repeated(String),
    #[error("the query contains a `;`: separate parameters by `&`, or write %3B")]
    Semicolon,
    #[error("the query has more than 32 parameters")]
    TooMany,
    #[error("the query parameter `{name}` is not known for the verb `{verb}`: leave it out")]
    Unknown { name: String, verb: &'static str },
}

// === impl Query ===

impl<'a> Query<'a> {
    pub(crate) fn parse(query: &'a [u8]) -> Result<Self, QueryError> {
        let mut parsed = Self::default();
        if query.is_empty() {
            return Ok(parsed);
        }
        if query.contains(&b';') {
            return Err(QueryError::Semicolon);
        }
        for pair in query.split(|byte| *byte == b'&') {
            let (key, value) = split_once(pair, b'=');
            let (key, value) = (decode(key)?, decode(value)?);
            if key.is_empty() {
                return Err(QueryError::Nameless);
            }
            // Before a key can be quoted in an error.
            SecretInUrl::check(&key)?;
            SecretInUrl::check(&value)?;
            if parsed.get(&key).is_some() {
                return Err(QueryError::Repeated(key.into_owned()));
            }
            if parsed.pairs.len() == MAX_PAIRS {
                return Err(QueryError::TooMany);
            }
            parsed.pairs.push((key, value));
        }
        Ok(parsed)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(k, value)| (k == key).then_some(value))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (&**key, &**value))
    }
}

/// Appends `key=value` to a path, after `?` or `&`, in the one canonical spelling.
pub(crate) fn append(path: &mut String, key: &str, value: &str) {
    path.push(if path.contains('?') { '&' } else { '?' });
    path.extend(utf8_percent_encode(key, ESCAPED));
    path.push('=');
    path.extend(utf8_percent_encode(value, ESCAPED));
}

/// Splits at the first `separator`; without one, everything stands before it.
pub(crate) fn split_once(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|byte| *byte == separator).unwrap_or(bytes.len());
    match bytes.split_at_checked(at) {
        Some((before, [_, after @ ..])) => (before, after),
        _ => (bytes, b""),
    }
}

fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, QueryError> {
    // Most of what is sent has nothing to decode.
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'+');
    if bytes.iter().all(is_plain) {
        return str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| QueryError::Escape);
    }
    let well_formed = bytes.split(|byte| *byte == b'%').skip(1).all(
        |rest| matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()),
    );
    if !well_formed {
        return Err(QueryError::Escape);
    }
    let text = if bytes.contains(&b'+') {
        let spaced: Vec<u8> =
            bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        percent_decode(&spaced).decode_utf8().map(|text| Cow::Owned(text.into_owned()))
    } else {
        percent_decode(bytes).decode_utf8()
    }
    .map_err(|_| QueryError::Escape)?;
    if text.chars().any(char::is_control) {
        return Err(QueryError::Escape);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::format;

    fn pairs(query: &str) -> Vec<(String, String)> {
        let query = Query::parse(query.as_bytes()).unwrap();
        query.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn values_are_decoded_exactly_once() {
        for (query, key, value) in [
            ("limit=5", "limit", "5"),
            ("watch", "watch", ""),
            ("%77atch=1", "watch", "1"),
            ("labelSelector=app%3Dweb", "labelSelector", "app=web"),
            ("labelSelector=app=web", "labelSelector", "app=web"),
            ("labelSelector=a+b", "labelSelector", "a b"),
            ("labelSelector=a%2Bb+c", "labelSelector", "a+b c"),
            ("continue=%2525", "continue", "%25"),
            ("labelSelector=a%3Bb", "labelSelector", "a;b"),
        ] {
            assert_eq!(pairs(query), [(key.to_owned(), value.to_owned())], "{query}");
        }
    }

    #[test]
    fn what_the_apiserver_would_drop_is_refused() {
        let flood = "a=1&".repeat(40);
        let many = (0..33).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join("&");
        for (query, expected) in [
            ("watch=0;&watch=1", QueryError::Semicolon),
            ("watch=0%&watch=1", QueryError::Escape),
            ("limit=%g1", QueryError::Escape),
            ("limit=%1", QueryError::Escape),
            ("continue=%ff", QueryError::Escape),
            ("continue=%00", QueryError::Escape),
            ("watch=1&watch=0", QueryError::Repeated("watch".to_owned())),
            ("watch=1&w%61tch=0", QueryError::Repeated("watch".to_owned())),
            (&flood, QueryError::Repeated("a".to_owned())),
            (&many, QueryError::TooMany),
        ] {
            assert_eq!(Query::parse(query.as_bytes()).unwrap_err(), expected, "{query}");
        }
    }

    #[test]
    fn what_is_written_back_reads_the_same() {
        let mut path = String::from("/x");
        append(&mut path, "labelSelector", "a in (b, c),d=é%");
        append(&mut path, "limit", "5");
        assert_eq!(path, "/x?labelSelector=a%20in%20%28b%2C%20c%29%2Cd%3D%C3%A9%25&limit=5");
        let (_, query) = path.split_once('?').unwrap();
        assert_eq!(pairs(query)[0].1, "a in (b, c),d=é%");
    }
}
