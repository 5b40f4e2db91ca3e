use super::*;
use crate::request::media::{APPLY, JSON, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, YAML};
use alloc::format;
use alloc::string::ToString;

use proptest::prelude::*;

const TYPES: [&str; 6] = [APPLY, JSON, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, YAML];

fn read(content_type: &str, body: &str) -> Result<Value, String> {
    let content = Content::read(content_type, body.as_bytes());
    content.map(|content| content.0).map_err(|unreadable| unreadable.to_string())
}

#[test]
#[rustfmt::skip]
fn a_body_that_two_readers_could_take_for_two_things_is_refused() {
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    let deep_yaml = format!("{}a", "- ".repeat(70));
    for (content_type, body, expected) in [
        (JSON, "",                               "JSON: EOF while parsing a value at line 1 column 0"),
        (JSON, r#"{"a":1,"a":2}"#,               "JSON: `a` is given twice: keep one at line 1 column 13"),
        (JSON, r#"{"b":[{"a":1,"\u0061":2}]}"#,  "JSON: `a` is given twice: keep one at line 1 column 24"),
        (JSON, r#"{"a":1}{"a":2}"#,              "JSON: trailing characters at line 1 column 8"),
        (JSON, "\u{feff}{}",                     "JSON: expected value at line 1 column 1"),
        (JSON, r#"{"a":"\ud800"}"#,              "JSON: unexpected end of hex escape at line 1 column 13"),
        (JSON, "{\"a\":\"\n\"}",                 "JSON: control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0"),
        (JSON, "{a: 1}",                         "JSON: key must be a string at line 1 column 2"),
        (JSON, r#"{"a":010}"#,                   "JSON: invalid number at line 1 column 7"),
        (JSON, &deep,                            "JSON: nested more than 64 levels deep at line 1 column 65"),
        (YAML, "",                               "YAML: line 1: the document is empty"),
        (YAML, "a: 1\na: 2",                     "YAML: line 2: `a` is given twice: keep one"),
        (YAML, "{b: [{a: 1, \"\\x61\": 2}]}",    "YAML: line 1: `a` is given twice: keep one"),
        (YAML, "a: 1\n---\na: 2",                "YAML: line 2: a second document starts here: keep one"),
        (YAML, "a: 1\n...\na: 2",                "YAML: line 3: a second document starts here: keep one"),
        (YAML, "a: &x 1",                        "YAML: line 1: anchors are not supported: remove the `&...`"),
        (YAML, "a: *x",                          "YAML: line 1: this is not YAML (column 4): while parsing node, found unknown anchor"),
        (YAML, "a: !!str 1",                     "YAML: line 1: tags are not supported: remove the `!...`"),
        (YAML, "<<: {a: 1}",                     "YAML: line 1: a merge key: write the fields out"),
        (YAML, "\"<<\": {a: 1}",                 "YAML: line 1: a merge key: write the fields out"),
        (YAML, "yes: 1",                         "YAML: line 1: the key `yes`, which is no text to every reader: quote it"),
        (YAML, "a: {010: 1}",                    "YAML: line 1: the key `010`, which is no text to every reader: quote it"),
        (YAML, "{a: b, ?\"c\": d}",                "YAML: line 1: text that starts with `?` or `:`: quote it"),
        (YAML, "[?\"c\"]",                       "YAML: line 1: text that starts with `?` or `:`: quote it"),
        (YAML, "? |\n  a\n: b",                  "YAML: line 2: the key `a?`, which is no text to every reader: quote it"),
        (YAML, "? [a]\n: b",                     "YAML: line 1: a field name must be plain text"),
        (YAML, "%YAML 1.1\n---\na: 1",           "YAML: line 1: a directive: leave it out"),
        (YAML, "a:\n\tb: 1",                     "YAML: line 2: a tab: write spaces, or `\\t` in double quotes"),
        (YAML, "a: 1 #\rb: 2",                   "YAML: line 1: a control character: write it as `\\u....` in double quotes"),
        (YAML, "a: 1 #\u{85}b: 2",               "YAML: line 1: a control character: write it as `\\u....` in double quotes"),
        (YAML, "a: 1 #\u{2028}b: 2",             "YAML: line 1: a control character: write it as `\\u....` in double quotes"),
        (YAML, "a: 1 #\u{2029}b: 2",             "YAML: line 1: a control character: write it as `\\u....` in double quotes"),
        (YAML, "\u{feff}a: 1",                   "YAML: line 1: a control character: write it as `\\u....` in double quotes"),
        (YAML, "a: 1\0b: 2",                     "YAML: line 1: a control character: write it as `\\u....` in double quotes"),
        (YAML, &deep_yaml,                       "YAML: line 1: nested more than 64 levels deep"),
        (APPLY, r#"{"a":1,"a":2}"#,              "YAML: line 1: `a` is given twice: keep one"),
    ] {
        let expected = format!("the body cannot be read as {expected}");
        assert_eq!(read(content_type, body), Err(expected), "{content_type} {body}");
    }
    assert_eq!(Content::read(JSON, b"{\"a\":\"\xff\"}"), Err(Unreadable::Encoding));
    assert_eq!(Content::read("text/plain", b"{}"), Err(Unreadable::Type));
}

#[test]
fn a_body_may_have_so_many_values() {
    for content_type in [JSON, YAML] {
        let list = |items: usize| format!("[{}[]]", "[],".repeat(items - 1));
        assert!(read(content_type, &list(MOST_VALUES - 1)).is_ok());
        let error = read(content_type, &list(MOST_VALUES)).unwrap_err();
        assert!(error.contains(": more than 100000 values"), "{error}");
    }
}

#[test]
#[rustfmt::skip]
fn a_scalar_is_what_every_reader_takes_it_for() {
    let text = |text: &str| Value::Text(text.into());
    let other = |text: &str| Value::Other(text.into());
    for (json, yaml, expected) in [
        // the same in both
        ("null",             "null",             Value::Null),
        ("true",             "true",             Value::Bool(true)),
        ("0",                "0",                Value::Number(0)),
        ("12",               "12",               Value::Number(12)),
        ("-1",               "-1",               other("-1")),
        ("1.5",              "1.5",              other("1.5")),
        (r#""true""#,        r#""true""#,        text("true")),
        (r#""a\/b""#,        r#""a\/b""#,        text("a/b")),
        (r#""\u00e9""#,      r#""\u00e9""#,      text("é")),
        // YAML only
        ("null",             "~",                Value::Null),
        ("null",             "",                 Value::Null),
        (r#""a/b:1.36""#,    "a/b:1.36",         text("a/b:1.36")),
        (r#""10.0.0.1/a""#,  "10.0.0.1/a",       text("10.0.0.1/a")),
        (r#""yes""#,         "'yes'",            text("yes")),
        (r#""010""#,         "'010'",            text("010")),
        (r#""a b""#,         "a\n  b",           text("a b")),
    ] {
        assert_eq!(read(JSON, json), Ok(expected.clone()), "{json}");
        let mapping = read(YAML, &format!("a: {yaml}\n"));
        assert_eq!(mapping, Ok(Value::Mapping([("a".into(), expected)].into())), "{yaml}");
    }
    for word in [
        "yes", "No", "ON", "off", "y", "N", "TRUE", "False", "NULL", ".inf", "-.INF", ".NaN", "<<", "=",
        "010", "00", "0x10", "0o10", "0b1", "1_000", "+1", "1e3", "1.", ".5", "1:30", "2026-01-01", "2026-01-01T00:00:00Z",
        "99999999999999999999",
    ] {
        assert_eq!(read(YAML, &format!("[{word}]")), Ok(Value::List([other(word)].into())), "{word}");
    }
}

/// A tree that both spellings can say.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0..1000_u64).prop_map(Value::Number),
        any::<String>().prop_map(Value::Text),
        "[a-z#:?,&*!|>'\"%@`{}\\[\\] -]{0,6}".prop_map(Value::Text),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            "[a-zA-Z$./]{1,4}",
            any::<String>().prop_filter("merge", |k| k != "<<")
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(key, inner, 0..4).prop_map(Value::Mapping),
        ]
    })
}

fn json(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(",");
    match value {
        Value::Null => "null".into(),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Other(text) => text.clone(),
        Value::Text(text) => quoted(text),
        Value::List(items) => format!("[{}]", joined(items.iter().map(json).collect())),
        Value::Mapping(fields) => {
            let fields =
                fields.iter().map(|(key, value)| format!("{}:{}", quoted(key), json(value)));
            format!("{{{}}}", joined(fields.collect()))
        }
    }
}

/// Block style.
fn yaml(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::List(items) if !items.is_empty() => {
            items.iter().map(|item| format!("\n{pad}- {}", yaml(item, indent + 2))).collect()
        }
        Value::Mapping(fields) if !fields.is_empty() => fields
            .iter()
            .map(|(key, value)| format!("\n{pad}{}: {}", quoted(key), yaml(value, indent + 2)))
            .collect(),
        scalar => json(scalar),
    }
}

/// With escapes for all that is not ASCII, which both readers know.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            '\u{a0}'..='\u{d7ff}' if !matches!(c, '\u{2028}' | '\u{2029}') => quoted.push(c),
            c if u32::from(c) <= 0xffff => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn json_and_yaml_say_the_same(value in value()) {
        let json = json(&value);
        let yaml = yaml(&value, 0);
        prop_assert_eq!(read(JSON, &json), Ok(value.clone()), "{}", json);
        prop_assert_eq!(read(APPLY, &json), Ok(value.clone()), "{}", json);
        prop_assert_eq!(read(YAML, &yaml), Ok(value), "{}", yaml);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), text in "[a-c\\[\\]{}:,\"'&*!<>|?%~#\\\\ \n\t-]{0,60}") {
        for content_type in TYPES {
            let _ = Content::read(content_type, &bytes);
            let _ = Content::read(content_type, text.as_bytes());
        }
    }
}
