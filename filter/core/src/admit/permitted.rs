//! What is asked, once it is known by whom: allowed, or not, or for some bodies only.

use alloc::vec::Vec;

use crate::inspection::Inspection;
use crate::policy::constraints::Target;
use crate::policy::grant::{Conditions, Grant};
use crate::policy::{Client, NoRule, Policy};
use crate::refusal::{Denial, Refusal};
use crate::request::attributes::Attributes;
use crate::request::carried::Carried;
use crate::request::defaults;
use crate::request::head::{Body, Head};
use crate::request::media;
use crate::request::streaming::Streaming;
use crate::request::verb::Verb;
use crate::request::{Method, Request};
use crate::upstream::{self, Headers};

/// What a permitted request is forwarded as.
#[derive(Debug)]
pub(crate) struct Permitted<'a> {
    pub(super) headers: Headers<'a>,
    carried: Option<Carried>,
    /// What it would have been refused with.
    pub(super) reported: Option<Refusal>,
    /// What its body has to keep, all of them, each with the denial otherwise.
    conditions: Vec<(Conditions, Denial)>,
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
