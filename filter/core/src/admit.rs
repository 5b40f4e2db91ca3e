//! One request, from its head to what the host is to do with it.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::body::Watched;
use crate::inspection::Inspection;
use crate::pod::lifecycle::{Flight, Held};
use crate::policy::account::Account;
use crate::policy::constraints::Target;
use crate::policy::grant::{Conditions, Grant};
use crate::policy::{Client, KeyRefused, NoRule, Policy};
use crate::refusal::{Asked, Denial, Refusal, Refused};
use crate::reply::Reply;
use crate::request::attributes::Attributes;
use crate::request::carried::Carried;
use crate::request::defaults;
use crate::request::head::{Body, Head, Header};
use crate::request::media;
use crate::request::streaming::Streaming;
use crate::request::verb::Verb;
use crate::request::{Method, Request};
use crate::response::converter::PodLog;
use crate::response::view::{self, View};
use crate::time::{Steady, UnixTime};
use crate::token::Token;
use crate::token::tokens::Tokens;
use crate::upstream::{self, Headers};
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

/// A request as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub headers: &'a [Header],
    pub body: Body,
    /// `address:port` of whoever sent it, behind the hops that are trusted; needed if
    /// [`Policy::asks_for_source`].
    pub source: Option<&'a [u8]>,
}

/// Who asks for what, as far as it is known: for logs and metrics.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    pub client: Option<Arc<str>>,
    pub verb: Option<Verb>,
}

/// Who sent a request, which is not judged yet.
#[derive(Debug)]
pub(crate) struct Caller<'p, 'a> {
    client: &'p Client,
    head: Head<'a>,
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
}

/// What a permitted request is forwarded as.
#[derive(Debug)]
pub(crate) struct Permitted<'a> {
    headers: Headers<'a>,
    carried: Option<Carried>,
    /// What it would have been refused with.
    reported: Option<Refusal>,
    /// What its body has to keep, all of them, each with the denial otherwise.
    conditions: Vec<(Conditions, Denial)>,
}

/// Finds out who sent a request. Every path from here on that does not lead to a
/// [`Forward`] refuses.
pub(crate) fn identify<'p, 'a>(
    policy: &'p Policy,
    arrival: &Arrival<'a>,
    now: UnixTime,
) -> Result<Caller<'p, 'a>, Refused> {
    let caller = find_caller(policy, arrival.headers, arrival.body, now)
        .map_err(|refusal| Refused::new(Subject::default(), refusal))?;
    match caller.client.sources().admit(arrival.source) {
        Ok(()) => Ok(caller),
        Err(wrong) => Err(caller.refuse(wrong.into())),
    }
}

pub(crate) fn find_caller<'p, 'a>(
    policy: &'p Policy,
    headers: &'a [Header],
    body: Body,
    now: UnixTime,
) -> Result<Caller<'p, 'a>, Refusal> {
    let head = Head::parse(headers, body)?;
    let key = head.key()?.ok_or(KeyRefused::Missing)?;
    Ok(Caller { client: policy.identify(key, now)?, head })
}

pub(crate) fn authorize<'a>(
    policy: &Policy,
    client: &Client,
    head: &Head<'a>,
    request: &Request<'_>,
) -> Result<Permitted<'a>, Refusal> {
    if let Attributes::Resource(resource) = &request.attributes
        && let Some(streaming) = Streaming::of(resource.subresource)
    {
        return Err(Denial::new(client.name(), &request.attributes).because(&streaming));
    }
    let mut target = request.target()?;
    defaults::add(request, &mut target);
    let (mut reported, mut conditions) = (None, Vec::new());
    let mut authorize = |attributes: &Attributes<'_>| {
        let denial = || Denial::new(client.name(), attributes);
        let permit = policy.authorize(client, attributes);
        match permit.map_err(|none| denial().because(&none))?.into_grant() {
            Grant::Allowed => {}
            Grant::If(given) => conditions.push((given, denial())),
            Grant::Reported => reported = Some(denial().because(&NoRule)),
        }
        Ok::<(), Refusal>(())
    };
    authorize(&request.attributes)?;
    if (request.method, head.body) == (Method::Get, Body::Follows) {
        return Err(Refusal::BodyOnGet);
    }
    let carried = media::content_type(request.method, head)?;
    if carried.is_some_and(|carried| carried.content_type() == media::APPLY) {
        defaults::name_manager(request, client.name(), &mut target);
        // The apiserver asks for this, too, but of the account.
        authorize(&request.attributes.with_verb(Verb::Create))?;
    }
    let headers = upstream::headers(head, request.method, target, carried, client.name());
    Ok(Permitted { headers, carried, reported, conditions })
}

// === impl Permitted ===

impl Permitted<'_> {
    /// What its body has to be held against, if there is something.
    pub(crate) fn inspection(
        &self,
        request: &Request<'_>,
    ) -> Result<Option<Inspection>, Refusal> {
        let needed = self.asks_for_body() || self.carried.is_some_and(Carried::needs_body);
        let Attributes::Resource(attributes) = &request.attributes else { return Ok(None) };
        if !needed {
            return Ok(None);
        }
        let carried = self.carried.ok_or(Refusal::BodyMissing)?;
        let target = Target::of(attributes);
        Ok(Some(Inspection { target, carried, conditions: self.conditions.clone() }))
    }

    pub(crate) fn asks_for_body(&self) -> bool {
        !self.conditions.is_empty()
    }

    pub(crate) fn into_reported(self) -> Option<Refusal> {
        self.reported
    }
}

