//! Where a call goes (row 1).

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::Error;

/// A URL as written: nothing decoded, nothing encoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Url {
    pub(super) host: String,
    pub(super) port: u16,
    path: String,
    pub(super) query: Option<String>,
}

const MAX_CHARACTERS: usize = 4000;
const MAX_ENCODED: usize = 8192;
const MAX_QUERY: usize = 4096;

/// What is encoded besides everything that is not ASCII.
const UNSENDABLE: &AsciiSet = &CONTROLS.add(b' ');
/// What is encoded in a name or a value of a credential's query.
const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

// === impl Url ===

impl Url {
    /// `https://HOST[:PORT][/PATH][?QUERY]`
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.encode_utf16().count() > MAX_CHARACTERS {
            let limit = 2 * MAX_CHARACTERS;
            return Err(Error::ParameterTooLong { what: "@url parameter", limit });
        }
        let (scheme, rest) = text.split_once("://").ok_or(Error::UnparsableUrl)?;
        if !scheme.eq_ignore_ascii_case("https") {
            return Err(Error::NotHttps);
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if host.is_empty() || !host.bytes().all(legal) {
            return Err(Error::IllegalHost);
        }
        let port = port.map_or(Ok(443), str::parse).map_err(|_| Error::UnparsableUrl)?;
        // A fragment is nothing to send.
        if port == 0 || path.contains('#') || query.is_some_and(|query| query.contains('#')) {
            return Err(Error::UnparsableUrl);
        }
        let (host, path) = (host.to_owned(), path.to_owned());
        Ok(Self { host, port, path, query: query.map(str::to_owned) })
    }

    /// The value of the `Host` header.
    pub(super) fn authority(&self) -> String {
        match self.port {
            443 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// The request target, with the pairs of a credential at the end of its query.
    pub(super) fn target(&self, pairs: &[(String, String)]) -> Result<String, Error> {
        let written = self.query.iter().map(|q| utf8_percent_encode(q, UNSENDABLE).to_string());
        let added = pairs.iter().map(|(name, value)| {
            let encoded = |text| utf8_percent_encode(text, RESERVED);
            format!("{}={}", encoded(name), encoded(value))
        });
        let query: Vec<String> = written.chain(added).collect();
        let mut target = utf8_percent_encode(&self.path, UNSENDABLE).to_string();
        if target.is_empty() {
            target.push('/');
        }
        if !query.is_empty() {
            let query = query.join("&");
            if query.len() > MAX_QUERY {
                return Err(Error::UrlTooLong { what: "query string", limit: MAX_QUERY });
            }
            target.push('?');
            target.push_str(&query);
        }
        let length = "https://".len() + self.authority().len() + target.len();
        if length > MAX_ENCODED {
            return Err(Error::UrlTooLong { what: "url", limit: MAX_ENCODED });
        }
        Ok(target)
    }

    /// Whether this URL, as the name of a credential, is that one or more general: the
    /// same host, and the first segments of its path.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let own = self.path.trim_end_matches('/').split('/');
        let mut others = other.path.split('/');
        self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
            && own.into_iter().all(|segment| others.next() == Some(segment))
    }
}
