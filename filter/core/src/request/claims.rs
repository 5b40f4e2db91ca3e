//! What a client says of itself, for the log: not believed, and not forwarded.

use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::headers::HeaderList;
use crate::policy::key::SecretInUrl;

/// Longer claims are cut.
const MOST_BYTES: usize = 128;
const NAMES: [(&str, &str); 2] = [("x-sql-instance", "instance"), ("x-sql-login", "login")];

/// A JSON object of the claims that are there; `None` if there are none.
pub fn claims(headers: &HeaderList) -> Option<String> {
    let mut claims: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers.iter() {
        if let Some((_, field)) = NAMES.iter().find(|(own, _)| own.as_bytes() == name) {
            let printable = value.iter().filter(|byte| matches!(byte, b' '..=b'~'));
            let text: String =
                printable.take(MOST_BYTES).map(|byte| char::from(*byte)).collect();
            if SecretInUrl::check(&text).is_ok() {
                claims.insert(field, text);
            }
        }
    }
    (!claims.is_empty()).then(|| serde_json::to_string(&claims).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn claims_are_logged_as_they_are_made() {
        let long = "x".repeat(300);
        for (headers, expected) in [
            (&[][..],                                                        None),
            (&[("x-api-key", "k")],                                          None),
            (&[("x-sql-login", r"CORP\ada")],                                Some(r#"{"login":"CORP\\ada"}"#.into())),
            (&[("x-sql-login", "a\r\nb"), ("x-sql-instance", "db1")],        Some(r#"{"instance":"db1","login":"ab"}"#.into())),
            (&[("x-sql-login", "keyhole_sql_0123")],                         None),
            (&[("x-sql-login", "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl")],                           None),
            (&[("x-sql-instance", &*long)],                                  Some(alloc::format!(r#"{{"instance":"{}"}}"#, "x".repeat(128)))),
        ] {
            assert_eq!(claims(&HeaderList::of(headers)), expected, "{headers:?}");
        }
    }
}
