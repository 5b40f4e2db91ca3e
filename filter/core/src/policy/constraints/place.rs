//! A place in a body, and what the body says there.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::form::Form;
use super::violation::{Found, Violation};
use crate::request::content::{Content, Value};

/// What a body says at one place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'v> {
    /// There will be nothing there: left out of a whole object, or removed by `null`.
    Absent,
    /// A patch does not mention it: what is there stays.
    Untouched,
    Value(&'v Value),
}

#[derive(Clone, Debug)]
pub(super) struct Place<'v> {
    /// As in `spec.containers[1].image`; empty for the body.
    path: String,
    given: Given<'v>,
    form: Form,
    /// Whether what is left out here is untouched.
    partial: bool,
}

impl<'v> Place<'v> {
    pub(super) fn root(content: &'v Content, form: Form) -> Self {
        let given = Given::Value(content.root());
        Self { path: String::new(), given, form, partial: form.is_partial() }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) const fn given(&self) -> Given<'v> {
        self.given
    }

    pub(super) const fn is_value(&self) -> bool {
        matches!(self.given, Given::Value(_))
    }

    pub(super) const fn text(&self) -> Option<&'v str> {
        match self.given {
            Given::Value(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        }
    }

    pub(super) fn found(&self) -> Found {
        match self.given {
            Given::Absent | Given::Untouched => Found::Missing,
            Given::Value(value) => Found::value(value),
        }
    }

    pub(super) fn field(&self, key: &str) -> Result<Self, Violation> {
        let given = match self.given {
            Given::Value(Value::Mapping(fields)) => match fields.get(key) {
                Some(Value::Null) => Given::Absent,
                Some(value) => Given::Value(value),
                None if self.partial => Given::Untouched,
                None => Given::Absent,
            },
            Given::Value(_) => return Err(self.expected("a mapping")),
            nothing => nothing,
        };
        Ok(Self { path: self.below(key), given, ..*self })
    }

    pub(super) fn descend(&self, keys: &[&str]) -> Result<Self, Violation> {
        keys.iter().try_fold(self.clone(), |place, key| place.field(key))
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, Violation> {
        let items = match self.given {
            Given::Value(Value::List(items)) => items.as_slice(),
            Given::Value(_) => return Err(self.expected("a list")),
            Given::Absent | Given::Untouched => &[],
        };
        let item = |(index, value)| Self {
            path: format!("{}[{index}]", self.path),
            given: Given::Value(value),
            form: self.form,
            partial: self.form.has_partial_items(),
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    fn below(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.into(),
            path => format!("{path}.{key}"),
        }
    }

    fn expected(&self, expected: &'static str) -> Violation {
        let place = match self.path.as_str() {
            "" => "the body".into(),
            path => path.into(),
        };
        Violation::Type { place, found: self.found(), expected }
    }
}
