//! The media types that may be written (rows 5 and 6).

/// How a payload or a body is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Media {
    Json,
    Text,
    Xml,
}

// === impl Media ===

impl Media {
    /// A `Content-Type` from the caller, without parameters:
    ///
    /// - `application/json`, `application/xml`, `application/x-www-form-urlencoded`
    /// - `application/vnd.microsoft.*` that ends in `.json`, `.xml` or `+xml`
    /// - `text/*`
    pub(super) fn of_content(value: &str) -> Option<Self> {
        if value == "application/x-www-form-urlencoded" {
            return Some(Self::Text);
        }
        let Some(vendor) = value.strip_prefix("application/vnd.microsoft.") else {
            return Self::of_accept(value);
        };
        let ending = [(".json", Self::Json), (".xml", Self::Xml), ("+xml", Self::Xml)];
        ending.into_iter().find_map(|(suffix, media)| {
            vendor.strip_suffix(suffix).filter(|name| is_token(name)).map(|_| media)
        })
    }

    /// An `Accept` from the caller: `application/json`, `application/xml` or `text/*`.
    pub(super) fn of_accept(value: &str) -> Option<Self> {
        match value {
            "application/json" => Some(Self::Json),
            "application/xml" => Some(Self::Xml),
            _ => value.strip_prefix("text/").filter(|name| is_token(name)).map(|_| Self::Text),
        }
    }
}

pub(super) fn is_token(text: &str) -> bool {
    let symbol = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || symbol(byte))
}
