//! The object name that a field selector pins down.
//!
//! On a `list` or `watch` the apiserver takes the name of
//! `fieldSelector=metadata.name=x` as the request's name, so that rules with
//! `resourceNames` can allow it (`NewRequestInfo`; grammar in
//! `k8s.io/apimachinery/pkg/fields/selector.go`):
//!
//! ```text
//! selector   term ("," term)*
//! term       field ("=" | "==" | "!=") value
//! ```
//!
//! A backslash escapes in that grammar. A selector with one is refused by
//! [`pinned_name`], as is one that the apiserver cannot parse, and one that names
//! the object twice: the apiserver would take the name that sorts first.

/// The selector cannot be read in one way only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unreadable;

/// The name in an exact requirement on `metadata.name`, if there is one.
pub(crate) fn pinned_name(selector: &str) -> Result<Option<&str>, Unreadable> {
    if selector.contains('\\') {
        return Err(Unreadable);
    }
    let mut pinned = None;
    for term in selector.split(',').filter(|term| !term.is_empty()) {
        let (field, value, exact) = requirement(term).ok_or(Unreadable)?;
        if exact && field == "metadata.name" && pinned.replace(value).is_some() {
            return Err(Unreadable);
        }
    }
    Ok(pinned.filter(|name| is_path_segment(name)))
}

/// Splits at the first operator, the longer one where two start together.
fn requirement(term: &str) -> Option<(&str, &str, bool)> {
    let (field, value) = term.split_once('=')?;
    match field.strip_suffix('!') {
        Some(field) => Some((field, value, false)),
        None => Some((field, value.strip_prefix('=').unwrap_or(value), true)),
    }
    .filter(|(field, value, _)| !field.contains('!') && !value.contains(['=', '!']))
}

/// `IsValidPathSegmentName` of `apimachinery/pkg/api/validation/path`.
fn is_path_segment(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '%'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn only_an_exact_requirement_on_the_name_pins_it() {
        for (selector, expected) in [
            ("metadata.name=web-0",                    Ok(Some("web-0"))),
            ("metadata.name==web-0",                   Ok(Some("web-0"))),
            ("status.phase=Running,metadata.name=a",   Ok(Some("a"))),
            ("metadata.name=a,metadata.name=b",        Err(Unreadable)),
            ("metadata.name=a,metadata.name!=b",       Ok(Some("a"))),
            ("metadata.name!=web-0",                   Ok(None)),
            ("status.phase=Running",                   Ok(None)),
            ("metadata.name=",                         Ok(None)),
            ("metadata.name=..",                       Ok(None)),
            ("metadata.name=a/b",                      Ok(None)),
            ("",                                       Ok(None)),
            ("metadata.name",                          Err(Unreadable)),
            ("metadata.name=a\\,b",                    Err(Unreadable)),
            ("metadata.name=a=b",                      Err(Unreadable)),
        ] {
            assert_eq!(pinned_name(selector), expected, "{selector}");
        }
    }
}
