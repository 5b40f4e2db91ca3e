//! The header list that goes upstream. It is written anew, from an allowlist:
//! what is not named here never reaches the apiserver.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::policy::key::looks_like_secret;
use crate::request::Method;
use crate::request::carried::Carried;
use crate::request::head::{Body, Head};
use crate::request::media;

/// Longer user agents are cut.
const MAX_USER_AGENT_BYTES: usize = 256;

/// The apiserver's name in every cluster, whatever the client called the gateway.
pub(crate) const AUTHORITY: &str = "kubernetes.default.svc";

/// The Envoy cluster that adds the gateway's own credential to every request.
pub const GATEWAY_CLUSTER: &str = "kube-apiserver-gateway";

/// A header list without a credential, on its way to the apiserver.
pub(crate) type Headers<'a> = Vec<(&'static str, Cow<'a, [u8]>)>;

/// Writes the list for a request of `client`: `method`, `target` and `carried`
/// as they were judged, the rest as far as it is needed from `head`.
///
/// `user-agent` starts with the client's name, so that the apiserver's audit log
/// tells the clients of one account apart; `audit-id` is the request id, so that
/// the access log and the audit log can be joined.
pub(crate) fn headers<'a>(
    head: &Head<'a>,
    method: Method,
    target: String,
    carried: Option<Carried>,
    client: &str,
) -> Headers<'a> {
    let mut headers = Headers::with_capacity(12);
    headers.push((":method", Cow::Borrowed(method.as_str().as_bytes())));
    headers.push((":path", Cow::Owned(target.into_bytes())));
    headers.push((":authority", Cow::Borrowed(AUTHORITY.as_bytes())));
    headers.push((":scheme", Cow::Borrowed(head.scheme)));
    headers.push(("accept", media::accept(head.accept)));
    headers.push(("user-agent", Cow::Owned(user_agent(client, head.user_agent).into_bytes())));
    if let Some(carried) = carried {
        headers.push(("content-type", Cow::Borrowed(carried.content_type().as_bytes())));
    }
    // A body that is written anew has another length.
    let is_same = carried != Some(Carried::ToApply);
    if let (Body::Follows, Some(length), true) = (head.body, head.content_length, is_same) {
        headers.push(("content-length", Cow::Borrowed(length)));
    }
    if let Some(id) = head.request_id {
        headers.push(("x-request-id", Cow::Borrowed(id)));
        headers.push(("audit-id", Cow::Borrowed(id)));
    }
    // Envoy's router finds no route without it.
    if let Some(proto) = head.forwarded_proto {
        headers.push(("x-forwarded-proto", Cow::Borrowed(proto)));
    }
    headers
}

/// `keyhole/<client>`, then what the client calls itself, printable ASCII only; but no
/// API key and no token, for this is logged here and there.
fn user_agent(client: &str, own: Option<&[u8]>) -> String {
    let own = own.unwrap_or_default();
    let length = own.len().min(MAX_USER_AGENT_BYTES).saturating_add(client.len());
    let mut agent = String::with_capacity(length.saturating_add("keyhole/ ".len()));
    agent.push_str("keyhole/");
    agent.push_str(client);
    if !own.is_empty() {
        let named = agent.len();
        let printable = own.iter().filter(|byte| matches!(byte, b' '..=b'~'));
        agent.push(' ');
        agent.extend(printable.take(MAX_USER_AGENT_BYTES).map(|byte| char::from(*byte)));
        if looks_like_secret(&agent) {
            agent.truncate(named);
        }
    }
    agent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_has_the_client_and_no_secret() {
        for (own, expected) in [
            ("", "keyhole/sql"),
            ("SQL\u{1b}Server", "keyhole/sql SQLServer"),
            ("keyhole_sql_0123", "keyhole/sql"),
            ("a key\u{1b}hole_sql_0123", "keyhole/sql"),
            (
                "a eyJhbGciOiJFUzI1NiJ9.ey\u{1b}Jpc3MiOiJhIn0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl",
                "keyhole/sql",
            ),
        ] {
            assert_eq!(user_agent("sql", Some(own.as_bytes())), expected);
        }
    }
}
