//! What a body is sent on as. SQL Server can say neither a patch type nor JSON that every
//! reader of YAML takes, so some bodies are looked at, or written anew.

use alloc::string::String;
use alloc::vec::Vec;

use crate::request::content::{Content, Unreadable};
use crate::request::media;

/// The type of a body on its way to the apiserver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Carried {
    /// As it is.
    As(&'static str),
    /// A JSON object as merge patch, a list as JSON patch.
    Patch,
    /// JSON as server-side apply, which the apiserver reads as YAML.
    ToApply,
}

/// A body as it goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Sendable {
    pub(crate) content_type: &'static str,
    /// `None` for the same bytes.
    pub(crate) body: Option<Vec<u8>>,
}

// === impl Carried ===

impl Carried {
    /// What to say before the body has come.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::As(content_type) => content_type,
            Self::Patch => media::MERGE_PATCH,
            Self::ToApply => media::APPLY,
        }
    }

    /// Whether it depends on the body, or changes it.
    pub(crate) const fn needs_body(self) -> bool {
        match self {
            Self::As(_) => false,
            Self::Patch | Self::ToApply => true,
        }
    }

    pub(crate) fn send(self, body: &[u8]) -> Result<Sendable, Unreadable> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        match (self, first) {
            (Self::Patch, Some(b'[')) => {
                Ok(Sendable { content_type: media::JSON_PATCH, body: None })
            }
            (Self::As(_) | Self::Patch, _) => {
                Ok(Sendable { content_type: self.content_type(), body: None })
            }
            (Self::ToApply, _) => {
                Content::read(media::JSON, body)?;
                let text = str::from_utf8(body).map_err(|_| Unreadable::Encoding)?;
                let body = Some(unescaped(text).into_bytes());
                Ok(Sendable { content_type: media::APPLY, body })
            }
        }
    }
}

/// The same JSON without the escapes that readers of YAML 1.1 refuse: `\/`, and pairs of
/// surrogates. SQL Server writes the first one for every slash.
fn unescaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        rest = match after.strip_prefix('/') {
            Some(after) => {
                out.push('/');
                after
            }
            None => surrogates(after, &mut out).unwrap_or_else(|| {
                out.push('\\');
                let mut chars = after.chars();
                out.extend(chars.next());
                chars.as_str()
            }),
        };
    }
    out.push_str(rest);
    out
}

/// After a backslash: the character of `uD83D\uDE00`, and what follows it.
fn surrogates<'j>(after: &'j str, out: &mut String) -> Option<&'j str> {
    let unit = |text: &str| u16::from_str_radix(text, 16).ok();
    let (high, after) = after.strip_prefix('u')?.split_at_checked(4)?;
    let (low, after) = after.strip_prefix("\\u")?.split_at_checked(4)?;
    let units = [unit(high)?, unit(low)?];
    let mut chars = char::decode_utf16(units);
    match (chars.next(), chars.next()) {
        (Some(Ok(c)), None) => {
            out.push(c);
            Some(after)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    #[rustfmt::skip]
    fn a_patch_is_what_its_body_is() {
        for (body, expected) in [
            (r#"{"a":1}"#,   media::MERGE_PATCH),
            (" \n {}",       media::MERGE_PATCH),
            (r#"[{"op":"x"}]"#, media::JSON_PATCH),
            ("\t[]",         media::JSON_PATCH),
            // the apiserver refuses these
            ("",             media::MERGE_PATCH),
            ("1",            media::MERGE_PATCH),
        ] {
            let sendable = Carried::Patch.send(body.as_bytes()).unwrap();
            assert_eq!(sendable, Sendable { content_type: expected, body: None }, "{body}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn json_is_written_as_yaml_readers_take_it() {
        for (json, expected) in [
            (r#"{"a":"b\/c"}"#,             r#"{"a":"b/c"}"#),
            (r#"{"a":"\\\/"}"#,             r#"{"a":"\\/"}"#),
            (r#"{"a":"\\/"}"#,              r#"{"a":"\\/"}"#),
            (r#"{"a":"\"\n\u0041"}"#,       r#"{"a":"\"\n\u0041"}"#),
            (r#"{"a":"\uD83D\uDE00!"}"#,    "{\"a\":\"\u{1f600}!\"}"),
            (r#"{"a":"\u00e4\u00e4"}"#,     r#"{"a":"\u00e4\u00e4"}"#),
        ] {
            assert_eq!(unescaped(json), expected);
        }
        assert!(Carried::ToApply.send(b"{\"a\":1,\"a\":2}").is_err());
    }

    proptest! {
        #[test]
        fn the_same_is_said(text in "(\\PC|[\\\\/\"\u{1f600}\n\t]){0,40}", ascii: bool) {
            let json = serde_json::to_string(&text).unwrap().replace('/', "\\/");
            let json = match ascii {
                true => json.encode_utf16().map(|unit| match u8::try_from(unit) {
                    Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
                    _ => alloc::format!("\\u{unit:04x}"),
                }).collect(),
                false => json,
            };
            let read: String = serde_json::from_str(&unescaped(&json)).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
