//! Local answers, shaped as the apiserver shapes its own.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;

use crate::request::attributes::ResourceAttributes;

/// Envoy's own replies are rewritten; this marks one that is not Envoy's.
const MARK: &str = "x-keyhole-reply";

/// A whole response.
#[derive(Clone, Debug)]
pub struct Reply {
    pub code: u16,
    pub headers: Vec<(&'static str, String)>,
    /// One JSON document and a newline.
    pub body: Vec<u8>,
}

/// `metav1.Status`, with the fields in the apiserver's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    kind: &'static str,
    api_version: &'static str,
    metadata: Metadata,
    status: &'static str,
    message: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    details: Details,
    code: u16,
}

#[derive(Debug, Serialize)]
struct Metadata {}

/// `metav1.StatusDetails`; `kind` holds the resource, as it does there.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

// === impl Status ===

impl Status {
    pub(crate) fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self {
            kind: "Status",
            api_version: "v1",
            metadata: Metadata {},
            status: "Failure",
            message,
            reason,
            details: Details::default(),
            code,
        }
    }

    pub(crate) fn success(code: u16, message: String) -> Self {
        Self { status: "Success", ..Self::new(code, "", message) }
    }

    pub(crate) fn details(self, details: Details) -> Self {
        Self { details, ..self }
    }

    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.details.retry_after_seconds = Some(seconds);
        self
    }

    pub(crate) fn reply(self) -> Reply {
        let mut headers = alloc::vec![
            ("content-type", "application/json".to_owned()),
            ("cache-control", "no-cache, private".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            (MARK, self.reason.to_owned()),
        ];
        if let Some(seconds) = self.details.retry_after_seconds {
            headers.push(("retry-after", seconds.to_string()));
        }
        let mut body = serde_json::to_vec(&self).unwrap_or_else(|_| b"{}".to_vec());
        body.push(b'\n');
        Reply { code: self.code, headers, body }
    }
}

// === impl Details ===

impl Details {
    pub(crate) fn of(attributes: &ResourceAttributes<'_>) -> Self {
        Self {
            name: (*attributes.name).to_owned(),
            group: attributes.group.to_owned(),
            kind: attributes.resource.to_owned(),
            retry_after_seconds: None,
        }
    }
}

// === impl Reply ===

impl Reply {
    /// An answer of the apiserver that did not come through Envoy's router.
    pub(crate) fn passed_on(
        code: u16,
        mut headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Self {
        headers.push((MARK, "Resent".to_owned()));
        Self { code, headers, body }
    }

    /// Just the document that the apiserver has answered with.
    pub(crate) fn of_apiserver(code: u16, body: Vec<u8>) -> Self {
        let json = ("content-type", "application/json".to_owned());
        Self::passed_on(code, alloc::vec![json], body)
    }

    /// A document of our own that is no `Status`.
    pub(crate) fn json(code: u16, body: &impl Serialize) -> Self {
        let headers = alloc::vec![
            ("content-type", "application/json".to_owned()),
            ("cache-control", "no-store".to_owned()),
            (MARK, "Probe".to_owned()),
        ];
        let mut body = serde_json::to_vec(body).unwrap_or_else(|_| b"{}".to_vec());
        body.push(b'\n');
        Self { code, headers, body }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}
