//! One request, from its head to what the host is to do with it.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::pod::lifecycle::{Flight, Held};
use crate::policy::account::Account;
use crate::policy::{Client, KeyRefused, Permit, Policy};
use crate::refusal::{Forbidden, Refusal, Refused, Why};
use crate::reply::Reply;
use crate::request::attributes::Attributes;
use crate::request::head::{Body, Head, Header};
use crate::request::media;
use crate::request::streaming::Streaming;
use crate::request::verb::Verb;
use crate::request::{Method, Request};
use crate::time::{Now, Steady, UnixTime};
use crate::token::Token;
use crate::token::tokens::Tokens;
use crate::upstream::{self, Headers};

/// How far a request has come.
#[derive(Debug)]
pub(crate) enum Progress<'a> {
    Done(Verdict<'a>),
    /// Permitted, but there is no token yet.
    Pending(Pending<'a>),
}

/// What the host is to do.
#[derive(Debug)]
pub enum Verdict<'a> {
    Answer(Reply),
    /// Replace the whole header list by this one and let the request go.
    Forward(Forward<'a>),
    Refuse(Refused),
}

/// Who asks for what, as far as it is known: for logs and metrics.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    pub client: Option<Arc<str>>,
    pub verb: Option<Verb>,
}

/// The header list of a permitted request, credential included.
///
/// INVARIANT: made from a [`Permit`] and a valid token of its account only.
pub struct Forward<'a> {
    pub(crate) headers: Headers<'a>,
    sent: Sent,
}

/// As whom a request went upstream, and with which token.
#[derive(Clone, Debug)]
pub struct Sent {
    pub(crate) subject: Subject,
    pub(crate) account: Arc<Account>,
    pub(crate) flight: Flight,
}

/// A permitted request that waits for a token. It can be resumed once.
#[derive(Debug)]
pub(crate) struct Pending<'a> {
    account: Arc<Account>,
    subject: Subject,
    headers: Headers<'a>,
}

/// Judges a request. Every path through here that is not a [`Forward`] refuses.
pub(crate) fn admit<'a>(
    policy: &Policy,
    headers: &'a [Header],
    body: Body,
    tokens: &mut Tokens,
    now: Now,
) -> Progress<'a> {
    match permit(policy, headers, body, now.wall) {
        Ok(pending) => pending.resume(tokens, now.steady),
        Err(refused) => Progress::Done(Verdict::Refuse(refused)),
    }
}

/// The part of it that needs no token.
pub(crate) fn permit<'a>(
    policy: &Policy,
    headers: &'a [Header],
    body: Body,
    now: UnixTime,
) -> Result<Pending<'a>, Refused> {
    let mut subject = Subject::default();
    match judge(policy, headers, body, now, &mut subject) {
        Ok((permit, headers)) => {
            let account = Arc::clone(permit.client().account());
            Ok(Pending { account, subject, headers })
        }
        Err(refusal) => Err(Refused { subject, refusal }),
    }
}

/// Notes in `subject` what it finds out on its way.
fn judge<'a, 'p>(
    policy: &'p Policy,
    headers: &'a [Header],
    body: Body,
    now: UnixTime,
    subject: &mut Subject,
) -> Result<(Permit<'p>, Headers<'a>), Refusal> {
    let head = Head::parse(headers, body)?;
    let key = head.key()?.ok_or(KeyRefused::Missing)?;
    let client = policy.identify(key, now)?;
    subject.client = Some(Arc::clone(client.name()));
    let request = Request::parse(head.method, head.target)?;
    subject.verb = Some(request.attributes.verb());
    authorize(policy, client, &head, &request)
}

pub(crate) fn authorize<'a, 'p>(
    policy: &Policy,
    client: &'p Client,
    head: &Head<'a>,
    request: &Request<'_>,
) -> Result<(Permit<'p>, Headers<'a>), Refusal> {
    let forbidden = |attributes: &Attributes<'_>, why| {
        Refusal::Forbidden(Box::new(Forbidden::new(client.name(), attributes, why)))
    };
    if let Attributes::Resource(resource) = &request.attributes
        && let Some(streaming) = Streaming::of(resource.subresource)
    {
        return Err(forbidden(&request.attributes, Why::Streaming(streaming)));
    }
    let target = request.target()?;
    let authorize = |attributes: &Attributes<'_>| {
        policy.authorize(client, attributes).map_err(|_| forbidden(attributes, Why::NoRule))
    };
    let permit = authorize(&request.attributes)?;
    if (request.method, head.body) == (Method::Get, Body::Follows) {
        return Err(Refusal::BodyOnGet);
    }
    let content_type = media::content_type(request.method, head)?;
    if content_type == Some(media::APPLY) {
        // The apiserver asks for this, too, but of the account.
        authorize(&request.attributes.with_verb(Verb::Create))?;
    }
    let headers = upstream::headers(head, request.method, target, content_type, client.name());
    Ok((permit, headers))
}

// === impl Forward ===

