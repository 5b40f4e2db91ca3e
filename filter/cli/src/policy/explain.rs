//! `keyhole policy explain`.

use std::path::{Path, PathBuf};

use clap::Args;
use keyhole_core::{
    Attempt, Attributes, Client, Dimension, Explanation, Miss, Need, Refusal, RuleAt,
    RuleScope, RuleText, explain,
};

use super::{client, listing, read};
use crate::Outcome;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The policy document: YAML or JSON.
    file: PathBuf,
    /// The client that asks, by its name in the policy. Its key is taken for valid.
    #[arg(long)]
    client: String,
    /// The request has a body of this type. Server-side apply
    /// (application/apply-patch+yaml) needs `create` beside `patch`.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The body, for rules with `constraints`; in JSON, if there is no --content-type.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// GET, POST, PUT, PATCH or DELETE.
    method: String,
    /// The path and query, such as /api/v1/namespaces/default/pods?limit=5.
    target: String,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { file, client: name, content_type, body, method, target } = arguments;
    let listing = listing(file)?;
    let client = client(&listing.loaded.policy, name)?;
    let body = body.as_deref().map(read).transpose()?;
    let body = body.as_deref().map(str::as_bytes);
    let attempt = Attempt { method, target, content_type: content_type.as_deref(), body };
    let explanation = explain(&listing, client, &attempt);
    print!("{}", written(file, client, &explanation));
    Ok(match explanation.judged {
        Ok(_) => Outcome::Done,
        Err(_) => Outcome::Denied,
    })
}

fn written(file: &Path, client: &Client, explanation: &Explanation<'_, '_>) -> String {
    let Explanation { request, judged, depends_on_body, needs, remedy } = explanation;
    let mut text = match judged {
        Ok(None) if *depends_on_body => format!(
            "allowed if the body keeps the constraints (see with --body), as the ServiceAccount {}\n",
            client.account()
        ),
        Ok(None) => format!("allowed, as the ServiceAccount {}\n", client.account()),
        Ok(Some(refusal)) => format!(
            "allowed and reported, as the ServiceAccount {}: if all were enforced, {}",
            client.account(),
            verdict(refusal)
        ),
        Err(refusal) => verdict(refusal),
    };
    if let Some(request) = request {
        text.push_str(&read_as(&request.attributes));
    }
    let allowed = needs.iter().all(|need| !need.allowed_by.is_empty());
    let of_body = judged.is_err() && allowed;
    for need in needs {
        text.push_str(&reason(file, need, of_body));
    }
    if let Some(rule) = remedy {
        text.push_str(&format!("the smallest rule that would allow it:\n  - {rule}\n"));
    } else if needs.iter().any(|need| need.allowed_by.is_empty()) {
        text.push_str("no rule can allow it: a name in it is none that Kubernetes has\n");
    }
    text
}

fn verdict(refusal: &Refusal) -> String {
    let code = refusal.reply().code;
    let word = if matches!(refusal, Refusal::Forbidden(_)) { "denied" } else { "refused" };
    format!("{word}, {code}: {refusal}\n")
}

fn read_as(attributes: &Attributes<'_>) -> String {
    let fields = match attributes {
        Attributes::NonResource { path, verb } => {
            vec![("verb", verb.as_str()), ("path", *path)]
        }
        Attributes::Resource(resource) => vec![
            ("verb", resource.verb.as_str()),
            ("namespace", or(resource.namespace, "none: the cluster scope")),
            ("apiGroup", or(resource.group, "\"\"")),
            ("resource", resource.resource),
            ("subresource", or(resource.subresource, "none")),
            ("resourceName", or(&resource.name, "none")),
        ],
    };
    let lines = fields.iter().map(|(name, value)| format!("  {name:<13}{value}\n"));
    format!("read as\n{}", lines.collect::<String>())
}

fn or<'a>(text: &'a str, empty: &'a str) -> &'a str {
    if text.is_empty() { empty } else { text }
}

