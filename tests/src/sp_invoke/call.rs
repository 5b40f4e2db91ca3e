//! The parameters of one call.

use std::fmt;

use super::error::Error;

/// What T-SQL passes; `@response` is what comes back.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub url: &'a str,
    pub payload: Option<&'a str>,
    pub headers: Option<&'a str>,
    pub method: &'a str,
    /// In seconds, over all attempts.
    pub timeout: i64,
    pub credential: Option<&'a str>,
    pub retry_count: i64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    Delete,
    Get,
    Head,
    Patch,
    Post,
    Put,
}

// === impl Call ===

impl<'a> Call<'a> {
    /// A call with the defaults of SQL Server: a forgotten method is a POST.
    pub fn to(url: &'a str) -> Self {
        Self {
            url,
            payload: None,
            headers: None,
            method: "POST",
            timeout: 30,
            credential: None,
            retry_count: 0,
        }
    }

    pub(super) fn timeout(&self) -> Result<u64, Error> {
        in_range("@timeout", self.timeout, 1, 230)
    }

    pub(super) fn retries(&self) -> Result<u64, Error> {
        in_range("@retry_count", self.retry_count, 0, 10)
    }
}

/// Headers, payload and query may hold secrets.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, method, timeout, credential, retry_count, .. } = self;
        f.debug_struct("Call")
            .field("url", &url.split('?').next().unwrap_or_default())
            .field("method", method)
            .field("timeout", timeout)
            .field("credential", credential)
            .field("retry_count", retry_count)
            .finish_non_exhaustive()
    }
}

// === impl Method ===

impl Method {
    pub(super) fn parse(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "DELETE" => Self::Delete,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "PATCH" => Self::Patch,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            _ => return Err(Error::UnknownMethod(name.to_owned())),
        })
    }

    /// Whether a request without a payload says so, by a length of 0.
    pub(super) fn has_body(self) -> bool {
        matches!(self, Self::Patch | Self::Post | Self::Put)
    }
}

fn in_range(name: &'static str, value: i64, least: i64, most: i64) -> Result<u64, Error> {
    let allowed = Some(value).filter(|value| (least..=most).contains(value));
    let allowed = allowed.and_then(|value| u64::try_from(value).ok());
    allowed.ok_or(Error::OutOfRange { name, value })
}
