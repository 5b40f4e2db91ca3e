//! Why a request is allowed or denied, for people.
//!
//! The decision is the gateway's own: [`judge`] runs what every request runs
//! through. Only the reasons are looked up beside it, rule by rule.

mod difference;
mod words;

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::admit;
use crate::config::listing::{ListedRule, Listing};
use crate::config::text::{RuleScope, RuleText};
use crate::headers::HeaderList;
use crate::policy::account::Account;
use crate::policy::grant::Grant;
use crate::policy::rules::near::Dimension;
use crate::policy::{Client, Policy};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::request::attributes::{Attributes, ResourceAttributes};
use crate::request::head::{Body, Head};
use crate::request::media;
use crate::request::streaming::Streaming;
use crate::request::verb::Verb;

pub use self::difference::Difference;
pub use self::words::Words;

/// A request as somebody would send it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The type of its body; `None` if it has no body, or one in JSON.
    pub content_type: Option<&'a str>,
    /// `None` if it is not known: then it counts as what rules ask of it.
    pub body: Option<&'a [u8]>,
}

/// What becomes of a request, and why.
#[derive(Debug)]
pub struct Explanation<'l, 'a> {
    /// As whom the client acts.
    pub account: &'l Account,
    /// `None` if it cannot be read.
    pub request: Option<Request<'a>>,
    pub judged: Result<Option<Refusal>, Refusal>,
    /// The rules ask something of the body, which is not known.
    pub depends_on_body: bool,
    /// What the policy is asked; nothing if the request is refused before.
    pub needs: Vec<Need<'l, 'a>>,
    /// The smallest rule that would allow what is denied, if there is one.
    pub remedy: Option<RuleText>,
}

/// One thing that must be allowed.
#[derive(Debug)]
pub struct Need<'l, 'a> {
    pub attributes: Attributes<'a>,
    /// The rules that allow it: none if it is denied.
    pub allowed_by: Vec<RuleAt<'l>>,
    /// The nearest rule that does not allow it.
    pub nearest: Option<Miss<'l>>,
}

/// A rule and where it is written.
#[derive(Clone, Copy, Debug)]
pub struct RuleAt<'l> {
    pub role: &'l str,
    pub rule: &'l ListedRule,
}

/// A rule that does not allow a request, and in what they differ.
#[derive(Debug)]
pub struct Miss<'l> {
    pub at: RuleAt<'l>,
    pub differing: Vec<Dimension>,
}

/// What the gateway decides, given that the client's key is valid: nothing, or what it
/// only reports.
///
/// # Errors
///
/// The request is refused.
pub fn judge(
    policy: &Policy,
    client: &Client,
    attempt: &Attempt<'_>,
) -> Result<Option<Refusal>, Refusal> {
    let (headers, body) = attempt.head();
    let head = Head::parse(&headers, body)?;
    let request = Request::parse(head.method, head.target)?;
    let permitted = admit::authorize(policy, client, &head, &request)?;
    let of_body = match (attempt.body, permitted.asks_for_body()) {
        (Some(body), true) => match permitted.inspection(&request)? {
            Some(inspection) => inspection.judge(body)?.0,
            None => None,
        },
        _ => None,
    };
    Ok(of_body.or(permitted.into_reported()))
}

/// Whether rules ask something of a body that is not known.
fn depends_on_body(policy: &Policy, client: &Client, attempt: &Attempt<'_>) -> bool {
    let asked = needs(attempt);
    let mut permits = asked.iter().filter_map(|own| policy.authorize(client, own).ok());
    attempt.body.is_none() && permits.any(|permit| matches!(permit.into_grant(), Grant::If(_)))
}

