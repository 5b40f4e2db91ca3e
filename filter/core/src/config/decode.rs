//! Turns a document into serde types, and does not stop at the first mistake.
//!
//! Unknown and duplicate fields are recorded and skipped; what a type marks as
//! tolerant is recorded and left out. So one run finds all mistakes. Every struct
//! is strict, whatever its attributes say.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use super::document::{Entry, Node, Value};
use super::problem::{At, Problems};

/// Decodes the document below `root`; `None` if a problem made this impossible.
pub(super) fn decode<'n, T: Deserialize<'n>>(
    root: &'n Node,
    problems: &Problems<'n>,
) -> Option<T> {
    T::deserialize(Decoder { node: root, at: At::ROOT, problems }).ok()
}

struct Decoder<'n, 'p> {
    node: &'n Node,
    at: At<'p>,
    problems: &'p Problems<'n>,
}

/// A problem on its way to being recorded. Every method of [`Decoder`] records
/// before it returns.
#[derive(Debug)]
enum Fault {
    Recorded,
    Said(String),
}

struct Items<'n, 'p> {
    items: core::iter::Enumerate<core::slice::Iter<'n, Node>>,
    at: &'p At<'p>,
    problems: &'p Problems<'n>,
}

struct Fields<'n, 'p> {
    entries: core::slice::Iter<'n, Entry>,
    current: Option<&'n Entry>,
    known: &'static [&'static str],
    seen: alloc::vec::Vec<&'n str>,
    at: &'p At<'p>,
    problems: &'p Problems<'n>,
}

/// The entries of a mapping whose keys are its user's own.
struct Members<'n, 'p> {
    entries: core::slice::Iter<'n, Entry>,
    current: Option<&'n Entry>,
    seen: alloc::vec::Vec<&'n str>,
    at: &'p At<'p>,
    problems: &'p Problems<'n>,
}

// === impl Decoder ===

impl<'n, 'p> Decoder<'n, 'p> {
    fn record(&self, fault: Fault) -> Fault {
        if let Fault::Said(message) = fault {
            self.problems.add(&self.at, message);
        }
        Fault::Recorded
    }

    fn expected(&self, what: &str) -> Fault {
        let found = match &self.node.value {
            Value::Mapping(_) => "a mapping".to_string(),
            Value::Null => "nothing".to_string(),
            Value::Scalar { text, .. } => format!("`{text}`"),
            Value::Sequence(_) => "a list".to_string(),
        };
        self.record(Fault::Said(format!("is {found}: write {what}")))
    }

    fn scalar(&self, what: &str) -> Result<&'n str, Fault> {
        match &self.node.value {
            Value::Scalar { text, .. } => Ok(text),
            _ => Err(self.expected(what)),
        }
    }
}

impl<'n> Deserializer<'n> for Decoder<'n, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Fault> {
        let text = self.scalar("text")?;
        visitor.visit_borrowed_str(text).map_err(|fault| self.record(fault))
    }

    fn deserialize_bool<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.scalar("`true` or `false`")? {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(self.expected("`true` or `false`")),
        }
    }

    fn deserialize_u64<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.scalar("a whole number")?.parse() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => Err(self.expected("a whole number")),
        }
    }

    /// An optional field may be left out; one that is there has a value. Read as
    /// "left out", an empty `resourceNames:` would allow any name.
    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Value::Sequence(items) = &self.node.value else {
            return Err(self.expected("a list"));
        };
        let items = items.iter().enumerate();
        visitor
            .visit_seq(Items { items, at: &self.at, problems: self.problems })
            .map_err(|fault| self.record(fault))
    }

    fn deserialize_map<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Value::Mapping(entries) = &self.node.value else {
            return Err(self.expected("a mapping"));
        };
        let members = Members {
            entries: entries.iter(),
            current: None,
            seen: alloc::vec::Vec::new(),
            at: &self.at,
            problems: self.problems,
        };
        visitor.visit_map(members).map_err(|fault| self.record(fault))
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Value::Mapping(entries) = &self.node.value else {
            return Err(self.expected(&format!("a mapping with {}", list(known))));
        };
        let fields = Fields {
            entries: entries.iter(),
            current: None,
            known,
            seen: alloc::vec::Vec::new(),
            at: &self.at,
            problems: self.problems,
        };
        visitor.visit_map(fields).map_err(|fault| self.record(fault))
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let expected = list(variants);
        match self.scalar(&expected)? {
            text if variants.contains(&text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(self.expected(&expected)),
        }
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'n>>
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct identifier ignored_any
    }
}

// === impl Items ===

impl<'n> de::SeqAccess<'n> for Items<'n, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        match self.items.next() {
            Some((index, node)) => {
                let at = self.at.index(index);
                seed.deserialize(Decoder { node, at, problems: self.problems }).map(Some)
            }
            None => Ok(None),
        }
    }
}

// === impl Fields ===

impl<'n> Fields<'n, '_> {
    /// The next entry that the struct knows and has not had yet.
    fn next(&mut self) -> Option<&'n Entry> {
        for entry in self.entries.by_ref() {
            let key = &*entry.key;
            let at = self.at.field(key);
            if !self.known.contains(&key) {
                let message = format!("unknown field: write {}", list(self.known));
                self.problems.add_marked(entry.mark, &at, message);
            } else if self.seen.contains(&key) {
                let message = "given twice: keep one of them";
                self.problems.add_marked(entry.mark, &at, message);
            } else {
                self.seen.push(key);
                return Some(entry);
            }
        }
        None
    }
}

impl<'n> de::MapAccess<'n> for Fields<'n, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'n>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.current = self.next();
        match self.current {
            Some(entry) => seed.deserialize((*entry.key).into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'n>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some(entry) = self.current.take() else { return Err(Fault::Recorded) };
        let at = self.at.field(&entry.key);
        seed.deserialize(Decoder { node: &entry.node, at, problems: self.problems })
    }
}

// === impl Members ===

impl<'n> de::MapAccess<'n> for Members<'n, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'n>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.current = self.entries.next();
        let Some(entry) = self.current else { return Ok(None) };
        if self.seen.contains(&&*entry.key) {
            let at = self.at.field(&entry.key);
            self.problems.add_marked(entry.mark, &at, "given twice: keep one of them");
        }
        self.seen.push(&entry.key);
        seed.deserialize((*entry.key).into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'n>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some(entry) = self.current.take() else { return Err(Fault::Recorded) };
        let at = self.at.field(&entry.key);
        seed.deserialize(Decoder { node: &entry.node, at, problems: self.problems })
    }
}

// === impl Fault ===

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Said(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Said(format!("`{field}` is missing: add it"))
    }
}

impl de::StdError for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded => f.write_str("recorded"),
            Self::Said(message) => f.write_str(message),
        }
    }
}

/// "`a`, `b` or `c`"
fn list(words: &[&str]) -> String {
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        text.push_str(match words.len().checked_sub(index) {
            _ if index == 0 => "",
            Some(1) => " or ",
            _ => ", ",
        });
        text.push('`');
        text.push_str(word);
        text.push('`');
    }
    text
}
