//! A YAML or JSON document as a tree that remembers where it was written.
//!
//! What makes YAML surprising is refused by name: anchors, aliases, tags and
//! several documents in one text. JSON is read by the same parser, being YAML.
//!
//! A VM never gives memory back, and this tree is the largest that a policy needs:
//! so it is of boxes, which have no room to grow.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};

use super::problem::Problem;

/// Deeper nesting is refused; a policy needs six levels, objects of Kubernetes
/// seldom more than twenty.
pub(crate) const MAX_DEPTH: usize = 64;

/// A place in a text; both numbers are 1-based, columns are characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) mark: Mark,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Mapping(Box<[Entry]>),
    Null,
    /// `plain`: written without quotes and not as a block.
    Scalar {
        text: Box<str>,
        plain: bool,
    },
    Sequence(Box<[Node]>),
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) mark: Mark,
    pub(crate) key: Box<str>,
    /// As in [`Value::Scalar`].
    pub(crate) plain: bool,
    pub(crate) node: Node,
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    last: Mark,
    /// How many values there may be.
    most: usize,
    values: usize,
}

// === impl Mark ===

impl Mark {
    const START: Self = Self { line: 1, column: 1 };
}

impl From<&Marker> for Mark {
    fn from(marker: &Marker) -> Self {
        Self { line: marker.line(), column: marker.col().saturating_add(1) }
    }
}

// === impl Node ===

impl Node {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        Self::parse_up_to(usize::MAX, text)
    }

    /// Refuses a text that has more than so many values.
    pub(crate) fn parse_up_to(most: usize, text: &str) -> Result<Self, Problem> {
        let parser = Parser::new_from_str(text);
        Reader { parser, last: Mark::START, most, values: 0 }.document()
    }

    /// A field, if this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| *entry.key == *key),
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
                (Event::StreamEnd, mark) => {
                    return Err(problem(mark, "the document is empty"));
                }
                (event, mark) => {
                    let node = self.node(event, mark, 0)?;
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
                (_, mark) => {
                    return Err(problem(mark, "a second document starts here: keep one"));
                }
            }
        }
    }

    fn node(&mut self, event: Event<'t>, mark: Mark, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(problem(mark, "nested more than 64 levels deep"));
        }
        self.values = self.values.saturating_add(1);
        if self.values > self.most {
            return Err(problem(mark, &format!("more than {} values", self.most)));
        }
        let value = match event {
            Event::Scalar(text, style, 0, None) => scalar(text, style),
            Event::SequenceStart(0, None) => self.sequence(depth)?,
            Event::MappingStart(0, None) => self.mapping(depth)?,
            Event::Alias(_) => {
                return Err(problem(mark, "aliases are not supported: write the value out"));
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return Err(problem(mark, "tags are not supported: remove the `!...`"));
            }
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                return Err(problem(mark, "anchors are not supported: remove the `&...`"));
            }
            _ => return Err(problem(mark, "a value is missing here")),
        };
        Ok(Node { mark, value })
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Sequence(items.into())),
                (event, mark) => items.push(self.node(event, mark, depth.saturating_add(1))?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut entries = Vec::new();
        loop {
            let (key, plain, mark) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Mapping(entries.into())),
                (Event::Scalar(key, style, 0, None), mark) => {
                    (key.into(), style == ScalarStyle::Plain, mark)
                }
                (_, mark) => return Err(problem(mark, "a field name must be plain text")),
            };
            let (event, value_mark) = self.next()?;
            let node = self.node(event, value_mark, depth.saturating_add(1))?;
            entries.push(Entry { mark, key, plain, node });
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Mark), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.last = Mark::from(&span.start);
                Ok((event, self.last))
            }
            Some(Err(error)) => Err(scan_problem(error.marker(), error.info())),
            None => Err(problem(self.last, "the document ends too early")),
        }
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    let plain = style == ScalarStyle::Plain;
    match &*text {
        "" | "~" | "null" if plain => Value::Null,
        _ => Value::Scalar { text: text.into(), plain },
    }
}

fn scan_problem(at: &Marker, info: &str) -> Problem {
    let mark = Mark::from(at);
    problem(mark, &format!("this is not YAML (column {}): {info}", mark.column))
}

fn problem(mark: Mark, message: &str) -> Problem {
    let Mark { line, column } = mark;
    Problem { line, column, field: String::new(), message: message.to_owned() }
}