/// What a policy is asked about a request; nothing if it is refused without.
pub fn needs<'a>(attempt: &Attempt<'a>) -> Vec<Attributes<'a>> {
    match Request::parse(attempt.method.as_bytes(), attempt.target.as_bytes()) {
        Ok(request) if !is_stream(&request) => {
            let mut asked = attempt.asked(&request.attributes);
            // To wait for an object is to watch it.
            if request.own("for").is_some() {
                asked.push(request.attributes.with_verb(Verb::Watch));
            }
            asked
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// Judges a request of a client of the listed policy, and says why.
pub fn explain<'l, 'a>(
    listing: &'l Listing,
    client: &'l Client,
    attempt: &Attempt<'a>,
) -> Explanation<'l, 'a> {
    let judged = judge(&listing.loaded.policy, client, attempt);
    let request = Request::parse(attempt.method.as_bytes(), attempt.target.as_bytes()).ok();
    let about_rules = match &judged {
        Ok(_) => true,
        Err(Refusal::Forbidden(_)) => request.as_ref().is_some_and(|r| !is_stream(r)),
        Err(_) => false,
    };
    let needs: Vec<Need<'_, '_>> = match &request {
        Some(request) if about_rules => attempt
            .asked(&request.attributes)
            .into_iter()
            .map(|attributes| Need::new(listing, client, attributes))
            .collect(),
        _ => Vec::new(),
    };
    let remedy = remedy(&needs);
    let depends_on_body =
        judged.is_ok() && depends_on_body(&listing.loaded.policy, client, attempt);
    let account = client.account();
    Explanation { account, request, judged, depends_on_body, needs, remedy }
}

fn is_stream(request: &Request<'_>) -> bool {
    match &request.attributes {
        Attributes::NonResource { .. } => false,
        Attributes::Resource(resource) => Streaming::of(resource.subresource).is_some(),
    }
}

/// The first of these, from the smallest on, that is a valid rule and allows all
/// that is denied.
fn remedy(needs: &[Need<'_, '_>]) -> Option<RuleText> {
    let denied: Vec<_> = needs.iter().filter(|need| need.allowed_by.is_empty()).collect();
    let verbs: Vec<Verb> = denied.iter().map(|need| need.attributes.verb()).collect();
    let all: Vec<Verb> = needs.iter().map(|need| need.attributes.verb()).collect();
    let attributes = &denied.first()?.attributes;
    let candidates = match attributes {
        Attributes::NonResource { path, .. } => [
            Some(RuleText::NonResource {
                urls: [(*path).to_owned()].into(),
                verbs: words(&verbs),
                terms: String::new(),
            }),
            None,
            None,
        ],
        Attributes::Resource(resource) => {
            let named = !resource.name.is_empty();
            [
                named.then(|| rule(resource, &verbs, named)),
                // `create` goes with names only beside the `patch` of server-side apply.
                named.then(|| rule(resource, &all, named)),
                Some(rule(resource, &verbs, false)),
            ]
        }
    };
    candidates.into_iter().flatten().find(|candidate| {
        let read = ListedRule::read(&candidate.to_string());
        read.is_ok_and(|rule| denied.iter().all(|need| rule.allows(&need.attributes)))
    })
}

fn rule(attributes: &ResourceAttributes<'_>, verbs: &[Verb], named: bool) -> RuleText {
    let ResourceAttributes { group, namespace, resource, subresource, name, .. } = attributes;
    let scope = match *namespace {
        "" => RuleScope::Cluster,
        namespace => RuleScope::Namespaces([namespace.to_owned()].into()),
    };
    let resource = match *subresource {
        "" => (*resource).to_owned(),
        subresource => [*resource, subresource].join("/"),
    };
    RuleText::Resource {
        scope,
        groups: [(*group).to_owned()].into(),
        resources: [resource].into(),
        names: named.then(|| [name.clone().into_owned()].into()),
        verbs: words(verbs),
        terms: String::new(),
    }
}

fn words(verbs: &[Verb]) -> Vec<String> {
    verbs.iter().map(Verb::to_string).collect()
}

// === impl Attempt ===

impl Attempt<'_> {
    fn head(&self) -> (HeaderList, Body) {
        let of_body = self.content_type.map(|value| ("content-type", value));
        let headers = [(":method", self.method), (":path", self.target)];
        let headers = headers.into_iter().chain(of_body).collect();
        let has_body = self.content_type.is_some() || self.body.is_some();
        let body = if has_body { Body::Follows } else { Body::Empty };
        (headers, body)
    }

    /// All that [`admit::authorize`] asks the policy, were it to go on after a denial.
    fn asked<'a>(&self, attributes: &Attributes<'a>) -> Vec<Attributes<'a>> {
        let mut asked = [attributes.clone()].to_vec();
        let essence = self.content_type.and_then(|given| given.split(';').next());
        let applies = essence.is_some_and(|e| e.trim().eq_ignore_ascii_case(media::APPLY));
        if attributes.verb() == Verb::Patch && applies {
            asked.push(attributes.with_verb(Verb::Create));
        }
        asked
    }
}

// === impl Need ===

impl<'l, 'a> Need<'l, 'a> {
    fn new(listing: &'l Listing, client: &Client, attributes: Attributes<'a>) -> Self {
        let rules = || listing.rules_of(client).map(|(role, rule)| RuleAt { role, rule });
        let allowed_by: Vec<_> = match listing.loaded.policy.authorize(client, &attributes) {
            Ok(_) => rules().filter(|at| at.rule.allows(&attributes)).collect(),
            Err(_) => Vec::new(),
        };
        let nearest = rules()
            .filter_map(|at| Some(Miss { at, differing: at.rule.differing(&attributes)? }))
            .filter(|miss| !miss.differing.is_empty())
            .min_by_key(|miss| Dimension::distance(&miss.differing));
        Self { attributes, allowed_by, nearest }
    }
}
