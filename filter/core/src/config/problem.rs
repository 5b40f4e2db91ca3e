//! What is wrong with a policy document: where, what, and what to write instead.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use super::document::{Mark, Node, Value};

/// One mistake in a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// As in `clients[0].keys[1].sha256`; empty for the document as a whole.
    pub field: String,
    pub message: String,
}

/// A place in a document, as the steps that lead to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'p> {
    parent: Option<&'p Self>,
    step: Step<'p>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Field(&'p str),
    Index(usize),
    Root,
}

/// Nobody mends more at once, and each goes into the gateway's log.
const MOST_PROBLEMS: usize = 100;

/// Collects problems, so that a reader sees all of them at once.
#[derive(Debug)]
pub(super) struct Problems<'n> {
    root: &'n Node,
    found: RefCell<Vec<Problem>>,
}

// === impl Problem ===

impl Problem {
    /// The same problem, with lines below `field` counted from `line`.
    pub(super) fn shifted(mut self, field: &str, line: usize) -> Self {
        if self.field.starts_with(field) {
            self.line = self.line.saturating_sub(line).max(1);
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column: _, field, message } = self;
        match field.as_str() {
            "" => write!(f, "line {line}: {message}"),
            field => write!(f, "line {line}: {field}: {message}"),
        }
    }
}

// === impl At ===

impl<'p> At<'p> {
    pub(super) const ROOT: At<'static> = At { parent: None, step: Step::Root };

    pub(super) const fn field(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Field(name) }
    }

    pub(super) const fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// The node at this place, or the nearest one above it that exists.
    pub(super) fn locate<'n>(&self, root: &'n Node) -> &'n Node {
        let Some(parent) = self.parent.map(|parent| parent.locate(root)) else { return root };
        match (&parent.value, self.step) {
            (_, Step::Field(name)) => parent.entry(name).map_or(parent, |entry| &entry.node),
            (Value::Sequence(items), Step::Index(index)) => items.get(index).unwrap_or(parent),
            _ => parent,
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        let below_root = !matches!(self.parent, None | Some(At { step: Step::Root, .. }));
        match self.step {
            Step::Field(name) if below_root => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Root => Ok(()),
        }
    }
}

// === impl Problems ===

impl<'n> Problems<'n> {
    pub(super) const fn new(root: &'n Node) -> Self {
        Self { root, found: RefCell::new(Vec::new()) }
    }

    pub(super) fn add(&self, at: &At<'_>, message: impl fmt::Display) {
        self.add_marked(at.locate(self.root).mark, at, message);
    }

    pub(super) fn add_marked(&self, mark: Mark, at: &At<'_>, message: impl fmt::Display) {
        if self.found.borrow().len() >= MOST_PROBLEMS {
            return;
        }
        let Mark { line, column } = mark;
        let (field, message) = (at.to_string(), message.to_string());
        self.found.borrow_mut().push(Problem { line, column, field, message });
    }

    pub(super) fn any_below(&self, at: &At<'_>) -> bool {
        let field = at.to_string();
        self.found.borrow().iter().any(|problem| problem.field.starts_with(&field))
    }

    pub(super) fn into_result<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|problem| (problem.line, problem.column));
        found.dedup();
        match value {
            Some(value) if found.is_empty() => Ok(value),
            _ => Err(found),
        }
    }
}
