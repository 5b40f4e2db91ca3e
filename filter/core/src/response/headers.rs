//! Response headers that SQL Server can take: less than 8 KiB, each name once, no `~`.

use alloc::string::String;
use alloc::vec::Vec;

use crate::request::head::Header;

/// SQL Server's own limit for all fields is 8 KiB (Msg 31611).
const MOST_BYTES: usize = 7 * 1024;

/// What is left of a list that is too long.
const NEEDED: [&str; 8] = [
    ":status",
    "audit-id",
    "content-length",
    "content-type",
    "date",
    "location",
    "retry-after",
    "x-request-id",
];

/// The list without what is wrong with it; `None` if that is nothing.
pub(super) fn mended(headers: &[Header]) -> Option<Vec<Header>> {
    let mut bytes = 0_usize;
    let mut is_good = true;
    for (at, (name, value)) in headers.iter().enumerate() {
        bytes = bytes.saturating_add(name.len()).saturating_add(value.len()).saturating_add(4);
        let repeated = headers.iter().take(at).any(|(earlier, _)| earlier == name);
        is_good &= !repeated && !value.contains(&b'~');
    }
    (!is_good || bytes > MOST_BYTES).then(|| mend(headers, bytes > MOST_BYTES))
}

/// The list of a response whose body is turned into JSON.
pub(super) fn of_json(headers: &[Header]) -> Vec<Header> {
    const OF_BODY: [&str; 5] = [
        "content-disposition",
        "content-encoding",
        "content-length",
        "content-type",
        "x-content-type-options",
    ];
    let mut list = without(headers, &OF_BODY);
    list.push((String::from("content-type"), b"application/json".to_vec()));
    mended(&list).unwrap_or(list)
}

/// The list of a response that becomes shorter.
pub(super) fn of_part(headers: &[Header]) -> Vec<Header> {
    let list = without(headers, &["content-length"]);
    mended(&list).unwrap_or(list)
}

fn without(headers: &[Header], names: &[&str]) -> Vec<Header> {
    headers.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect()
}

fn mend(headers: &[Header], too_long: bool) -> Vec<Header> {
    let mut list: Vec<Header> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        if too_long && !NEEDED.contains(&name.as_str()) {
            continue;
        }
        let value: Vec<u8> =
            value.iter().map(|byte| if *byte == b'~' { b'-' } else { *byte }).collect();
        match list.iter_mut().find(|(earlier, _)| earlier == name) {
            Some((_, earlier)) => {
                earlier.extend(b", ");
                earlier.extend(value);
            }
            None => list.push((name.clone(), value)),
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(headers: &[(&str, &str)]) -> Vec<Header> {
        headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn a_good_list_stays_as_it_is() {
        assert_eq!(mended(&list(&[(":status", "200"), ("warning", "299 - \"a\"")])), None);
    }

    #[test]
    fn names_are_folded_and_tildes_replaced() {
        let given = [(":status", "200"), ("warning", "a~b"), ("x", "y"), ("warning", "c")];
        let expected = [(":status", "200"), ("warning", "a-b, c"), ("x", "y")];
        assert_eq!(mended(&list(&given)), Some(list(&expected)));
    }

    #[test]
    fn a_long_list_is_cut_to_what_is_needed() {
        let long = "x".repeat(8000);
        let given = [(":status", "200"), ("warning", &*long), ("retry-after", "1")];
        let expected = [(":status", "200"), ("retry-after", "1")];
        assert_eq!(mended(&list(&given)), Some(list(&expected)));
    }
}