// === impl Caller ===

impl<'p, 'a> Caller<'p, 'a> {
    pub(crate) const fn client(&self) -> &'p Client {
        self.client
    }

    /// Judges what is asked, and says what its body has to do with, if it does not just
    /// pass.
    pub(crate) fn judge(
        self,
        policy: &Policy,
    ) -> Result<(Pending<'a>, Option<Watched>), Refused> {
        let Self { client, head } = &self;
        if let Err(exceeded) = client.limits().admit_body(head.content_length) {
            return Err(self.refuse(exceeded.into()));
        }
        let request = match Request::parse(head.method, head.target) {
            Ok(request) => request,
            Err(error) => return Err(self.refuse(error.into())),
        };
        let verb = Some(request.attributes.verb());
        let subject = Subject { client: Some(Arc::clone(client.name())), verb };
        let told = |refusal| Refused::asked(subject.clone(), refusal, &request, head);
        let permitted = authorize(policy, client, head, &request).map_err(told)?;
        let view = View::of(head, &request).map_err(told)?;
        let wait = wait::Wanted::of(head, &request).map_err(|own| told(own.into()))?;
        if wait.is_some() {
            // What it takes to wait.
            let watch = request.attributes.with_verb(Verb::Watch);
            let denied = |none| told(Denial::new(client.name(), &watch).because(&none));
            policy.authorize(client, &watch).map_err(denied)?;
        }
        let inspection = permitted.inspection(&request).map_err(told)?;
        let Permitted { headers, reported, .. } = permitted;
        let reported = reported.map(told).map(Box::new);
        let most = client.limits().body_bytes;
        let watched = match (inspection, most) {
            (Some(inspection), _) => {
                let asked = Asked::new(&request, head);
                Some(Watched::held(subject.clone(), most, inspection, asked))
            }
            (None, Some(most))
                if head.body == Body::Follows && head.content_length.is_none() =>
            {
                Some(Watched::Bounded { subject: subject.clone(), most, passed: 0 })
            }
            (None, _) => None,
        };
        let account = Arc::clone(client.account());
        let log = PodLog::of(&request.attributes).map(Box::new);
        let answer = match (log, wait) {
            (_, Some(wait)) => Wanted::Wait(Box::new(wait)),
            (Some(log), None) => Wanted::Log(log),
            (None, None) => Wanted::View(view),
        };
        let mut pending = Pending { account, subject, headers, reported, answer };
        if view == View::Table {
            pending.set_header("accept", view::ACCEPT_TABLE);
        }
        Ok((pending, watched))
    }

    pub(crate) fn refuse(self, refusal: Refusal) -> Refused {
        let client = Some(Arc::clone(self.client.name()));
        Refused::new(Subject { client, verb: None }, refusal)
    }
}

// === impl Forward ===

impl<'a> Forward<'a> {
    fn new(pending: Pending<'a>, token: &Token, flight: Flight) -> Self {
        let Pending { account, subject, mut headers, reported, answer } = pending;
        headers.push(("authorization", Cow::Owned(token.bearer().into_bytes())));
        Self { headers, sent: Sent { subject, account, flight, answer }, reported }
    }

    pub fn headers(&self) -> Vec<(&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (*name, &**value)).collect()
    }

    pub fn sent(&self) -> &Sent {
        &self.sent
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

    pub(crate) fn wait(&self) -> Option<&wait::Wanted> {
        match &self.answer {
            Wanted::Wait(wanted) => Some(wanted),
            Wanted::Log(_) | Wanted::View(_) => None,
        }
    }

    /// Whether the answer must be whole before a client gets any of it.
    pub(crate) const fn wants_whole_answer(&self) -> bool {
        matches!(self.answer, Wanted::View(View::Compact | View::Table))
    }

    pub(crate) fn into_owned(self) -> Pending<'static> {
        let owned = |(name, value): (_, Cow<'_, [u8]>)| (name, Cow::Owned(value.into_owned()));
        let headers = self.headers.into_iter().map(owned).collect();
        let Self { account, subject, reported, answer, .. } = self;
        Pending { account, subject, headers, reported, answer }
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
    use crate::policy::key::KeyDigest;
    use crate::token::tests::{at, minted};
    use crate::worker::tests::{Gateway, arrival};
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

    fn permitted<'a>(policy: &Policy, headers: &'a [Header]) -> Result<Pending<'a>, Refused> {
        identify(policy, &arrival(headers), at(1000).wall)?.judge(policy).map(|(own, _)| own)
    }

    /// A permitted request that waits.
    pub(crate) fn pending() -> Pending<'static> {
        let headers = headers("GET", PODS, &[("x-api-key", "k")]);
        permitted(&policy(), &headers).unwrap().into_owned()
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
