//! YAML that every reader takes for the same.
//!
//! Compared with the apiserver's reader (`sigs.k8s.io/yaml`), two differences are
//! left that change nothing: `{a:}` is a null `a` here and a null `a:` there, and a
//! block scalar that ends the text without a line feed gets one here.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;
use alloc::string::{String, ToString};

use super::{MOST_VALUES, Quoted, Unreadable, Value};
use crate::config::document::{self, Entry as Field, Mark, Node};

/// Words that are no text to readers of YAML 1.1, in whatever case.
const WORDS: [&str; 17] = [
    "", "<<", "=", "~", "n", "y", "no", "on", "off", "yes", "null", "true", "false", ".inf",
    ".nan", "+.inf", "-.inf",
];

pub(super) fn read(text: &str) -> Result<Value, Unreadable> {
    characters(text)?;
    let node = Node::parse_up_to(MOST_VALUES, text).map_err(|problem| {
        let text = problem.to_string();
        Unreadable::Yaml(Quoted::new(&text).to_string())
    })?;
    value(node)
}

/// YAML 1.1 ends a line, and with it a comment, where 1.2 does not; readers differ
/// about tabs; a directive changes what follows.
fn characters(text: &str) -> Result<(), Unreadable> {
    for (line, text) in (1_usize..).zip(text.split('\n')) {
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.contains('\t') {
            return Err(refused(line, "a tab: write spaces, or `\\t` in double quotes"));
        }
        if text.chars().any(is_special) {
            return Err(refused(
                line,
                "a control character: write it as `\\u....` in double quotes",
            ));
        }
        if text.starts_with('%') {
            return Err(refused(line, "a directive: leave it out"));
        }
    }
    Ok(())
}

/// Control characters, what YAML 1.1 takes for a line break, and the byte order mark.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn value(node: Node) -> Result<Value, Unreadable> {
    match node.value {
        document::Value::Null => Ok(Value::Null),
        document::Value::Scalar { text, plain: true } => {
            clear(&text, node.mark.line)?;
            Ok(plain(text.into()))
        }
        document::Value::Scalar { text, plain: false } => Ok(Value::Text(text.into())),
        document::Value::Sequence(items) => {
            items.into_iter().map(value).collect::<Result<_, _>>().map(Value::List)
        }
        document::Value::Mapping(entries) => mapping(entries),
    }
}

fn mapping(entries: Box<[Field]>) -> Result<Value, Unreadable> {
    let mut mapping = BTreeMap::new();
    for Field { mark: Mark { line, .. }, key, plain, node } in entries {
        let quoted = Quoted::new(&key);
        if &*key == "<<" {
            return Err(refused(line, "a merge key: write the fields out"));
        }
        if plain {
            clear(&key, line)?;
        }
        if plain && !is_text(&key) || key.contains(char::is_control) {
            let message =
                format!("the key `{quoted}`, which is no text to every reader: quote it");
            return Err(refused(line, &message));
        }
        match mapping.entry(key.into()) {
            Entry::Vacant(entry) => entry.insert(value(node)?),
            Entry::Occupied(_) => {
                return Err(refused(line, &format!("`{quoted}` is given twice: keep one")));
            }
        };
    }
    Ok(Value::Mapping(mapping))
}

/// To readers of YAML 1.1, these may start a key or a value also without a space.
fn clear(plain: &str, line: usize) -> Result<(), Unreadable> {
    match plain.starts_with(['?', ':']) {
        true => Err(refused(line, "text that starts with `?` or `:`: quote it")),
        false => Ok(()),
    }
}

fn plain(text: String) -> Value {
    let decimal = text == "0" || text.starts_with(|c| matches!(c, '1'..='9'));
    match text.as_str() {
        "false" => Value::Bool(false),
        "true" => Value::Bool(true),
        digits if decimal && let Ok(number) = digits.parse() => Value::Number(number),
        _ if is_text(&text) => Value::Text(text),
        _ => Value::Other(text),
    }
}

/// Whether a plain scalar is text to readers of YAML 1.1, too: not one of their
/// words, numbers, times.
fn is_text(plain: &str) -> bool {
    let word = WORDS.iter().any(|word| plain.eq_ignore_ascii_case(word));
    let numeric = |c| matches!(c, '0'..='9' | 'a'..='f' | 'A'..='F' | '+' | '-' | '.' | ':' | '_' | ' ' | 'o' | 'O' | 't' | 'T' | 'x' | 'X' | 'z' | 'Z');
    let starts = plain.starts_with(|c| matches!(c, '0'..='9' | '+' | '-' | '.'));
    let number =
        starts && plain.contains(|c: char| c.is_ascii_digit()) && plain.chars().all(numeric);
    !word && !number
}

fn refused(line: usize, message: &str) -> Unreadable {
    Unreadable::Yaml(format!("line {line}: {message}"))
}
