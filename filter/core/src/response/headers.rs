//! Response headers that SQL Server can take: less than 8 KiB, each name once, no `~`.

use alloc::vec::Vec;

use crate::headers::HeaderList;

/// SQL Server's own limit for all fields is 8 KiB (Msg 31611).
const MOST_BYTES: usize = 7 * 1024;

/// What is left of a list that is too long.
const NEEDED: [&[u8]; 8] = [
    b":status",
    b"audit-id",
    b"content-length",
    b"content-type",
    b"date",
    b"location",
    b"retry-after",
    b"x-request-id",
];

type Header<'a> = (&'a [u8], &'a [u8]);

/// The list without what is wrong with it; `None` if that is nothing.
pub(super) fn mended(headers: &HeaderList) -> Option<HeaderList> {
    mended_list(&headers.iter().collect::<Vec<_>>())
}

/// The list of a response whose body is turned into JSON.
pub(super) fn of_json(headers: &HeaderList) -> HeaderList {
    const OF_BODY: [&[u8]; 5] = [
        b"content-disposition",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"x-content-type-options",
    ];
    let mut list = without(headers, &OF_BODY);
    list.push((b"content-type", b"application/json"));
    mended_list(&list).unwrap_or_else(|| HeaderList::of(&list))
}

/// The list of a response that becomes shorter.
pub(super) fn of_part(headers: &HeaderList) -> HeaderList {
    let list = without(headers, &[b"content-length"]);
    mended_list(&list).unwrap_or_else(|| HeaderList::of(&list))
}

fn without<'a>(headers: &'a HeaderList, names: &[&[u8]]) -> Vec<Header<'a>> {
    headers.iter().filter(|(name, _)| !names.contains(name)).collect()
}

fn mended_list(headers: &[Header<'_>]) -> Option<HeaderList> {
    let mut bytes = 0_usize;
    let mut is_good = true;
    for (at, (name, value)) in headers.iter().enumerate() {
        bytes = bytes.saturating_add(name.len()).saturating_add(value.len()).saturating_add(4);
        let repeated = headers.iter().take(at).any(|(earlier, _)| earlier == name);
        is_good &= !repeated && !value.contains(&b'~');
    }
    (!is_good || bytes > MOST_BYTES).then(|| mend(headers, bytes > MOST_BYTES))
}

fn mend(headers: &[Header<'_>], too_long: bool) -> HeaderList {
    let mut list: Vec<(&[u8], Vec<u8>)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        if too_long && !NEEDED.contains(name) {
            continue;
        }
        let value = value.iter().map(|byte| if *byte == b'~' { b'-' } else { *byte });
        match list.iter_mut().find(|(earlier, _)| earlier == name) {
            Some((_, earlier)) => {
                earlier.extend(b", ");
                earlier.extend(value);
            }
            None => list.push((*name, value.collect())),
        }
    }
    HeaderList::of(&list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_list_stays_as_it_is() {
        assert_eq!(
            mended(&HeaderList::of(&[(":status", "200"), ("warning", "299 - \"a\"")])),
            None
        );
    }

    #[test]
    fn names_are_folded_and_tildes_replaced() {
        let given = [(":status", "200"), ("warning", "a~b"), ("x", "y"), ("warning", "c")];
        let expected = [(":status", "200"), ("warning", "a-b, c"), ("x", "y")];
        assert_eq!(mended(&HeaderList::of(&given)), Some(HeaderList::of(&expected)));
    }

    #[test]
    fn a_long_list_is_cut_to_what_is_needed() {
        let long = "x".repeat(8000);
        let given = [(":status", "200"), ("warning", &*long), ("retry-after", "1")];
        let expected = [(":status", "200"), ("retry-after", "1")];
        assert_eq!(mended(&HeaderList::of(&given)), Some(HeaderList::of(&expected)));
    }
}
