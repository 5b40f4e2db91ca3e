//! JSON without duplicate keys.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Quoted, Unreadable, Value};
use crate::config::document::MAX_DEPTH;

/// Reads a value that lies this deep.
#[derive(Clone, Copy)]
struct Level<'c> {
    depth: usize,
    values: &'c Values,
}

/// How many there may be, and how many more.
struct Values {
    most: usize,
    left: Cell<usize>,
}

pub(super) fn read_up_to(most: usize, text: &str) -> Result<Value, Unreadable> {
    let mut json = serde_json::Deserializer::from_str(text);
    let values = Values { most, left: Cell::new(most) };
    let value = Level { depth: 0, values: &values }.deserialize(&mut json);
    let whole = value.and_then(|value| json.end().map(|()| value));
    whole.map_err(|error| Unreadable::Json(error.to_string()))
}

// === impl Level ===

impl Level<'_> {
    fn below(self) -> Self {
        Self { depth: self.depth.saturating_add(1), ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom(format!("nested more than {MAX_DEPTH} levels deep")));
        }
        let Values { most, left } = self.values;
        let Some(fewer) = left.get().checked_sub(1) else {
            return Err(D::Error::custom(format!("more than {most} values")));
        };
        left.set(fewer);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Other(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Other(format!("{number:?}")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.below())? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut mapping = BTreeMap::new();
        while let Some(key) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(self.below())?;
            match mapping.entry(key) {
                Entry::Vacant(entry) => entry.insert(value),
                Entry::Occupied(entry) => {
                    let key = Quoted::new(entry.key());
                    return Err(A::Error::custom(format!("`{key}` is given twice: keep one")));
                }
            };
        }
        Ok(Value::Mapping(mapping))
    }
}
