//! An explanation as people read it.

use core::fmt;

use super::difference::or;
use super::{Explanation, Need, RuleAt};
use crate::refusal::Refusal;
use crate::request::attributes::Attributes;

/// `Display` writes all of an explanation.
#[derive(Debug)]
pub struct Words<'e> {
    explanation: &'e Explanation<'e, 'e>,
    /// What the policy's lines are lines of.
    file: &'e str,
}

// === impl Explanation ===

impl Explanation<'_, '_> {
    pub fn words<'e>(&'e self, file: &'e str) -> Words<'e> {
        Words { explanation: self, file }
    }
}

// === impl Words ===

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { request, judged, needs, remedy, .. } = self.explanation;
        self.decision(f)?;
        if let Some(request) = request {
            read_as(f, &request.attributes)?;
        }
        let allowed = needs.iter().all(|need| !need.allowed_by.is_empty());
        let of_body = judged.is_err() && allowed;
        needs.iter().try_for_each(|need| self.reason(f, need, of_body))?;
        match remedy {
            Some(rule) => writeln!(f, "the smallest rule that would allow it:\n  - {rule}"),
            None if allowed => Ok(()),
            None => {
                f.write_str("no rule can allow it: a name in it is none that Kubernetes has\n")
            }
        }
    }
}

impl Words<'_> {
    fn decision(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { judged, depends_on_body, account, .. } = self.explanation;
        match judged {
            Ok(None) if *depends_on_body => writeln!(
                f,
                "allowed if the body keeps the constraints (see with --body), as the ServiceAccount {account}"
            ),
            Ok(None) => writeln!(f, "allowed, as the ServiceAccount {account}"),
            Ok(Some(refusal)) => {
                write!(
                    f,
                    "allowed and reported, as the ServiceAccount {account}: if all were enforced, "
                )?;
                verdict(f, refusal)
            }
            Err(refusal) => verdict(f, refusal),
        }
    }

    /// `of_body`: the request is denied for its body.
    fn reason(
        &self,
        f: &mut fmt::Formatter<'_>,
        need: &Need<'_, '_>,
        of_body: bool,
    ) -> fmt::Result {
        let Need { attributes, allowed_by, nearest } = need;
        let verb = attributes.verb();
        match (allowed_by.as_slice(), nearest) {
            ([], None) => {
                writeln!(f, "{verb}: the client has no rule for requests of this kind")
            }
            ([], Some(miss)) => {
                writeln!(f, "{verb}: denied; the nearest rule is")?;
                self.place(f, &miss.at)?;
                let mut differences = need.differences().into_iter();
                differences.try_for_each(|difference| writeln!(f, "    {difference}"))
            }
            (rules, _) => {
                let word = if of_body { "for other bodies allowed by" } else { "allowed by" };
                writeln!(f, "{verb}: {word}")?;
                rules.iter().try_for_each(|at| self.place(f, at))
            }
        }
    }

    fn place(&self, f: &mut fmt::Formatter<'_>, at: &RuleAt<'_>) -> fmt::Result {
        let RuleAt { role, rule } = at;
        let (file, line, field, text) = (self.file, rule.line, &rule.field, &rule.text);
        writeln!(f, "  {file}:{line}: {field}, of the role {role}\n    {text}")
    }
}

fn verdict(f: &mut fmt::Formatter<'_>, refusal: &Refusal) -> fmt::Result {
    let code = refusal.reply().code;
    let word = if matches!(refusal, Refusal::Forbidden(_)) { "denied" } else { "refused" };
    writeln!(f, "{word}, {code}: {refusal}")
}

fn read_as(f: &mut fmt::Formatter<'_>, attributes: &Attributes<'_>) -> fmt::Result {
    f.write_str("read as\n")?;
    let mut field = |name: &str, value: &str| writeln!(f, "  {name:<13}{value}");
    field("verb", attributes.verb().as_str())?;
    match attributes {
        Attributes::NonResource { path, .. } => field("path", path),
        Attributes::Resource(resource) => {
            field("namespace", or(resource.namespace, "none: the cluster scope"))?;
            field("apiGroup", or(resource.group, "\"\""))?;
            field("resource", resource.resource)?;
            field("subresource", or(resource.subresource, "none"))?;
            field("resourceName", or(&resource.name, "none"))
        }
    }
}
