//! A call, checked and turned into the bytes that are sent (rows 5 to 10).

use super::answer::Warning;
use super::call::{Call, Method};
use super::credential::{Addition, Credential};
use super::error::{Error, Pairs};
use super::headers::Headers;
use super::instance::Options;
use super::media::Media;
use super::pairs;
use super::url::Url;

/// The largest payload and the largest body of a response: 100 MB.
pub(super) const MAX_BODY: u64 = 104_857_600;
/// The largest head, of a request without its first line and of a response.
pub(super) const MAX_HEAD: usize = 8192;

pub(super) struct Request {
    pub(super) url: Url,
    pub(super) bytes: Vec<u8>,
    pub(super) is_head: bool,
    /// How the response is to be read.
    pub(super) accept: Media,
    pub(super) warnings: Vec<Warning>,
}

// === impl Request ===

impl Request {
    pub(super) fn new(
        call: &Call<'_>,
        credential: Option<&Credential>,
        options: &Options,
    ) -> Result<Self, Error> {
        let method = Method::parse(call.method)?;
        let url = Url::parse(call.url)?;
        let mut headers = Headers::none();
        let mut query = Vec::new();
        for (name, value) in
            call.headers.map_or(Ok(vec![]), |h| pairs::parse(h, Pairs::Headers))?
        {
            headers.add(name, value, Pairs::Headers)?;
        }
        match credential.map(|credential| credential.addition(&url)).transpose()? {
            Some(Addition::Headers(pairs)) => {
                for (name, value) in pairs {
                    headers.add(name, value, Pairs::Secret)?;
                }
            }
            Some(Addition::Query(pairs)) => query = pairs,
            None => {}
        }
        let content = headers.content_type.as_ref().map_or(Media::Json, |(_, media)| *media);
        check_payload(call.payload, content)?;
        let target = url.target(&query)?;
        let fields = fields(method, &url, call.payload, &headers, options);
        if fields.len() > MAX_HEAD {
            return Err(Error::RequestHeadersTooLarge(MAX_HEAD));
        }
        let payload = call.payload.unwrap_or_default();
        let bytes = format!("{} {target} HTTP/1.1\r\n{fields}\r\n{payload}", call.method);
        Ok(Self {
            url,
            bytes: bytes.into_bytes(),
            is_head: method == Method::Head,
            accept: headers.accept.map_or(Media::Json, |(_, media)| media),
            warnings: headers
                .names_user_agent
                .then_some(Warning::Overwritten)
                .into_iter()
                .collect(),
        })
    }
}

fn check_payload(payload: Option<&str>, content: Media) -> Result<(), Error> {
    let Some(payload) = payload else { return Ok(()) };
    let size = payload.len() as u64;
    if size > MAX_BODY {
        return Err(Error::TooLarge { what: "@payload", size, limit: MAX_BODY });
    }
    let well_formed = |payload| roxmltree::Document::parse(payload).is_ok();
    match content {
        Media::Json if !is_json(payload) => Err(Error::NotJson("@payload")),
        Media::Xml if !well_formed(payload) => Err(Error::NotXml("@payload")),
        Media::Json | Media::Text | Media::Xml => Ok(()),
    }
}

/// Whether this is exactly one JSON value, nested no deeper than T-SQL can read.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok()
}

fn fields(
    method: Method,
    url: &Url,
    payload: Option<&str>,
    headers: &Headers,
    options: &Options,
) -> String {
    let accept = headers.accept.as_ref().map_or("application/json", |(value, _)| value);
    let (content_type, charset) = match &headers.content_type {
        Some((value, _)) => (value.as_str(), options.charset_on_overrides),
        None => ("application/json", true),
    };
    let charset = if charset { "; charset=utf-8" } else { "" };
    let mut fields = format!(
        "Connection: Keep-Alive\r\nContent-Type: {content_type}{charset}\r\nAccept: {accept}\r\nUser-Agent: {}\r\n",
        options.user_agent
    );
    for (name, value) in &headers.others {
        fields.push_str(&format!("{name}: {value}\r\n"));
    }
    if payload.is_some() || method.has_body() {
        fields.push_str(&format!("Content-Length: {}\r\n", payload.unwrap_or_default().len()));
    }
    fields.push_str(&format!("Host: {}\r\n", url.authority()));
    fields
}