impl<'a> Forward<'a> {
    fn new(mut headers: Headers<'a>, token: &Token, sent: Sent) -> Self {
        headers.push(("authorization", Cow::Owned(token.bearer().into_bytes())));
        Self { headers, sent }
    }

    pub fn headers(&self) -> Vec<(&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (*name, &**value)).collect()
    }

    pub fn sent(&self) -> &Sent {
        &self.sent
    }
}

/// Without the values: one of them is the token.
impl core::fmt::Debug for Forward<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}

// === impl Pending ===

impl<'a> Pending<'a> {
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    pub(crate) fn into_owned(self) -> Pending<'static> {
        let owned = |(name, value): (_, Cow<'_, [u8]>)| (name, Cow::Owned(value.into_owned()));
        let headers = self.headers.into_iter().map(owned).collect();
        Pending { account: self.account, subject: self.subject, headers }
    }

    /// Ends the wait with the account's token, or with the reason why there is
    /// none; or goes on waiting.
    pub(crate) fn resume(self, tokens: &mut Tokens, now: Steady) -> Progress<'a> {
        match tokens.get(&self.account, now) {
            Ok(Some(Held { value: token, flight, .. })) => {
                let Self { account, subject, headers } = self;
                let sent = Sent { subject, account, flight: *flight };
                Progress::Done(Verdict::Forward(Forward::new(headers, token, sent)))
            }
            Ok(None) => Progress::Pending(self),
            Err((until, failure)) => {
                let account = Arc::clone(&self.account);
                let refusal = Refusal::token(account, failure, now.until(until));
                Progress::Done(self.refuse(refusal))
            }
        }
    }

    pub(crate) fn refuse(self, refusal: Refusal) -> Verdict<'static> {
        Verdict::Refuse(Refused { subject: self.subject, refusal })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::load_policy;
    use crate::policy::key::KeyDigest;
    use crate::token::tests::{at, minted};
    use crate::worker::tests::Gateway;
    use alloc::format;
    use alloc::string::{String, ToString};
    const PODS: &str = "/api/v1/namespaces/d/pods";

    fn policy() -> Policy {
        let digest = KeyDigest::of(b"k").to_hex();
        let text = format!(
            "{{apiVersion: keyhole/v1, kind: Policy, gateway: {{tokenVerification: claimsOnly}}, clients: [{{name: sql, keys: [{{sha256: {digest}}}], \
             serviceAccount: {{namespace: d, name: reader}}, roles: [r]}}], roles: [{{name: r, rules: [\
             {{namespaces: [d], apiGroups: [\"\"], resources: [pods], verbs: [get, list, create, patch]}}]}}]}}"
        );
        load_policy(&text).unwrap().policy
    }

    fn headers(method: &str, target: &str, more: &[(&str, &str)]) -> Vec<Header> {
        [
            (":method", method),
            (":path", target),
            (":authority", "keyhole"),
            (":scheme", "https"),
        ]
        .iter()
        .chain(more)
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect()
    }

    /// A permitted request that waits.
    pub(crate) fn pending() -> Pending<'static> {
        let headers = headers("GET", PODS, &[("x-api-key", "k")]);
        match admit(&policy(), &headers, Body::Empty, &mut Tokens::default(), at(1000)) {
            Progress::Pending(pending) => pending.into_owned(),
            Progress::Done(verdict) => panic!("{verdict:?}"),
        }
    }

    /// The header list that leaves, as text; or the refusal's code and message.
    fn judge(headers: &[Header], body: Body) -> Result<Vec<String>, (u16, String)> {
        let mut gateway = Gateway::new(policy(), at(1000));
        gateway.token = minted("system:serviceaccount:d:reader", 1000, 1600);
        match gateway.judge(headers, body) {
            Verdict::Forward(forward) => Ok(forward
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.escape_ascii()))
                .collect()),
            Verdict::Refuse(refused) => Err(told(&refused.refusal)),
            Verdict::Answer(reply) => panic!("{reply:?}"),
        }
    }

    fn told(refusal: &Refusal) -> (u16, String) {
        let reply = refusal.reply();
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body["kind"], "Status");
        assert_eq!(body["code"], reply.code);
        (reply.code, body["message"].as_str().unwrap().to_string())
    }

    #[test]
    fn the_header_list_is_written_anew() {
        let hostile = [
            ("x-api-key", "k"),
            ("accept", "application/json"),
            ("content-type", "application/json; charset=utf-8"),
            ("content-length", "2"),
            ("user-agent", "SQL\u{1b}Server"),
            ("x-request-id", "id"),
            ("x-forwarded-proto", "https"),
            ("impersonate-user", "admin"),
            ("impersonate-extra-x", "y"),
            ("x-remote-user", "admin"),
            ("x-remote-extra-x", "y"),
            ("x-forwarded-for", "6.6.6.6"),
            ("cookie", "a=b"),
            ("audit-id", "mine"),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.x"),
            ("x-http-method-override", "DELETE"),
        ];
        let mut sent = judge(&headers("POST", PODS, &hostile), Body::Follows).unwrap();
        let token = sent.pop().unwrap();
        assert!(token.starts_with("authorization: Bearer h."), "{token}");
        assert_eq!(
            sent,
            [
                ":method: POST",
                ":path: /api/v1/namespaces/d/pods",
                ":authority: kubernetes.default.svc",
                ":scheme: https",
                "accept: application/json",
                "user-agent: keyhole/sql SQLServer",
                "content-type: application/json",
                "content-length: 2",
                "x-request-id: id",
                "audit-id: id",
                "x-forwarded-proto: https",
            ]
        );
    }

    #[test]
    #[rustfmt::skip]
    fn each_refusal_has_its_code_and_its_sentence() {
        let key = ("x-api-key", "k");
        for (method, target, more, body, code, message) in [
            ("GET",    PODS, &[][..],                     Body::Empty,   401, "Unauthorized: keyhole: the request has no valid API key: send one as the header x-api-key"),
            ("GET",    PODS, &[("x-api-key", "other")],   Body::Empty,   401, "Unauthorized: keyhole: the request has no valid API key: send one as the header x-api-key"),
            // a stranger learns nothing about paths
            ("GET",    "//", &[("x-api-key", "other")],   Body::Empty,   401, "Unauthorized: keyhole: the request has no valid API key: send one as the header x-api-key"),
            ("GET",    PODS, &[key, key],                 Body::Empty,   400, "bad request: keyhole: more than one credential is given: send one `x-api-key`, or one `Authorization: Bearer keyhole_...`, not both"),
            ("GET",    "/api/v1//pods", &[key],           Body::Empty,   400, "bad request: keyhole: the path contains an empty segment (`//`): name what is missing or drop the slash"),
            ("GET",    PODS, &[key],                      Body::Follows, 400, "bad request: keyhole: a GET request has a body: leave it out"),
            ("HEAD",   PODS, &[key],                      Body::Empty,   405, "the server does not allow this method on the requested resource: keyhole: use GET, POST, PUT, PATCH or DELETE"),
            ("POST",   PODS, &[key, ("content-type", "text/plain")], Body::Follows, 415, "unsupported media type: keyhole: the body has a type that is not taken here: send `Content-Type: application/json` or `application/yaml`"),
            ("POST",   PODS, &[key, ("content-encoding", "gzip")],   Body::Follows, 415, "unsupported media type: keyhole: the body has a `Content-Encoding`: send it uncompressed"),
            // the apiserver's sentences
            ("DELETE", "/api/v1/namespaces/d/pods/web-0", &[key],    Body::Empty, 403, "pods \"web-0\" is forbidden: User \"keyhole:sql\" cannot delete resource \"pods\" in API group \"\" in the namespace \"d\": keyhole: no rule of this client allows it"),
            ("GET",    "/api/v1/namespaces/d/pods/web-0/log", &[key], Body::Empty, 403, "pods \"web-0\" is forbidden: User \"keyhole:sql\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"d\": keyhole: no rule of this client allows it"),
            ("GET",    "/apis/apps/v1/deployments", &[key],          Body::Empty, 403, "deployments.apps is forbidden: User \"keyhole:sql\" cannot list resource \"deployments\" in API group \"apps\" at the cluster scope: keyhole: no rule of this client allows it"),
            ("GET",    "/metrics", &[key],                           Body::Empty, 403, "forbidden: User \"keyhole:sql\" cannot get path \"/metrics\": keyhole: no rule of this client allows it"),
            ("GET",    "/api/v1/namespaces/d/pods/web-0/exec?command=id", &[key], Body::Empty, 403, "pods \"web-0\" is forbidden: User \"keyhole:sql\" cannot get resource \"pods/exec\" in API group \"\" in the namespace \"d\": keyhole: `exec` needs a stream, which this gateway does not carry; run a Job instead"),
        ] {
            let refusal = judge(&headers(method, target, more), body).unwrap_err();
            assert_eq!(refusal, (code, message.to_string()), "{method} {target} {more:?}");
        }
    }

    #[test]
    fn a_forbidden_status_is_shaped_as_the_apiservers() {
        let list = headers("DELETE", "/api/v1/namespaces/d/pods/web-0", &[("x-api-key", "k")]);
        let progress = admit(&policy(), &list, Body::Empty, &mut Tokens::default(), at(1000));
        let Progress::Done(Verdict::Refuse(refused)) = progress else { panic!() };
        let body = String::from_utf8(refused.refusal.reply().body).unwrap();
        assert_eq!(
            body,
            concat!(
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"#,
                r#""pods \"web-0\" is forbidden: User \"keyhole:sql\" cannot delete resource \"pods\" "#,
                r#"in API group \"\" in the namespace \"d\": keyhole: no rule of this client allows it","#,
                r#""reason":"Forbidden","details":{"name":"web-0","kind":"pods"},"code":403}"#,
                "\n"
            )
        );
    }
}
