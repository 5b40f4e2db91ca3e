//! Test results as JUnit XML, which CI systems read.

use std::path::Path;

use super::test::Tested;

pub(super) fn junit(file: &Path, tested: &[Tested]) -> String {
    let file = escaped(&file.display().to_string());
    let cases: String = tested.iter().map(|tested| case(&file, tested)).collect();
    let count = tested.len();
    let failures = tested.iter().filter(|tested| tested.failure.is_some()).count();
    let counts = format!("tests=\"{count}\" failures=\"{failures}\" errors=\"0\"");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  \
         <testsuite name=\"{file}\" {counts} skipped=\"0\">\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

fn case(file: &str, tested: &Tested) -> String {
    let (name, client) = (escaped(&tested.title()), escaped(&tested.test.client));
    let line = tested.test.line;
    let head = format!(
        "    <testcase classname=\"{client}\" name=\"{name}\" file=\"{file}\" line=\"{line}\""
    );
    match &tested.failure {
        None => format!("{head}/>\n"),
        Some(failure) => {
            let failure = escaped(failure);
            format!("{head}>\n      <failure message=\"{failure}\"/>\n    </testcase>\n")
        }
    }
}

/// XML has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            char if char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}');
            }
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(
            escaped("a<b>&\"c\"\n\u{1b}[0m"),
            "a&lt;b&gt;&amp;&quot;c&quot;&#10;\u{fffd}[0m"
        );
    }
}
