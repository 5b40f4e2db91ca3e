//! One request, from its head to what the host is to do with it.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::account::Account;
use crate::attributes::Attributes;
use crate::head::{Body, Head, Header};
use crate::policy::{Client, KeyRefused, Permit, Policy};
use crate::refusal::{Forbidden, Refusal, Refused, Why};
use crate::request::{Method, Request, RequestError};
use crate::streaming::Streaming;
use crate::time::UnixTime;
use crate::token::Token;
use crate::tokens::Tokens;
use crate::upstream::{self, Headers};

/// How far a request has come.
#[derive(Debug)]
pub enum Progress<'a> {
    Done(Verdict<'a>),
    /// Permitted, but there is no token yet.
    Pending(Pending),
}

/// What the host is to do.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// Replace the whole header list by this one and let the request go.
    Forward(Forward<'a>),
    Refuse(Refused),
}

/// The header list of a permitted request, credential included.
///
/// INVARIANT: made from a [`Permit`] and a valid token of its account only.
pub struct Forward<'a> {
    headers: Headers<'a>,
}

/// A permitted request that waits for a token. It can be resumed once.
#[derive(Debug)]
pub struct Pending {
    account: Account,
    client: String,
    headers: Headers<'static>,
}

/// Judges a request. Every path through here that is not a [`Forward`] refuses.
pub fn admit<'a>(
    policy: &Policy,
    headers: &'a [Header],
    body: Body,
    tokens: &mut Tokens,
    now: UnixTime,
) -> Progress<'a> {
    let refuse = |client: Option<&Client>, refusal| {
        let client = client.map(|client| client.name().to_owned());
        Progress::Done(Verdict::Refuse(Refused { client, refusal }))
    };
    let (head, client) = match identify(policy, headers, body, now) {
        Ok(identified) => identified,
        Err(refusal) => return refuse(None, refusal),
    };
    let (permit, headers) = match authorize(policy, client, &head) {
        Ok(permitted) => permitted,
        Err(refusal) => return refuse(Some(client), refusal),
    };
    let account = permit.client().account();
    match tokens.get(account, now) {
        Ok(Some(token)) => Progress::Done(Verdict::Forward(Forward::new(headers, token))),
        Ok(None) => Progress::Pending(Pending::new(permit, headers)),
        Err(failure) => {
            let account = Box::new(account.clone());
            refuse(Some(client), Refusal::Token { account, failure })
        }
    }
}

fn identify<'a, 'p>(
    policy: &'p Policy,
    headers: &'a [Header],
    body: Body,
    now: UnixTime,
) -> Result<(Head<'a>, &'p Client), Refusal> {
    let head = Head::parse(headers, body)?;
    let key = head.key()?.ok_or(KeyRefused::Missing)?;
    let client = policy.identify(key, now)?;
    Ok((head, client))
}

fn authorize<'a, 'p>(
    policy: &Policy,
    client: &'p Client,
    head: &Head<'a>,
) -> Result<(Permit<'p>, Headers<'a>), Refusal> {
    let request = Request::parse(head.method, head.target)?;
    let forbidden = |why| {
        let forbidden = Forbidden::new(client.name(), &request.attributes, why);
        Refusal::Forbidden(Box::new(forbidden))
    };
    if let Attributes::Resource(resource) = &request.attributes
        && let Some(streaming) = Streaming::of(resource.subresource)
    {
        return Err(forbidden(Why::Streaming(streaming)));
    }
    let target = request.target().map_err(RequestError::from)?;
    let permit =
        policy.authorize(client, &request.attributes).map_err(|_| forbidden(Why::NoRule))?;
    if (request.method, head.body) == (Method::Get, Body::Follows) {
        return Err(Refusal::BodyOnGet);
    }
    let headers = upstream::headers(head, request.method, target, client.name())?;
    Ok((permit, headers))
}

// === impl Forward ===

impl<'a> Forward<'a> {
    fn new(mut headers: Headers<'a>, token: &Token) -> Self {
        headers.push(("authorization", Cow::Owned(token.bearer().into_bytes())));
        Self { headers }
    }

    pub fn headers(&self) -> Vec<(&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (*name, &**value)).collect()
    }
}

/// Without the values: one of them is the token.
impl core::fmt::Debug for Forward<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}

// === impl Pending ===

impl Pending {
    fn new(permit: Permit<'_>, headers: Headers<'_>) -> Self {
        let client = permit.client();
        let owned = |(name, value): (_, Cow<'_, [u8]>)| (name, Cow::Owned(value.into_owned()));
        Self {
            account: client.account().clone(),
            client: client.name().to_owned(),
            headers: headers.into_iter().map(owned).collect(),
        }
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Ends the wait with the account's token, or with the reason why there is
    /// none; or goes on waiting.
    pub fn resume(self, tokens: &mut Tokens, now: UnixTime) -> Progress<'static> {
        match tokens.get(&self.account, now) {
            Ok(Some(token)) => {
                Progress::Done(Verdict::Forward(Forward::new(self.headers, token)))
            }
            Ok(None) => Progress::Pending(self),
            Err(failure) => {
                let account = Box::new(self.account.clone());
                Progress::Done(self.refuse(Refusal::Token { account, failure }))
            }
        }
    }

    pub(crate) fn refuse(self, refusal: Refusal) -> Verdict<'static> {
        Verdict::Refuse(Refused { client: Some(self.client), refusal })
    }
}
