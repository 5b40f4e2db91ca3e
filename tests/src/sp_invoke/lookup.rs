//! JSON as T-SQL reads it in its lax mode: what is not there is NULL (row 27).

use serde_json::value::RawValue;

use super::members::Members;

enum Step {
    Element(usize),
    Member(String),
}

const MAX_CHARACTERS: usize = 4000;

/// A scalar as text; NULL for an object, an array, or more than 4000 characters.
pub(super) fn json_value(json: &str, path: &str) -> Option<String> {
    let found = find(json, path)?;
    let text = match found.chars().next()? {
        '{' | '[' | 'n' => return None,
        '"' => serde_json::from_str(found).ok()?,
        _ => found.to_owned(),
    };
    Some(text).filter(|text| text.encode_utf16().count() <= MAX_CHARACTERS)
}

/// An object or an array as it is written; NULL for a scalar.
pub(super) fn json_query(json: &str, path: &str) -> Option<String> {
    find(json, path).filter(|found| found.starts_with(['{', '['])).map(str::to_owned)
}

/// For each element of an array, or for an object, the values at the columns' paths.
pub(super) fn open_json(json: &str, path: &str, columns: &[&str]) -> Vec<Vec<Option<String>>> {
    let Some(found) = find(json, path) else { return Vec::new() };
    let rows = match serde_json::from_str::<Vec<&RawValue>>(found) {
        Ok(elements) => elements.into_iter().map(RawValue::get).collect(),
        Err(_) => vec![found],
    };
    let row = |row| columns.iter().map(|column| json_value(row, column)).collect();
    rows.into_iter().map(row).collect()
}

fn find<'j>(json: &'j str, path: &str) -> Option<&'j str> {
    let steps =
        parse(path).unwrap_or_else(|| panic!("`{path}` is not a JSON path (Msg 13607)"));
    let json: &RawValue = serde_json::from_str(json).expect("it is JSON (Msg 13609)");
    steps.iter().try_fold(json.get(), |json, step| step.follow(json))
}

/// - path = `$` step*
/// - step = `.` name | `."` any name `"` | `[` index `]`
fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            (step, rest) = (Step::Element(index.parse().ok()?), after);
        } else if let Some(quoted) = rest.strip_prefix(".\"") {
            let (name, after) = quoted.split_once('"')?;
            (step, rest) = (Step::Member(name.to_owned()), after);
        } else {
            let name = rest.strip_prefix('.')?;
            let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let (name, after) = name.split_at(name.find(|c| !plain(c)).unwrap_or(name.len()));
            if name.is_empty() {
                return None;
            }
            (step, rest) = (Step::Member(name.to_owned()), after);
        }
        steps.push(step);
    }
    Some(steps)
}

// === impl Step ===

impl Step {
    /// The first of several members with one name counts.
    fn follow<'j>(&self, json: &'j str) -> Option<&'j str> {
        match self {
            Self::Element(index) => {
                let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
                Some(elements.get(*index)?.get())
            }
            Self::Member(name) => {
                let Members::<&RawValue>(members) = serde_json::from_str(json).ok()?;
                let (_, value) = members.into_iter().find(|(own, _)| own == name)?;
                Some(value.get())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"a": {"b": [10, {"c": "\u0064"}], "B": true},
        "app.kubernetes.io/name": "web", "n": null, "n1": 1.50, "twice": 1, "twice": 2}"#;

    #[test]
    #[rustfmt::skip]
    fn row_27_lookups_are_lax_and_case_sensitive() {
        for (path, value, query) in [
            ("$.a.b[0]",                    Some("10"),   None),
            ("$.a.b[1].c",                  Some("d"),    None),
            ("$.a.b[1]",                    None,         Some(r#"{"c": "\u0064"}"#)),
            ("$.a.b[2]",                    None,         None),
            ("$.a.b.c",                     None,         None),
            ("$.a[0]",                      None,         None),
            ("$.a.B",                       Some("true"), None),
            ("$.A",                         None,         None),
            ("$.\"app.kubernetes.io/name\"", Some("web"), None),
            ("$.app.kubernetes",            None,         None),
            ("$.n",                         None,         None),
            ("$.n1",                        Some("1.50"), None),
            ("$.twice",                     Some("1"),    None),
        ] {
            assert_eq!(json_value(JSON, path).as_deref(), value, "{path}");
            assert_eq!(json_query(JSON, path).as_deref(), query, "{path}");
        }
    }

    #[test]
    fn row_27_a_value_of_more_than_4000_characters_is_null() {
        let json = |length| format!(r#"{{"a":"{}"}}"#, "x".repeat(length));
        assert_eq!(json_value(&json(4000), "$.a").map(|text| text.len()), Some(4000));
        assert_eq!(json_value(&json(4001), "$.a"), None);
    }

    #[test]
    fn row_27_an_array_opens_to_rows() {
        let json = r#"{"items": [{"a": 1, "b": "x"}, {"a": 2}, {}]}"#;
        let rows = open_json(json, "$.items", &["$.a", "$.b"]);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(rows, [[text("1"), text("x")], [text("2"), None], [None, None]]);
        assert_eq!(open_json(json, "$.items[0]", &["$.b"]), [[text("x")]]);
        assert!(open_json(json, "$.item", &["$.a"]).is_empty());
    }

    #[test]
    fn row_27_a_broken_path_is_none() {
        for path in ["", "a", "$a", "$.", "$..a", "$[", "$[x]", "$.a-b", "$.\"a", "strict $.a"]
        {
            assert!(parse(path).is_none(), "{path}");
        }
    }
}
