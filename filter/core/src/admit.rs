//! One request, from its head to what the host is to do with it.

mod caller;
mod pass;
mod permitted;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;

pub use self::caller::Arrival;
pub(crate) use self::caller::{find_caller, identify};
pub use self::pass::{Passed, pass};
pub(crate) use self::permitted::authorize;
use crate::headers::HeaderList;
use crate::pod::lifecycle::{Flight, Held};
use crate::policy::Holder;
use crate::policy::account::Account;
use crate::refusal::{Refusal, Refused};
use crate::reply::Reply;
use crate::request::verb::Verb;
use crate::response::view::View;
use crate::response::wrapper::PodLog;
use crate::time::Steady;
use crate::token::Token;
use crate::token::tokens::Tokens;
use crate::upstream::Headers;
use crate::wait;

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
    pub holder: Option<Arc<Holder>>,
    pub verb: Option<Verb>,
}

/// The header list of a permitted request, credential included.
///
/// INVARIANT: made from a [`Permit`](crate::policy::Permit) and a valid token of its account only.
pub struct Forward<'a> {
    pub(crate) headers: Headers<'a>,
    sent: Sent,
    reported: Option<Box<Refused>>,
}

/// As whom a request went upstream, and with which token.
#[derive(Clone, Debug)]
pub struct Sent {
    pub(crate) subject: Subject,
    pub(crate) account: Arc<Account>,
    pub(crate) flight: Flight,
    pub(crate) answer: Wanted,
}

/// What a client is to get of the answer.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// A log, in lines.
    Log(Box<PodLog>),
    View(View),
    /// An object, when it is as it is wanted.
    Wait(Box<wait::Wanted>),
}

/// A permitted request that waits for a token. It can be resumed once.
#[derive(Clone, Debug)]
pub(crate) struct Pending<'a> {
    account: Arc<Account>,
    subject: Subject,
    headers: Headers<'a>,
    reported: Option<Box<Refused>>,
    answer: Wanted,
    /// For the log, if the gateway sends the request itself.
    record: Option<Box<str>>,
}

// === impl Subject ===

impl Subject {
    pub fn client(&self) -> Option<&Arc<str>> {
        self.holder.as_ref().map(|holder| &holder.client)
    }
}

// === impl Wanted ===

impl Wanted {
    /// Whether the answer must be whole before a client gets any of it.
    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self, Self::View(View::Table))
    }
}

// === impl Forward ===

impl<'a> Forward<'a> {
    fn new(pending: Pending<'a>, token: &Token, flight: Flight) -> Self {
        let Pending { account, subject, mut headers, reported, answer, .. } = pending;
        headers.push(("authorization", Cow::Owned(token.bearer().into_bytes())));
        Self { headers, sent: Sent { subject, account, flight, answer }, reported }
    }

    pub fn headers(&self) -> HeaderList {
        HeaderList::of(&self.headers)
    }

    pub fn sent(&self) -> &Sent {
        &self.sent
    }

    pub fn subject(&self) -> &Subject {
        &self.sent.subject
    }

    /// What the request would have been refused with, were all rules enforced.
    pub fn reported(&self) -> Option<&Refused> {
        self.reported.as_deref()
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

    /// Of a header that is there.
    pub(crate) fn set_header(&mut self, name: &str, text: &'static str) {
        if let Some((_, value)) = self.headers.iter_mut().find(|(own, _)| *own == name) {
            *value = Cow::Borrowed(text.as_bytes());
        }
    }

    /// What the log says of a request that does not go by Envoy's router, and whether it
    /// was only reported.
    pub(crate) fn take_record(&mut self) -> (Option<Box<str>>, bool) {
        (self.record.take(), self.reported.is_some())
    }

    pub(crate) fn wait(&self) -> Option<&wait::Wanted> {
        match &self.answer {
            Wanted::Wait(wanted) => Some(wanted),
            Wanted::Log(_) | Wanted::View(_) => None,
        }
    }

    pub(crate) const fn wants_whole_answer(&self) -> bool {
        self.answer.is_whole()
    }

    pub(crate) fn into_owned(self) -> Pending<'static> {
        let owned = |(name, value): (_, Cow<'_, [u8]>)| (name, Cow::Owned(value.into_owned()));
        let headers = self.headers.into_iter().map(owned).collect();
        let Self { account, subject, reported, answer, record, .. } = self;
        Pending { account, subject, headers, reported, answer, record }
    }

    /// Ends the wait with the account's token, or with the reason why there is
    /// none; or goes on waiting.
    pub(crate) fn resume(self, tokens: &mut Tokens, now: Steady) -> Progress<'a> {
        match tokens.get(&self.account, now) {
            Ok(Some(Held { value: token, flight, .. })) => {
                Progress::Done(Verdict::Forward(Forward::new(self, token, *flight)))
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
        Verdict::Refuse(Refused::new(self.subject, refusal))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::load_policy;
    use crate::policy::Policy;
    use crate::policy::key::KeyDigest;
    use crate::request::head::Body;
    use crate::token::tests::{at, minted};
    use crate::worker::tests::{Gateway, arrival};
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

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

    fn headers(method: &str, target: &str, more: &[(&str, &str)]) -> HeaderList {
        [
            (":method", method),
            (":path", target),
            (":authority", "keyhole"),
            (":scheme", "https"),
        ]
        .into_iter()
        .chain(more.iter().copied())
        .collect()
    }

    fn permitted<'a>(policy: &Policy, headers: &'a HeaderList) -> Result<Pending<'a>, Refused> {
        identify(policy, None, &arrival(headers), at(1000))?.judge(policy).map(|(own, _)| own)
    }

    /// A permitted request that waits.
    pub(crate) fn pending() -> Pending<'static> {
        let headers = headers("GET", PODS, &[("x-api-key", "k")]);
        permitted(&policy(), &headers).unwrap().into_owned()
    }

    /// The header list that leaves, as text; or the refusal's code and message.
    fn judge(headers: &HeaderList, body: Body) -> Result<Vec<String>, (u16, String)> {
        let mut gateway = Gateway::new(policy(), at(1000));
        gateway.token = minted("system:serviceaccount:d:reader", 1000, 1600);
        match gateway.judge(headers, body) {
            Verdict::Forward(forward) => Ok(forward
                .headers()
                .iter()
                .map(|(name, value)| {
                    format!("{}: {}", name.escape_ascii(), value.escape_ascii())
                })
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
            ("GET",    PODS, &[][..],                     Body::Empty,   401, "Unauthorized: keyhole: the request has no valid API key or token: send a key as the header x-api-key, a token as Authorization: Bearer"),
            ("GET",    PODS, &[("x-api-key", "other")],   Body::Empty,   401, "Unauthorized: keyhole: the request has no valid API key or token: send a key as the header x-api-key, a token as Authorization: Bearer"),
            // a stranger learns nothing about paths
            ("GET",    "//", &[("x-api-key", "other")],   Body::Empty,   401, "Unauthorized: keyhole: the request has no valid API key or token: send a key as the header x-api-key, a token as Authorization: Bearer"),
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
        let refused = permitted(&policy(), &list).unwrap_err();
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
