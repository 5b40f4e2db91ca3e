//! Turns a body that is no JSON into one JSON document, as it comes: nothing is held but
//! what an error says.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use base64ct::{Base64, Encoding};

use crate::reply::Status;
use crate::request::attributes::Attributes;

/// What the document is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Wrapping {
    /// `kind: Text`, the bytes in base64.
    Binary,
    /// A `Status` that says what the apiserver said.
    Error { status: u16 },
    /// `kind: PodLog`, a string a line.
    Log(PodLog),
    /// `kind: Text`.
    Text,
}

/// Whose log it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PodLog {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

#[derive(Debug)]
pub struct Wrapper {
    wrapping: Wrapping,
    started: bool,
    /// Bytes that are no whole character, or no whole group of base64, yet; of an error,
    /// all that has come.
    held: Vec<u8>,
    line: Line,
}

/// Where in a log the text so far ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Line {
    First,
    Within,
    Next,
}

/// Of a longer error the end is dropped.
const MOST_OF_ERROR: usize = 16 * 1024;

// === impl PodLog ===

impl PodLog {
    pub(crate) fn of(attributes: &Attributes<'_>) -> Option<Self> {
        let Attributes::Resource(asked) = attributes else { return None };
        if (asked.group, asked.resource, asked.subresource) != ("", "pods", "log") {
            return None;
        }
        let (namespace, name) = (asked.namespace.to_owned(), asked.name.clone().into_owned());
        Some(Self { namespace, name })
    }
}

// === impl Wrapper ===

impl Wrapper {
    pub(super) const fn new(wrapping: Wrapping) -> Self {
        Self { wrapping, started: false, held: Vec::new(), line: Line::First }
    }

    /// What takes the place of the next part of the body; `end`: it is the last one.
    pub(super) fn wrap(&mut self, part: &[u8], end: bool) -> Vec<u8> {
        let mut out = String::new();
        if !mem::replace(&mut self.started, true) {
            self.start(&mut out);
        }
        match &self.wrapping {
            Wrapping::Binary => self.binary(part, end, &mut out),
            Wrapping::Error { status } => {
                let status = *status;
                let room = MOST_OF_ERROR.saturating_sub(self.held.len());
                self.held.extend(part.iter().take(room));
                if end {
                    out = error(status, &self.held);
                }
            }
            Wrapping::Log(_) => {
                let text = self.text(part, end);
                self.lines(&text, end, &mut out);
            }
            Wrapping::Text => {
                let text = self.text(part, end);
                text.chars().for_each(|c| escape(c, &mut out));
            }
        }
        if end {
            out.push_str(match self.wrapping {
                Wrapping::Binary | Wrapping::Text => "\"}\n",
                Wrapping::Error { .. } => "",
                Wrapping::Log(_) => "]}\n",
            });
        }
        out.into_bytes()
    }

