//! Leaves out of a document what nobody reads in SQL, as it passes:
//!
//! ```text
//! document    = object with "metadata" and, of a list, "items"
//! items       = list of objects with "metadata"
//! metadata    = object with "annotations", and without "managedFields"
//! annotations = object without what `kubectl apply` notes
//! ```
//!
//! All else stays byte by byte, but for space; so does what is no JSON.

use alloc::vec::Vec;
use core::{mem, slice};

use memchr::memchr2;

use super::view;

#[derive(Debug)]
pub struct Pruner {
    /// The containers around, the innermost last.
    around: Vec<Container>,
    state: State,
    /// The comma and the key of a member that may be left out.
    held: Vec<u8>,
}

#[derive(Debug)]
struct Container {
    place: Place,
    /// Whether a member has been kept, so that a comma belongs before the next one.
    begun: bool,
}

/// Where in the document something stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Annotations,
    Document,
    Item,
    Items,
    Metadata,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Drop,
    Enter(Place),
    Keep,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Before the value.
    Value(Fate),
    /// In a value that is not looked into, `depth` containers deep.
    Within {
        kept: bool,
        depth: usize,
        text: Text,
    },
    /// In an object, before a key.
    Members,
    /// In a list, before an element.
    Elements,
    Key(Text),
    Colon(Fate),
    /// The document has ended, or it is none.
    Rest,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Text {
    Outside,
    Inside,
    /// After a backslash.
    Escaped,
}

const LAST_APPLIED: &[u8] = view::LAST_APPLIED.as_bytes();
/// An annotation's key has at most 317 bytes.
const LONGEST_KEY: usize = 1024;
/// More is left out, so that a comma and a key have their place.
const MOST_SPACE: usize = 512;

// === impl Pruner ===

impl Pruner {
    pub(super) const fn new() -> Self {
        let state = State::Value(Fate::Enter(Place::Document));
        Self { around: Vec::new(), state, held: Vec::new() }
    }

    /// What is left of the next part of the body; `end`: it is the last one.
    pub(super) fn prune(&mut self, part: &[u8], end: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(part.len());
        let mut rest = part;
        while let Some((byte, after)) = rest.split_first() {
            rest = match self.state {
                State::Within { kept, depth, text } => {
                    self.within(kept, depth, text, rest, &mut out)
                }
                State::Key(text) => self.key(text, rest, &mut out),
                State::Rest => {
                    out.extend(rest);
                    &[]
                }
                _ => match self.step(*byte, &mut out) {
                    true => after,
                    false => rest,
                },
            };
        }
        if end {
            out.append(&mut self.held);
        }
        out
    }

    /// Whether the byte has been used up. Otherwise it belongs to what comes next.
    fn step(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        let is_space = byte.is_ascii_whitespace();
        let has_room = self.held.len() < LONGEST_KEY;
        match (self.state, byte) {
            (State::Value(Fate::Drop) | State::Colon(Fate::Drop), _) if is_space => {}
            (State::Value(_) | State::Colon(_) | State::Elements, _) if is_space => {
                out.push(byte);
            }
            (State::Value(Fate::Enter(place)), b'{') if place != Place::Items => {
                self.enter(place, State::Members);
                out.push(byte);
            }
            (State::Value(Fate::Enter(Place::Items)), b'[') => {
                self.enter(Place::Items, State::Elements);
                out.push(byte);
            }
            (State::Value(fate), _) if !matches!(byte, b',' | b']' | b'}') => {
                let kept = fate != Fate::Drop;
                self.state = State::Within { kept, depth: 0, text: Text::Outside };
                return false;
            }
            (State::Colon(fate), b':') => {
                if fate != Fate::Drop {
                    out.push(byte);
                }
                self.state = State::Value(fate);
            }
            (State::Elements, b',') => out.push(byte),
            (State::Elements, b']') | (State::Members, b'}') => {
                out.append(&mut self.held);
                out.push(byte);
                self.around.pop();
                self.leave();
            }
            (State::Elements, _) => {
                self.state = State::Value(Fate::Enter(Place::Item));
                return false;
            }
            (State::Members, b'"') => {
                self.held.push(byte);
                self.state = State::Key(Text::Inside);
            }
            (State::Members, b',') if has_room => self.held.push(byte),
            (State::Members, _) if is_space => {
                if self.held.len() < MOST_SPACE {
                    self.held.push(byte);
                }
            }
            _ => {
                self.give_up(out);
                return false;
            }
        }
        true
    }

