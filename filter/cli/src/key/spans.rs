//! Where the parts of a YAML document lie in its text, so that it can be changed
//! without being written anew.

use std::ops::Range;

use anyhow::{Context, bail};
use saphyr_parser::{Event, Parser, Span, StrInput};

/// A node and the bytes that it lies in. Those of a block collection end with its
/// last scalar.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Range<usize>,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Mapping(Vec<(Node, Node)>),
    Scalar(String),
    Sequence(Vec<Node>),
}

struct Reader<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    /// The byte at which each character starts, for the parser counts characters.
    bytes: Vec<usize>,
}

// === impl Node ===

impl Node {
    /// Reads a document that the policy's own reader has accepted.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let bytes = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut reader = Reader { text, parser: Parser::new_from_str(text), bytes };
        loop {
            match reader.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (event, at) => return reader.node(event, at),
            }
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        let Value::Mapping(entries) = &self.value else { return None };
        entries.iter().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }
}

// === impl Reader ===

impl<'t> Reader<'t> {
    fn next(&mut self) -> anyhow::Result<(Event<'t>, Range<usize>)> {
        let (event, span) =
            self.parser.next_event().context("the document ends too early")??;
        Ok((event, self.range(span)))
    }

    fn range(&self, span: Span) -> Range<usize> {
        let byte = |index| self.bytes.get(index).copied().unwrap_or(self.text.len());
        byte(span.start.index())..byte(span.end.index())
    }

    fn node(&mut self, event: Event<'t>, at: Range<usize>) -> anyhow::Result<Node> {
        let (value, end) = match event {
            Event::Scalar(text, ..) => (Value::Scalar(text.into_owned()), self.scalar_end(&at)),
            Event::SequenceStart(..) => {
                let (mut items, mut end) = (Vec::new(), at.start.saturating_add(1));
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => {
                            let end = self.end(&at, ['[', ']'], end);
                            break (Value::Sequence(items), end);
                        }
                        (event, at) => {
                            let item = self.node(event, at)?;
                            end = item.at.end;
                            items.push(item);
                        }
                    }
                }
            }
            Event::MappingStart(..) => {
                let (mut entries, mut end) = (Vec::new(), at.start.saturating_add(1));
                loop {
                    match self.next()? {
                        (Event::MappingEnd, _) => {
                            let end = self.end(&at, ['{', '}'], end);
                            break (Value::Mapping(entries), end);
                        }
                        (event, at) => {
                            let key = self.node(event, at)?;
                            let (event, at) = self.next()?;
                            let value = self.node(event, at)?;
                            end = value.at.end;
                            entries.push((key, value));
                        }
                    }
                }
            }
            _ => bail!("the document has a part that policies do not have"),
        };
        Ok(Node { at: at.start..end, value })
    }

    /// The parser counts what follows a closing quote as part of it.
    fn scalar_end(&self, at: &Range<usize>) -> usize {
        let text = self.text.get(at.clone()).unwrap_or_default();
        let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return at.end;
        };
        let mut chars = text.char_indices().skip(1).peekable();
        while let Some((index, char)) = chars.next() {
            let escapes = match quote {
                '"' => char == '\\',
                _ => char == quote && chars.peek().is_some_and(|(_, next)| *next == quote),
            };
            if escapes {
                chars.next();
            } else if char == quote {
                return at.start.saturating_add(index).saturating_add(1);
            }
        }
        at.end
    }

    /// A flow collection ends with its bracket: after its last item, there are but
    /// blanks, a comma and comments before it. The parser says something else.
    fn end(&self, at: &Range<usize>, [open, close]: [char; 2], last: usize) -> usize {
        if !self.text.get(at.start..).is_some_and(|text| text.starts_with(open)) {
            return last;
        }
        let mut in_comment = false;
        for (index, char) in self.text.get(last..).unwrap_or_default().char_indices() {
            in_comment = char == '#' || (in_comment && char != '\n');
            if char == close && !in_comment {
                return last.saturating_add(index).saturating_add(1);
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_lies_where_it_is_written() {
        let text = "ä: # c\n- {b: 'x',  c: y z } # d\n- e: f   # g\n  h: [1, 2, # ]\n   ]\nlast: \"q\\\" \" # i\nsingle: 'it''s'   # \"\n";
        let root = Node::parse(text).unwrap();
        let items = root.field("ä").unwrap().items();
        let slice = |node: &Node| text.get(node.at.clone()).unwrap();
        assert_eq!(slice(&items[0]), "{b: 'x',  c: y z }");
        assert_eq!(slice(items[0].field("b").unwrap()), "'x'");
        assert_eq!(slice(items[0].field("c").unwrap()), "y z");
        assert_eq!(slice(&items[1]), "e: f   # g\n  h: [1, 2, # ]\n   ]");
        assert_eq!(slice(items[1].field("e").unwrap()), "f");
        assert_eq!(slice(root.field("last").unwrap()), r#""q\" ""#);
        assert_eq!(slice(root.field("single").unwrap()), "'it''s'");
    }
}
