//! What becomes of a response on its way to the client: SQL Server takes exactly one
//! JSON document, and throws on anything else (Msg 11558) without telling the code.
//!
//! What is JSON already passes as it is. The rest is turned into it chunk by chunk, and
//! a change whose outcome is not known is told as such.

mod headers;
mod pruner;
pub(crate) mod view;
pub(crate) mod wrapper;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use self::pruner::Pruner;
use self::view::View;
use self::wrapper::{Wrapper, Wrapping};
use crate::admit::{Sent, Wanted};
use crate::headers::HeaderList;
use crate::refusal::{Refusal, Refused};
use crate::reply::{Reply, Status};
use crate::request::media;
use crate::request::verb::{Verb, VerbSet};

/// What the host is to do when the head of a response has come.
#[derive(Debug)]
pub enum Step {
    /// Send this instead.
    Answer(Reply),
    /// Ask [`outcome`] with Envoy's `response.code_details`.
    AskDetails,
    /// Replace the header list, and the body by what the converter makes of it.
    Convert(HeaderList, Box<Converter>),
    Pass,
    /// Replace the header list.
    Rewrite(HeaderList),
    /// The apiserver did not accept the token.
    Unauthorized,
}

/// Makes of a body what the client gets, as it passes.
#[derive(Debug)]
pub enum Converter {
    Prune(Pruner),
    Wrap(Wrapper),
}

/// A response as far as it is looked at.
struct Head<'a> {
    status: u16,
    content_type: &'a [u8],
    encoded: bool,
}

const CHANGES: VerbSet = VerbSet::of(&[
    Verb::Create,
    Verb::Delete,
    Verb::DeleteCollection,
    Verb::Patch,
    Verb::Post,
    Verb::Put,
    Verb::Update,
]);

/// Envoy's words for a request that it has not sent, or of which the apiserver has said
/// that it has not looked at it (RFC 9113, 8.7).
const NOT_SENT: [&str; 9] = [
    "cluster_not_found",
    "connection_timeout",
    "local_connection_failure",
    "no_healthy_upstream",
    "overflow",
    "remote_connection_failure",
    "remote_refused_stream_reset",
    "request_payload_too_large",
    "route_not_found",
];

/// Looks at the head of the response to what was `sent`. `end`: it has no body.
pub fn judge(sent: &Sent, headers: &HeaderList, end: bool) -> Step {
    let head = Head::of(headers);
    if head.status == 401 {
        return Step::Unauthorized;
    }
    if is_retried(head.status) && is_change(sent) {
        return Step::AskDetails;
    }
    let is_json = head.is_json();
    match (is_json, end) {
        (_, true) if head.status == 204 => rewrite(headers),
        (_, true) => Step::Answer(empty(head.status)),
        (true, false) => match (head.status, &sent.answer) {
            (200, Wanted::View(View::Compact)) => {
                let pruner = Converter::Prune(Pruner::new());
                Step::Convert(headers::of_part(headers), Box::new(pruner))
            }
            _ => rewrite(headers),
        },
        (false, false) => {
            let wrapper = Converter::Wrap(Wrapper::new(head.wrapping(sent)));
            Step::Convert(headers::of_json(headers), Box::new(wrapper))
        }
    }
}

/// What a client is told of a change that the gateway, or the apiserver, failed at;
/// nothing if it was surely not carried out, so that it may be sent again.
pub fn outcome(sent: &Sent, headers: &HeaderList, details: &[u8]) -> Option<Refused> {
    let details = String::from_utf8_lossy(details);
    if NOT_SENT.iter().any(|word| details.contains(word)) {
        return None;
    }
    let status = Head::of(headers).status;
    let cause = match &*details {
        "via_upstream" => format!("the apiserver answered {status}"),
        details => format!("its answer was lost: {details}"),
    };
    Some(Refused::new(sent.subject.clone(), Refusal::OutcomeUnknown(cause)))
}

/// A body that is no JSON, all of it at once.
pub(crate) fn whole(sent: &Sent, headers: &HeaderList, body: &[u8]) -> Vec<u8> {
    let wrapping = Head::of(headers).wrapping(sent);
    Wrapper::new(wrapping).wrap(body, true)
}

/// A document in the view `compact`, all of it at once.
pub(crate) fn compact(document: &[u8]) -> Vec<u8> {
    Pruner::new().prune(document, true)
}

pub(crate) fn is_change(sent: &Sent) -> bool {
    sent.subject.verb.is_some_and(|verb| CHANGES.contains(verb))
}

/// SQL Server sends a request again on these codes (`@retry_count`).
pub(crate) const fn is_retried(code: u16) -> bool {
    matches!(code, 408 | 500 | 502..=504)
}

fn rewrite(headers: &HeaderList) -> Step {
    headers::mended(headers).map_or(Step::Pass, Step::Rewrite)
}

/// An empty body would be no JSON.
fn empty(status: u16) -> Reply {
    let message = String::from("the apiserver sent nothing but this code");
    match status {
        400.. => Status::new(status, wrapper::reason(status), message).reply(),
        _ => Status::success(status, message).reply(),
    }
}

// === impl Converter ===

impl Converter {
    /// What takes the place of the next part of the body; `end`: it is the last one.
    pub fn convert(&mut self, part: &[u8], end: bool) -> Vec<u8> {
        match self {
            Self::Prune(pruner) => pruner.prune(part, end),
            Self::Wrap(wrapper) => wrapper.wrap(part, end),
        }
    }
}

// === impl Head ===

impl<'a> Head<'a> {
    fn of(headers: &'a HeaderList) -> Self {
        let mut head = Self { status: 0, content_type: b"", encoded: false };
        for (name, value) in headers.iter() {
            match name {
                b":status" => {
                    let status = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    head.status = status.unwrap_or(0);
                }
                b"content-type" => head.content_type = value,
                b"content-encoding" => head.encoded = true,
                _ => {}
            }
        }
        head
    }

    fn is_json(&self) -> bool {
        let essence = media::essence(self.content_type);
        essence.eq_ignore_ascii_case(media::JSON.as_bytes()) && !self.encoded
    }

    fn wrapping(&self, sent: &Sent) -> Wrapping {
        let essence = media::essence(self.content_type);
        let is_text = essence.is_empty()
            || essence.starts_with(b"text/")
            || essence.eq_ignore_ascii_case(media::YAML.as_bytes());
        match (&sent.answer, is_text && !self.encoded, self.status) {
            (_, true, 400..) => Wrapping::Error { status: self.status },
            (Wanted::Log(log), true, 200) => Wrapping::Log((**log).clone()),
            (_, true, _) => Wrapping::Text,
            (_, false, _) => Wrapping::Binary,
        }
    }
}

#[cfg(test)]
mod tests;