    /// It is no document, or not one of these.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        self.release(out);
        self.state = State::Rest;
    }

    /// What was held stays; the comma only if a member stays before it.
    fn release(&mut self, out: &mut Vec<u8>) {
        let is_first =
            self.around.last_mut().is_some_and(|own| !mem::replace(&mut own.begun, true));
        let comma = self.held.iter().take_while(|byte| is_first && **byte != b'"').count();
        out.extend_from_slice(self.held.get(comma..).unwrap_or_default());
        self.held.clear();
    }

    /// What of `rest` comes after the key.
    fn key<'a>(&mut self, text: Text, rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let mut bytes = rest.iter();
        let text = text.end(&mut bytes);
        let (key, after) = split(rest, bytes.as_slice().len());
        if self.held.len().saturating_add(key.len()) > LONGEST_KEY {
            self.give_up(out);
            return rest;
        }
        self.held.extend_from_slice(key);
        match text {
            Text::Outside => self.judge(out),
            text => self.state = State::Key(text),
        }
        after
    }

    /// A key is complete.
    fn judge(&mut self, out: &mut Vec<u8>) {
        let Some(object) = self.around.last() else { return };
        // One that has a quote in it is none of those that matter.
        let key = self.held.split(|byte| *byte == b'"').nth(1).unwrap_or_default();
        let fate = object.place.member(key);
        match fate {
            Fate::Drop => self.held.clear(),
            Fate::Enter(_) | Fate::Keep => self.release(out),
        }
        self.state = State::Colon(fate);
    }

    /// What of `rest` does not belong to the value any more.
    fn within<'a>(
        &mut self,
        kept: bool,
        mut depth: usize,
        mut text: Text,
        rest: &'a [u8],
        out: &mut Vec<u8>,
    ) -> &'a [u8] {
        let mut bytes = rest.iter();
        // Of a value that has ended: how many bytes more have been read.
        let ended = loop {
            if text != Text::Outside {
                text = text.end(&mut bytes);
                match (text, depth) {
                    (Text::Outside, 0) => break Some(0),
                    (Text::Outside, _) => {}
                    _ => break None,
                }
            }
            // Nearly all of a document does not matter.
            match bytes.find(|byte| matches!(byte, b'"' | b',' | b'[' | b']' | b'{' | b'}')) {
                None => break None,
                Some(b'"') => text = Text::Inside,
                Some(b'[' | b'{') => depth = depth.saturating_add(1),
                Some(_) if depth == 0 => break Some(1),
                Some(b',') => {}
                Some(_) if depth == 1 => break Some(0),
                Some(_) => depth = depth.saturating_sub(1),
            }
        };
        let unread = bytes.as_slice().len().saturating_add(ended.unwrap_or(0));
        let (value, after) = split(rest, unread);
        if kept {
            out.extend_from_slice(value);
        }
        self.state = State::Within { kept, depth, text };
        if ended.is_some() {
            self.leave();
        }
        after
    }

    fn enter(&mut self, place: Place, state: State) {
        self.around.push(Container { place, begun: false });
        self.state = state;
    }

    /// A value has ended.
    fn leave(&mut self) {
        self.state = match self.around.last() {
            None => State::Rest,
            Some(Container { place: Place::Items, .. }) => State::Elements,
            Some(_) => State::Members,
        };
    }
}

// === impl Place ===

impl Place {
    fn member(self, key: &[u8]) -> Fate {
        match (self, key) {
            (Self::Document, b"items") => Fate::Enter(Self::Items),
            (Self::Document | Self::Item, b"metadata") => Fate::Enter(Self::Metadata),
            (Self::Metadata, b"annotations") => Fate::Enter(Self::Annotations),
            (Self::Metadata, b"managedFields") | (Self::Annotations, LAST_APPLIED) => {
                Fate::Drop
            }
            _ => Fate::Keep,
        }
    }
}

// === impl Text ===

impl Text {
    /// Reads to the end of the text, or of what is there of it.
    fn end(mut self, bytes: &mut slice::Iter<'_, u8>) -> Self {
        loop {
            let at = match self {
                Self::Outside => return self,
                Self::Escaped => 0,
                // Without one, behind all that is there.
                Self::Inside => memchr2(b'"', b'\\', bytes.as_slice()).unwrap_or(usize::MAX),
            };
            self = match (self, bytes.nth(at)) {
                (_, None) => return self,
                (Self::Inside, Some(b'"')) => Self::Outside,
                (Self::Inside, Some(_)) => Self::Escaped,
                _ => Self::Inside,
            }
        }
    }
}

