//! Answers that the front makes up.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

const HUGE: usize = 8 << 20;

pub(super) struct Answer {
    pub(super) code: StatusCode,
    pub(super) retry_after: Option<u32>,
    pub(super) body: Bytes,
}

// === impl Answer ===

impl Answer {
    /// A `Status`, in the apiserver's shape.
    pub(super) fn status(code: u16, retry_after: Option<u32>) -> Self {
        let status = StatusCode::from_u16(code).expect("a fault has a valid status");
        let words = status.canonical_reason().unwrap_or("Unknown");
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": words, "reason": words.replace(' ', ""), "code": code,
        });
        Self { code: status, retry_after, body: body.to_string().into() }
    }

    /// A TokenRequest's answer with this for a token.
    pub(super) fn token(token: &str) -> Self {
        let body = json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
            "status": {"token": token, "expirationTimestamp": "2100-01-01T00:00:00Z"},
        });
        Self { code: StatusCode::CREATED, retry_after: None, body: body.to_string().into() }
    }

    pub(super) fn huge() -> Self {
        let small = Self::token("TOKEN");
        let body = String::from_utf8_lossy(&small.body).replace("TOKEN", &"x".repeat(HUGE));
        Self { body: body.into(), ..small }
    }

    pub(super) fn garbage() -> Self {
        let body: Vec<u8> = (0..1000).map(|_| fastrand::u8(..)).collect();
        Self { code: StatusCode::CREATED, retry_after: None, body: body.into() }
    }

    /// The same answer, with what `change` makes of its token. An answer without a
    /// token stays as it is.
    pub(super) fn with_token(
        mut self,
        change: impl Fn(&str) -> Result<String>,
    ) -> Result<Self> {
        let mut body: Value = serde_json::from_slice(&self.body)?;
        if self.code == StatusCode::CREATED {
            let token = body.pointer_mut("/status/token").context("no token")?;
            *token = change(token.as_str().context("a token is text")?)?.into();
            self.body = body.to_string().into();
        }
        Ok(self)
    }
}
