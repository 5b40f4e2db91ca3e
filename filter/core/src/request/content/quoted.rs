//! What a client wrote, as it may stand in a sentence.

use alloc::string::String;
use core::fmt;

use crate::policy::key::looks_like_secret;

/// At most 100 printable characters, neither an API key nor a token, for a sentence that ends
/// up in a log line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Quoted(String);

const MOST_CHARS: usize = 100;

impl Quoted {
    pub(crate) fn new(text: &str) -> Self {
        if looks_like_secret(text) {
            return Self("(an API key or a token)".into());
        }
        let printable = |c| if matches!(c, ' '..='~') { c } else { '?' };
        let mut quoted: String = text.chars().take(MOST_CHARS).map(printable).collect();
        if text.chars().nth(MOST_CHARS).is_some() {
            quoted.truncate(MOST_CHARS.saturating_sub(3));
            quoted.push_str("...");
        }
        Self(quoted)
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
