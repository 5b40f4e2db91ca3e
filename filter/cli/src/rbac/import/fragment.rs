//! The `roles` of a policy, with comments.

use std::collections::BTreeSet;
use std::fmt;

use super::objects::{Binding, Role};
use super::place::Place;
use super::translate::Translated;

/// As YAML, its `Display` is a policy's `roles`.
pub(super) struct Fragment<'o> {
    pub(super) imported: Vec<Imported<'o>>,
    /// They bind roles that are not in the input.
    pub(super) without_role: Vec<&'o Binding>,
    pub(super) for_account: bool,
}

pub(super) struct Imported<'o> {
    pub(super) role: &'o Role,
    pub(super) place: Place,
    pub(super) rules: Vec<Translated>,
}

/// Text that stays on its line, whatever is in it.
struct Line<T>(T);

// === impl Fragment ===

impl Fragment<'_> {
    /// What the fragment does not say, though the objects do.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        let of_roles = self.imported.iter().flat_map(|imported| {
            let id = &imported.role.id;
            imported.warnings().map(move |warning| Line(format!("{id}: {warning}")).to_string())
        });
        of_roles.chain(self.without_role.iter().map(|binding| missing(binding)))
    }
}

fn missing(binding: &Binding) -> String {
    Line(format!("{}: the {} is not in the input", binding.id, binding.role())).to_string()
}

impl fmt::Display for Fragment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = BTreeSet::new();
        let named = self.imported.iter().map(|imported| {
            let name = imported.has_rules().then(|| unused(&imported.role.id.name, &mut names));
            (imported, name)
        });
        let named: Vec<(&Imported<'_>, Option<String>)> = named.collect();
        let all: Vec<&str> = named.iter().filter_map(|(_, name)| name.as_deref()).collect();
        if self.for_account {
            writeln!(f, "# For the client of this account: roles: [{}]", all.join(", "))?;
        }
        for binding in &self.without_role {
            writeln!(f, "# {}", missing(binding))?;
        }
        f.write_str(if all.is_empty() { "roles: []\n" } else { "roles:\n" })?;
        for (Imported { role, place, rules }, name) in named {
            writeln!(f, "# {}", Line(format!("{}, {place}", role.id)))?;
            if role.aggregated {
                writeln!(f, "# {AGGREGATED}")?;
            }
            match name {
                Some(name) => writeln!(f, "- name: {name:?}\n  rules:")?,
                None => writeln!(f, "# None of its rules can be said here.")?,
            }
            for Translated { rules, less } in rules {
                for less in less {
                    writeln!(f, "  # {}", Line(less))?;
                }
                for rule in rules {
                    writeln!(f, "  - {rule}")?;
                }
            }
        }
        Ok(())
    }
}

const AGGREGATED: &str = "its rules are those of other ClusterRoles together (`aggregationRule`), as they were when this was made";

/// A name of the policy's own for an RBAC role: of letters, digits and `-`.
fn unused(name: &str, names: &mut BTreeSet<String>) -> String {
    let plain = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let short: String = plain.trim_matches('-').chars().take(50).collect();
    let base = match short.trim_end_matches('-') {
        "" => "role",
        base => base,
    };
    let numbered = (2..).map(|number: u32| format!("{base}-{number}"));
    let mut candidates = [base.to_owned()].into_iter().chain(numbered);
    let name = candidates.find(|name| !names.contains(name)).unwrap_or_default();
    names.insert(name.clone());
    name
}

// === impl Imported ===

impl Imported<'_> {
    fn has_rules(&self) -> bool {
        self.rules.iter().any(|translated| !translated.rules.is_empty())
    }

    fn warnings(&self) -> impl Iterator<Item = String> {
        let aggregated = self.role.aggregated.then(|| AGGREGATED.to_owned());
        let less = self.rules.iter().enumerate().flat_map(|(index, translated)| {
            translated.less.iter().map(move |less| format!("rules[{index}]: {less}"))
        });
        aggregated.into_iter().chain(less)
    }
}

// === impl Line ===

impl<T: fmt::Display> fmt::Display for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        f.write_str(&self.0.to_string().replace(ends, " "))
    }
}