/// Before and after the point from which on so many bytes are unread.
fn split(bytes: &[u8], unread: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(bytes.len().saturating_sub(unread)).unwrap_or((bytes, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// What is left of a body that comes in parts.
    fn pruned(parts: &[&[u8]]) -> String {
        let mut pruner = Pruner::new();
        let mut out = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            out.extend(pruner.prune(part, at + 1 == parts.len()));
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    #[rustfmt::skip]
    fn only_what_nobody_reads_is_left_out() {
        for (document, expected) in [
            // wherever it stands in its object
            (r#"{"metadata":{"managedFields":[{"f:a":{}}]}}"#,                   r#"{"metadata":{}}"#),
            (r#"{"metadata":{"managedFields":[],"name":"a"}}"#,                  r#"{"metadata":{"name":"a"}}"#),
            (r#"{"metadata":{"name":"a","managedFields":[]}}"#,                  r#"{"metadata":{"name":"a"}}"#),
            (r#"{"metadata":{"a":1,"managedFields":[],"b":2},"c":3}"#,           r#"{"metadata":{"a":1,"b":2},"c":3}"#),
            (r#"{"metadata":{"managedFields":null,"managedFields":1}}"#,         r#"{"metadata":{}}"#),
            // annotations, and items
            (r#"{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"a\":\"}\"}\n","b":"c"}}}"#,
             r#"{"metadata":{"annotations":{"b":"c"}}}"#),
            (r#"{"metadata":{"continue":"c"},"items":[{"metadata":{"managedFields":[]}},{"metadata":{"managedFields":[]},"spec":1}]}"#,
             r#"{"metadata":{"continue":"c"},"items":[{"metadata":{}},{"metadata":{},"spec":1}]}"#),
            (r#"{"items":[]}"#,                                                  r#"{"items":[]}"#),
            (r#"{"items":null,"metadata":{}}"#,                                  r#"{"items":null,"metadata":{}}"#),
            // with space
            ("{\n \"metadata\": {\n  \"a\": 1,\n  \"managedFields\": [ ],\n  \"b\": 2\n }\n}\n",
             "{\"metadata\": {\"a\": 1,\n  \"b\": 2\n }\n}\n"),
            // not elsewhere
            (r#"{"managedFields":[]}"#,                                          r#"{"managedFields":[]}"#),
            (r#"{"spec":{"metadata":{"managedFields":[]}}}"#,                    r#"{"spec":{"metadata":{"managedFields":[]}}}"#),
            (r#"{"data":{"a":"\"metadata\":{\"managedFields\":[]}"}}"#,          r#"{"data":{"a":"\"metadata\":{\"managedFields\":[]}"}}"#),
            (r#"{"metadata":{"labels":{"managedFields":"a"}}}"#,                 r#"{"metadata":{"labels":{"managedFields":"a"}}}"#),
            // what is no such document
            (r#"[{"metadata":{"managedFields":[]}}]"#,                           r#"[{"metadata":{"managedFields":[]}}]"#),
            (r#""metadata""#,                                                    r#""metadata""#),
            (r#"{"metadata":{"a":1,"#,                                           r#"{"metadata":{"a":1,"#),
            (r#"{"metadata":{"manag"#,                                           r#"{"metadata":{"manag"#),
            (r#"{"items":[}]}"#,                                                 r#"{"items":[}]}"#),
            (r#"{"metadata":}"#,                                                r#"{"metadata":}"#),
            (r#"{"metadata" x"#,                                                 r#"{"metadata" x"#),
            ("",                                                                 ""),
        ] {
            assert_eq!(pruned(&[document.as_bytes()]), expected);
            let bytes: Vec<&[u8]> = document.as_bytes().chunks(1).collect();
            assert_eq!(pruned(&bytes), expected, "byte by byte");
        }
    }

    #[test]
    fn a_long_key_is_not_held() {
        let key = "k".repeat(5000);
        let document = format!(r#"{{"metadata":{{"{key}":1}}}}"#);
        assert_eq!(pruned(&[document.as_bytes()]), document);
        let fields = format!(r#"{{"metadata":{{"managedFields":[],"{key}":1}}}}"#);
        assert_eq!(pruned(&[fields.as_bytes()]), document);
        let space = " ".repeat(5000);
        for comma in [format!(",{space}"), format!("{space},"), format!("{space},{space}")] {
            let fields = format!(r#"{{"metadata":{{"managedFields":[]{comma}"k":1}}}}"#);
            let shown: Value = serde_json::from_str(&pruned(&[fields.as_bytes()])).unwrap();
            assert_eq!(shown, json!({"metadata": {"k": 1}}));
        }
    }

    /// Any value, with the names that matter all over.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            r#"[a"\\{},\[\]:é]{0,6}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 40, 5, |inner| {
            let key = prop_oneof![
                Just(String::from("metadata")),
                Just(String::from("items")),
                Just(String::from("managedFields")),
                Just(String::from("annotations")),
                Just(String::from(view::LAST_APPLIED)),
                r#"["\\a]{0,2}"#,
            ];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((key, inner), 0..5)
                    .prop_map(|members| { Value::Object(members.into_iter().collect()) }),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_a_reader_of_the_whole_would_leave_out(
            document in value(), pretty: bool, cut in 0..400_usize,
        ) {
            let text = match pretty {
                true => serde_json::to_vec_pretty(&document).unwrap(),
                false => serde_json::to_vec(&document).unwrap(),
            };
            let (first, second) = text.split_at(cut.min(text.len()));
            let shown: Value = serde_json::from_str(&pruned(&[first, second])).unwrap();
            let mut expected = json!(document);
            view::strip(&mut expected);
            if let Some(Value::Array(items)) = expected.get_mut("items") {
                items.iter_mut().for_each(view::strip);
            }
            prop_assert_eq!(shown, expected);
        }
    }
}
