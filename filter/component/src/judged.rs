//! What becomes of a request as a proxy has it.

use keyhole_core::{Arrival, Body, HeaderList, Passed, Policy, Refused, UnixTime, pass};

use crate::wit;

pub(crate) fn judge(
    policy: &Policy,
    arrival: wit::Arrival,
    now: UnixTime,
) -> Result<wit::Permit, wit::Refusal> {
    let wit::Arrival { headers, body, source } = arrival;
    let follows = if body.is_some() { Body::Follows } else { Body::Empty };
    let source = source.as_deref().map(str::as_bytes);
    let headers = HeaderList::of(&headers);
    let head = Arrival { headers: &headers, body: follows, source };
    let passed = pass(policy, &head, &body.unwrap_or_default(), now)?;
    Ok(wit::Permit::from(passed))
}

// === impl wit::Permit ===

impl From<Passed<'_>> for wit::Permit {
    fn from(passed: Passed<'_>) -> Self {
        let Passed { client, account, request, headers, body, reported } = passed;
        let headers = headers.into_iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), value.into_owned()));
        Self {
            client: client.to_string(),
            account: account.to_string(),
            attributes: (&request.attributes).into(),
            headers: headers.collect(),
            body,
            reported: reported.map(|refused| refused.refusal.to_string()),
        }
    }
}

// === impl wit::Refusal ===

impl From<Refused> for wit::Refusal {
    fn from(refused: Refused) -> Self {
        let reply = refused.refusal.reply();
        let headers = reply.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self {
            status: reply.code,
            headers: headers.collect(),
            body: reply.body,
            reason: refused.refusal.to_string(),
        }
    }
}
