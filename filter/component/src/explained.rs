//! Why a request is allowed or denied.

use keyhole_core::{
    Attempt, Attributes, Difference, Explanation, Listing, Need, Refusal, ResourceAttributes,
    RuleAt, explain as explain_natively,
};

use crate::{number, wit};

/// What the lines that people are told of are lines of.
const FILE: &str = "policy";

pub(crate) fn explain(
    listing: &Listing,
    request: &wit::Request,
) -> Result<wit::Explanation, String> {
    let wit::Request { client, method, target, content_type, body } = request;
    let client = listing.client(client).ok_or_else(|| no_client(listing, client))?;
    let content_type = content_type.as_deref();
    let attempt = Attempt { method, target, content_type, body: body.as_deref() };
    let explanation = explain_natively(listing, client, &attempt);
    let Explanation { account, request, judged, depends_on_body, needs, remedy } = &explanation;
    let (decision, refusal) = match judged {
        Ok(None) if *depends_on_body => (wit::Decision::DependsOnBody, None),
        Ok(None) => (wit::Decision::Allowed, None),
        Ok(Some(refusal)) => (wit::Decision::Reported, Some(refusal)),
        Err(refusal @ Refusal::Forbidden(_)) => (wit::Decision::Denied, Some(refusal)),
        Err(refusal) => (wit::Decision::Refused, Some(refusal)),
    };
    Ok(wit::Explanation {
        decision,
        status: judged.as_ref().err().map(|refusal| refusal.reply().code),
        reason: refusal.map(Refusal::to_string),
        account: account.to_string(),
        attributes: request.as_ref().map(|request| (&request.attributes).into()),
        needs: needs.iter().map(wit::Need::from).collect(),
        smallest_rule: remedy.as_ref().map(ToString::to_string),
        words: explanation.words(FILE).to_string(),
    })
}

fn no_client(listing: &Listing, name: &str) -> String {
    let names: Vec<&str> = listing.client_names().map(|name| &**name).collect();
    match names.is_empty() {
        true => format!("no client `{name}` is in the policy: it has none"),
        false => {
            let names = names.join("`, `");
            format!("no client `{name}` is in the policy: write one of `{names}`")
        }
    }
}

// === impl wit::Attributes ===

impl From<&Attributes<'_>> for wit::Attributes {
    fn from(attributes: &Attributes<'_>) -> Self {
        let verb = attributes.verb().to_string();
        match attributes {
            Attributes::NonResource { path, verb: _ } => {
                Self::Path(wit::PathAttributes { verb, path: (*path).to_owned() })
            }
            Attributes::Resource(ResourceAttributes {
                verb: _,
                group,
                version,
                namespace,
                resource,
                subresource,
                name,
            }) => Self::Resource(wit::ResourceAttributes {
                verb,
                api_group: (*group).to_owned(),
                api_version: (*version).to_owned(),
                namespace: (*namespace).to_owned(),
                resource: (*resource).to_owned(),
                subresource: (*subresource).to_owned(),
                name: name.clone().into_owned(),
            }),
        }
    }
}

// === impl wit::Need ===

impl From<&Need<'_, '_>> for wit::Need {
    fn from(need: &Need<'_, '_>) -> Self {
        let Need { attributes, allowed_by, nearest } = need;
        let nearest = nearest.as_ref().map(|miss| wit::Miss {
            rule: (&miss.at).into(),
            differences: need.differences().into_iter().map(wit::Difference::from).collect(),
        });
        let allowed_by = allowed_by.iter().map(wit::Rule::from).collect();
        Self { verb: attributes.verb().to_string(), allowed_by, nearest }
    }
}

// === impl wit::Rule ===

impl From<&RuleAt<'_>> for wit::Rule {
    fn from(at: &RuleAt<'_>) -> Self {
        let RuleAt { role, rule } = at;
        Self {
            role: (*role).to_owned(),
            line: number(rule.line),
            column: number(rule.column),
            field: rule.field.clone(),
            text: rule.text.to_string(),
        }
    }
}

// === impl wit::Difference ===

impl From<Difference> for wit::Difference {
    fn from(difference: Difference) -> Self {
        let Difference { dimension, asked, has, note } = difference;
        let note = Some(note).filter(|note| !note.is_empty()).map(str::to_owned);
        Self { field: dimension.to_string(), asked, has, note }
    }
}
