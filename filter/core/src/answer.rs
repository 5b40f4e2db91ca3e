//! What a call to the apiserver came back with.

use alloc::vec::Vec;

use jiff::fmt::rfc2822;
use serde::de::DeserializeOwned;

use crate::headers::HeaderList;
use crate::time::UnixTime;

/// Longer answers are not read; those to the gateway's own calls have a few KiB.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What came back, as far as the host could read it.
#[derive(Clone)]
pub enum Answer {
    /// The connection failed, or nothing came in time.
    None,
    Some {
        headers: HeaderList,
        body: Vec<u8>,
    },
}

// === impl Answer ===

impl Answer {
    pub(crate) fn status(&self) -> Option<u16> {
        self.text(":status")?.parse().ok()
    }

    /// When the apiserver answered, by its own clock.
    pub(crate) fn date(&self) -> Option<UnixTime> {
        let date = rfc2822::DateTimeParser::new().parse_timestamp(self.text("date")?).ok()?;
        date.as_millisecond().try_into().ok().map(UnixTime::from_millis)
    }

    /// Seconds; the form with a date is not used by apiservers.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        self.text("retry-after")?.parse().ok()
    }

    /// The first header of this name, if it is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let Self::Some { headers, .. } = self else { return None };
        str::from_utf8(headers.get(name)?).ok()
    }

    pub(crate) fn body(&self) -> &[u8] {
        match self {
            Self::None => b"",
            Self::Some { body, .. } => body,
        }
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body()).ok()
    }
}

/// Without the body: it may be a token.
impl core::fmt::Debug for Answer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status()).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn answer(status: &str, body: &[u8]) -> Answer {
        let headers = HeaderList::of(&[(":status", status)]);
        Answer::Some { headers, body: body.to_vec() }
    }

    pub(crate) fn with_header(answer: Answer, name: &str, value: &str) -> Answer {
        let Answer::Some { headers, body } = answer else { panic!("there is none") };
        let another = (name.as_bytes(), value.as_bytes());
        Answer::Some { headers: headers.iter().chain([another]).collect(), body }
    }

    #[test]
    #[rustfmt::skip]
    fn a_date_is_read_as_http_writes_it() {
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:16:40 GMT",  Some(1000)),
            ("Sat, 21 Nov 2026 11:42:38 GMT",  Some(1_795_261_358)),
            ("1970",                           None),
            ("",                               None),
        ] {
            let date = with_header(answer("200", b""), "date", text).date();
            assert_eq!(date.map(UnixTime::as_secs), expected, "{text}");
        }
    }
}
