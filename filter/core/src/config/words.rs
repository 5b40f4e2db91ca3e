//! Reads the lists of words that rules are made of.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hashbrown::HashSet;

use super::problem::{At, Problems};
use super::written::List;

/// Reads a list of words at `at`: each once, and at least one; `empty` is what else to
/// write.
pub(super) fn words<T>(
    list: &List<String>,
    at: &At<'_>,
    problems: &Problems<'_>,
    empty: &str,
    mut read: impl FnMut(&str) -> Result<T, String>,
) -> Vec<T> {
    if list.is_empty() {
        problems.add(at, empty);
    }
    let mut seen: HashSet<&str> = HashSet::new();
    let mut values = Vec::new();
    for (index, text) in list.iter() {
        let at = at.index(index);
        if !seen.insert(text) {
            problems.add(&at, format!("`{text}` is given twice: keep one of them"));
        }
        match read(text) {
            Ok(value) => values.push(value),
            Err(message) => problems.add(&at, message),
        }
    }
    values
}
