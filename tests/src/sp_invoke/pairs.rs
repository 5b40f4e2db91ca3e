//! The flat JSON object in which `@headers` and secrets are written (row 3).

use serde_json::Value;

use super::error::{Error, Pairs};
use super::members::Members;

const MAX_CHARACTERS: usize = 4000;

/// The names and values in their order, repeated ones too.
pub(super) fn parse(text: &str, of: Pairs) -> Result<Vec<(String, String)>, Error> {
    if text.encode_utf16().count() > MAX_CHARACTERS {
        let limit = 2 * MAX_CHARACTERS;
        return Err(Error::ParameterTooLong { what: of.as_str(), limit });
    }
    let value: Value = serde_json::from_str(text).map_err(|_| Error::UnparsablePairs(of))?;
    if !value.is_object() {
        return Err(Error::NotAnObject(of));
    }
    let Members(members) =
        serde_json::from_str(text).map_err(|_| Error::UnparsablePairs(of))?;
    members.into_iter().map(|(name, value)| pair(name, value, of)).collect()
}

fn pair(name: String, value: Value, of: Pairs) -> Result<(String, String), Error> {
    let value = match value {
        Value::Array(_) | Value::Object(_) => return Err(Error::Nested(of)),
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    let printable = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match () {
        () if name.is_empty() => Err(Error::EmptyKey(of)),
        () if value.is_empty() => Err(Error::EmptyValue(of)),
        () if !printable(&name) || !printable(&value) => Err(Error::NotPrintable(of)),
        () => Ok((name, value)),
    }
}