    fn start(&self, out: &mut String) {
        match &self.wrapping {
            Wrapping::Binary => {
                out.push_str(
                    r#"{"apiVersion":"keyhole/v1","kind":"Text","encoding":"base64","text":""#,
                );
            }
            Wrapping::Error { .. } => {}
            // Names are of a harmless alphabet.
            Wrapping::Log(PodLog { namespace, name }) => {
                out.push_str(
                    r#"{"apiVersion":"keyhole/v1","kind":"PodLog","metadata":{"namespace":""#,
                );
                out.push_str(namespace);
                out.push_str(r#"","name":""#);
                out.push_str(name);
                out.push_str(r#""},"lines":["#);
            }
            Wrapping::Text => {
                out.push_str(r#"{"apiVersion":"keyhole/v1","kind":"Text","text":""#);
            }
        }
    }

    /// Whole characters; what is none is replaced.
    fn text(&mut self, part: &[u8], end: bool) -> String {
        let mut bytes = mem::take(&mut self.held);
        bytes.extend(part);
        let mut text = String::new();
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let rest = chunk.invalid();
            let is_begun = chunks.peek().is_none()
                && str::from_utf8(rest).is_err_and(|error| error.error_len().is_none());
            if is_begun && !end {
                self.held = rest.to_vec();
            } else if !rest.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }

    fn lines(&mut self, text: &str, end: bool, out: &mut String) {
        for c in text.chars() {
            match (self.line, c) {
                (Line::First, _) => out.push('"'),
                (Line::Next, _) => out.push_str(",\""),
                (Line::Within, _) => {}
            }
            self.line = match c {
                '\n' => {
                    out.push('"');
                    Line::Next
                }
                c => {
                    escape(c, out);
                    Line::Within
                }
            };
        }
        if end && self.line == Line::Within {
            out.push('"');
        }
    }

    fn binary(&mut self, part: &[u8], end: bool, out: &mut String) {
        self.held.extend(part);
        let whole = match end {
            true => self.held.len(),
            false => self.held.len().saturating_sub(self.held.len() % 3),
        };
        let bytes: Vec<u8> = self.held.drain(..whole).collect();
        out.push_str(&Base64::encode_string(&bytes));
    }
}

pub(crate) fn error(status: u16, said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let message = match said.trim() {
        "" => "the apiserver sent nothing but this code".to_owned(),
        said => said.to_owned(),
    };
    let body = Status::new(status, reason(status), message).reply().body;
    String::from_utf8_lossy(&body).into_owned()
}

/// `metav1.StatusReason` of a code.
pub(super) const fn reason(status: u16) -> &'static str {
    match status {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        406 => "NotAcceptable",
        409 => "Conflict",
        410 => "Gone",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "Unknown",
    }
}

/// RFC 8259, 7.
fn escape(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if u32::from(c) < 0x20 => {
            out.push_str(&alloc::format!("\\u{:04x}", u32::from(c)));
        }
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// The document that comes of a body in parts.
    fn wrapped(wrapping: Wrapping, parts: &[&[u8]]) -> Value {
        let mut wrapper = Wrapper::new(wrapping);
        let mut out = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            out.extend(wrapper.wrap(part, at + 1 == parts.len()));
        }
        serde_json::from_slice(&out).unwrap()
    }

    fn log() -> Wrapping {
        Wrapping::Log(PodLog { namespace: "d".into(), name: "p".into() })
    }

    #[test]
    #[rustfmt::skip]
    fn a_log_becomes_lines() {
        for (parts, expected) in [
            (&[&b""[..]][..],                    json!([])),
            (&[b"a"],                            json!(["a"])),
            (&[b"a\n"],                          json!(["a"])),
            (&[b"a\n\nb\n"],                     json!(["a", "", "b"])),
            (&[b"a", b"b\nc", b"\n", b""],       json!(["ab", "c"])),
            (&[b"\"q\" \\ \x1b[0m\r\n"],         json!(["\"q\" \\ \u{1b}[0m\r"])),
            (&[b"\xc3", b"\xa4\n"],              json!(["\u{e4}"])),
            (&[b"\xff a\xc3"],                   json!(["\u{fffd} a\u{fffd}"])),
        ] {
            let document = wrapped(log(), parts);
            assert_eq!(document["lines"], expected, "{parts:?}");
            assert_eq!(document["metadata"], json!({"namespace": "d", "name": "p"}));
        }
    }

    #[test]
    fn text_and_bytes_are_wrapped() {
        assert_eq!(wrapped(Wrapping::Text, &[b"o", b"k\n"])["text"], "ok\n");
        let document = wrapped(Wrapping::Binary, &[b"\0", b"\x01\x02\x03", b"\xff"]);
        assert_eq!(
            (&document["encoding"], &document["text"]),
            (&json!("base64"), &json!("AAECA/8="))
        );
    }

    #[test]
    fn an_error_becomes_a_status() {
        let document = wrapped(Wrapping::Error { status: 429 }, &[b"Too many ", b"requests\n"]);
        assert_eq!(document["kind"], "Status");
        assert_eq!(
            (&document["code"], &document["reason"]),
            (&json!(429), &json!("TooManyRequests"))
        );
        assert_eq!(document["message"], "Too many requests");
        let empty = wrapped(Wrapping::Error { status: 500 }, &[b""]);
        assert_eq!(empty["message"], "the apiserver sent nothing but this code");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_document(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            cuts in proptest::collection::vec(0..200_usize, 0..5),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
            for wrapping in [Wrapping::Binary, Wrapping::Error { status: 500 }, log(), Wrapping::Text] {
                let whole = wrapped(wrapping.clone(), &[&body]);
                prop_assert_eq!(wrapped(wrapping, &parts), whole);
            }
            let text = wrapped(Wrapping::Text, &parts);
            prop_assert_eq!(text["text"].as_str().unwrap(), String::from_utf8_lossy(&body));
            let lines = wrapped(log(), &parts);
            let lines: Vec<&str> = lines["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
            let whole = String::from_utf8_lossy(&body);
            let mut expected: Vec<&str> = whole.split('\n').collect();
            if expected.last() == Some(&"") { expected.pop(); }
            prop_assert_eq!(lines, expected);
        }
    }
}