/// `of_body`: the request is denied for its body.
fn reason(file: &Path, need: &Need<'_, '_>, of_body: bool) -> String {
    let Need { attributes, allowed_by, nearest } = need;
    let verb = attributes.verb();
    match (allowed_by.as_slice(), nearest) {
        ([], None) => format!("{verb}: the client has no rule for requests of this kind\n"),
        ([], Some(Miss { at, differing })) => {
            let differing =
                differing.iter().map(|dimension| difference(*dimension, attributes, at));
            let differing = differing.collect::<String>();
            format!("{verb}: denied; the nearest rule is\n{}{differing}", place(file, at))
        }
        (rules, _) => {
            let rules = rules.iter().map(|at| place(file, at)).collect::<String>();
            let word = if of_body { "for other bodies allowed by" } else { "allowed by" };
            format!("{verb}: {word}\n{rules}")
        }
    }
}

fn place(file: &Path, at: &RuleAt<'_>) -> String {
    let RuleAt { role, rule } = at;
    let (file, line, field, text) = (file.display(), rule.line, &rule.field, &rule.text);
    format!("  {file}:{line}: {field}, of the role {role}\n    {text}\n")
}

/// What was asked, and what the rule has instead.
fn difference(dimension: Dimension, attributes: &Attributes<'_>, at: &RuleAt<'_>) -> String {
    let (asked, has) = (asked(dimension, attributes), has(dimension, &at.rule.text));
    let star = match dimension {
        Dimension::Verb => "`*` does not cover `watch`",
        Dimension::Resource => "`*` covers no subresource, and no namespace itself",
        Dimension::Namespace => "`*` covers neither the cluster scope nor a namespace itself",
        _ => "",
    };
    let star =
        if has.iter().any(|word| word == "*") { format!(" ({star})") } else { String::new() };
    let name = name(dimension);
    format!("    {name}: asked for {asked}, the rule has {}{star}\n", has.join(", "))
}

const fn name(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::ApiGroup => "apiGroup",
        Dimension::Namespace => "namespace",
        Dimension::Path => "path",
        Dimension::Resource => "resource",
        Dimension::ResourceName => "resourceName",
        Dimension::Verb => "verb",
    }
}

fn asked(dimension: Dimension, attributes: &Attributes<'_>) -> String {
    let text = match attributes {
        Attributes::NonResource { path, verb } => match dimension {
            Dimension::Verb => verb.as_str(),
            _ => path,
        },
        Attributes::Resource(resource) => match dimension {
            Dimension::ApiGroup => or(resource.group, "\"\""),
            Dimension::Namespace => or(resource.namespace, "the cluster scope"),
            Dimension::Path | Dimension::Resource if resource.subresource.is_empty() => {
                resource.resource
            }
            Dimension::Path | Dimension::Resource => {
                return format!("{}/{}", resource.resource, resource.subresource);
            }
            Dimension::ResourceName => or(&resource.name, "none"),
            Dimension::Verb => resource.verb.as_str(),
        },
    };
    text.to_owned()
}

fn has(dimension: Dimension, rule: &RuleText) -> Vec<String> {
    match (rule, dimension) {
        (_, Dimension::Verb) => rule.verbs().to_vec(),
        (RuleText::NonResource { urls, .. }, _) => urls.clone(),
        (RuleText::Resource { groups, .. }, Dimension::ApiGroup) => {
            groups.iter().map(|group| or(group, "\"\"").to_owned()).collect()
        }
        (RuleText::Resource { scope, .. }, Dimension::Namespace) => match scope {
            RuleScope::Cluster => vec!["the cluster scope".to_owned()],
            RuleScope::Namespaces(namespaces) => namespaces.clone(),
        },
        (RuleText::Resource { names, .. }, Dimension::ResourceName) => {
            names.clone().unwrap_or_default()
        }
        (RuleText::Resource { resources, .. }, _) => resources.clone(),
    }
}
