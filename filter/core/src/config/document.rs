//! A YAML or JSON document as a tree that remembers its lines.
//!
//! What makes YAML surprising is refused by name: anchors, aliases, tags and
//! several documents in one text. JSON is read by the same parser, being YAML.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};

use super::problem::Problem;

/// Deeper nesting is refused; a policy needs six levels.
const MAX_DEPTH: usize = 32;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Mapping(Vec<Entry>),
    Null,
    Scalar(String),
    Sequence(Vec<Node>),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) node: Node,
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    last_line: usize,
}

// === impl Node ===

impl Node {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let mut reader = Reader { parser: Parser::new_from_str(text), last_line: 1 };
        reader.document()
    }

    /// A field, if this is a mapping that has it.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }
}

// === impl Reader ===

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Node, Problem> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd, line) => {
                    return Err(problem(line, "the document is empty: write a policy"));
                }
                (event, line) => {
                    let node = self.node(event, line, 0)?;
                    self.end()?;
                    return Ok(node);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Problem> {
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(()),
                (_, line) => {
                    return Err(problem(line, "a second document starts here: keep one"));
                }
            }
        }
    }

    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(problem(line, "nested more than 32 levels deep"));
        }
        let value = match event {
            Event::Scalar(text, style, 0, None) => scalar(&text, style),
            Event::SequenceStart(0, None) => self.sequence(depth)?,
            Event::MappingStart(0, None) => self.mapping(depth)?,
            Event::Alias(_) => {
                return Err(problem(line, "aliases are not supported: write the value out"));
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return Err(problem(line, "tags are not supported: remove the `!...`"));
            }
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                return Err(problem(line, "anchors are not supported: remove the `&...`"));
            }
            _ => return Err(problem(line, "a value is missing here")),
        };
        Ok(Node { line, value })
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Sequence(items)),
                (event, line) => items.push(self.node(event, line, depth.saturating_add(1))?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut entries = Vec::new();
        loop {
            let (key, line) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Mapping(entries)),
                (Event::Scalar(key, _, 0, None), line) => (key.into_owned(), line),
                (_, line) => return Err(problem(line, "a field name must be plain text")),
            };
            let (event, value_line) = self.next()?;
            let node = self.node(event, value_line, depth.saturating_add(1))?;
            entries.push(Entry { line, key, node });
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, usize), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.last_line = span.start.line();
                Ok((event, self.last_line))
            }
            Some(Err(error)) => Err(scan_problem(error.marker(), error.info())),
            None => Err(problem(self.last_line, "the document ends too early")),
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match text {
        "" | "~" | "null" if style == ScalarStyle::Plain => Value::Null,
        text => Value::Scalar(text.to_owned()),
    }
}

fn scan_problem(at: &Marker, info: &str) -> Problem {
    let column = at.col().saturating_add(1);
    problem(at.line(), &format!("this is not YAML (column {column}): {info}"))
}

fn problem(line: usize, message: &str) -> Problem {
    Problem { line, field: String::new(), message: message.to_owned() }
}
