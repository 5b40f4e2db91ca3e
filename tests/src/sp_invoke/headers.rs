//! The header fields of a request (rows 3 to 7).

use super::error::{Error, Pairs};
use super::media::{Media, is_token};

/// What the caller wrote in `@headers` and in the credential.
pub(super) struct Headers {
    pub(super) content_type: Option<(String, Media)>,
    pub(super) accept: Option<(String, Media)>,
    pub(super) others: Vec<(String, String)>,
    pub(super) names_user_agent: bool,
}

/// Never sent as the caller wrote them: the browsers' forbidden request headers.
const FORBIDDEN: &[&str] = &[
    "accept-charset",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "dnt",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

// === impl Headers ===

impl Headers {
    pub(super) fn none() -> Self {
        Self { content_type: None, accept: None, others: Vec::new(), names_user_agent: false }
    }

    pub(super) fn add(&mut self, name: String, value: String, of: Pairs) -> Result<(), Error> {
        if !is_token(&name) {
            return Err(Error::NotPrintable(of));
        }
        let unsupported = |header| Error::UnsupportedValue { header, of };
        match name.to_ascii_lowercase().as_str() {
            "content-type" => {
                let media = Media::of_content(&value);
                let media = media.ok_or_else(|| unsupported("Content-Type"))?;
                self.content_type = Some((value, media));
            }
            "accept" => {
                let media = Media::of_accept(&value).ok_or_else(|| unsupported("Accept"))?;
                self.accept = Some((value, media));
            }
            "user-agent" => self.names_user_agent = true,
            lower if is_forbidden(lower, &value) => {}
            _ => self.others.push((name, value)),
        }
        Ok(())
    }
}

fn is_forbidden(name: &str, value: &str) -> bool {
    match name {
        "x-http-method" | "x-http-method-override" | "x-method-override" => {
            let methods = ["CONNECT", "TRACE", "TRACK"];
            value.split(',').any(|value| {
                methods.iter().any(|method| value.trim().eq_ignore_ascii_case(method))
            })
        }
        _ => {
            FORBIDDEN.contains(&name) || name.starts_with("proxy-") || name.starts_with("sec-")
        }
    }
}
