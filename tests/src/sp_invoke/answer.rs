//! What a call gives back (rows 22, 23 and 27).

use std::fmt;

use super::lookup;

#[derive(Clone, Debug)]
pub struct Answer {
    /// The envelope, as `@response` holds it.
    pub response: String,
    /// 0 for any success, else the HTTP status.
    pub return_value: u16,
    pub warnings: Vec<Warning>,
}

/// A message of severity 10.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Warning {
    Overwritten,
}

// === impl Answer ===

impl Answer {
    /// `JSON_VALUE(@response, path)`
    pub fn value(&self, path: &str) -> Option<String> {
        lookup::json_value(&self.response, path)
    }

    /// `JSON_QUERY(@response, path)`
    pub fn query(&self, path: &str) -> Option<String> {
        lookup::json_query(&self.response, path)
    }

    /// `OPENJSON(@response, path) WITH (column '$...', ...)`
    pub fn rows(&self, path: &str, columns: &[&str]) -> Vec<Vec<Option<String>>> {
        lookup::open_json(&self.response, path, columns)
    }
}

// === impl Warning ===

impl Warning {
    pub fn number(self) -> u16 {
        match self {
            Self::Overwritten => 31616,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overwritten => f.write_str(
                "Warning: header 'User-Agent' was overwritten by a system-defined value.",
            ),
        }
    }
}
