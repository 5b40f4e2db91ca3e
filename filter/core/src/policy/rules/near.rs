//! How far a request is from what rules allow: for explanations, never for a
//! decision.

use alloc::vec::Vec;

use super::{PathPattern, Pattern, Place, Question, Rules, Stars, path_patterns};
use crate::policy::names::NameId;

/// One thing in which a rule and a request can differ.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Dimension {
    ApiGroup,
    Namespace,
    Path,
    Resource,
    ResourceName,
    Verb,
}

/// Compares first the number of dimensions, then how much they matter.
type Distance = (usize, u32);

// === impl Dimension ===

impl Dimension {
    /// A rule for other verbs on the same object is nearer than one for the same
    /// verbs on another object.
    const fn weight(self) -> u32 {
        match self {
            Self::Verb => 1,
            Self::ResourceName => 2,
            Self::Namespace => 3,
            Self::ApiGroup => 4,
            Self::Path | Self::Resource => 5,
        }
    }

    pub(crate) fn distance(differing: &[Self]) -> Distance {
        (differing.len(), differing.iter().map(|dimension| dimension.weight()).sum())
    }
}

// === impl Rules ===

impl Rules {
    /// In what these rules, at their nearest, differ from what is asked; nothing
    /// exactly if they allow it. `None` if they are about another kind of thing.
    ///
    /// Looks at every entry: fit for a person who waits, not for a request.
    pub(crate) fn differing(&self, question: &Question<'_>) -> Option<Vec<Dimension>> {
        let nearest = |a: &Vec<Dimension>| Dimension::distance(a);
        match question {
            Question::NonResource { names, path, verb } => self
                .paths()
                .map(|(pattern, verbs, _)| {
                    let covers = path_patterns(names, path).any(|p: PathPattern| p == pattern);
                    differing([
                        (Dimension::Path, covers),
                        (Dimension::Verb, verbs.contains(*verb)),
                    ])
                })
                .min_by_key(nearest),
            Question::Resource { places, verb } => self
                .resources()
                .flat_map(|(pattern, verbs, _)| {
                    places.iter().flatten().map(move |place| (pattern, verbs, place))
                })
                .map(|(pattern, verbs, place)| {
                    differing(
                        place
                            .compare(pattern)
                            .into_iter()
                            .chain([(Dimension::Verb, verbs.contains(*verb))]),
                    )
                })
                .min_by_key(nearest),
        }
    }
}

fn differing(compared: impl IntoIterator<Item = (Dimension, bool)>) -> Vec<Dimension> {
    compared.into_iter().filter(|(_, same)| !same).map(|(dimension, _)| dimension).collect()
}

// === impl Place ===

impl Place {
    fn compare(&self, rule: Pattern) -> [(Dimension, bool); 4] {
        let asked = self.pattern;
        let covers = |rule: NameId, asked, star: Stars| {
            rule == asked || (rule == NameId::ANY && star.within(self.allowed))
        };
        let resource = covers(rule.resource, asked.resource, Stars::RESOURCE)
            && rule.subresource == asked.subresource;
        [
            (Dimension::ApiGroup, covers(rule.group, asked.group, Stars::GROUP)),
            (Dimension::Namespace, covers(rule.scope, asked.scope, Stars::SCOPE)),
            (Dimension::Resource, resource),
            (Dimension::ResourceName, covers(rule.name, asked.name, Stars::NAME)),
        ]
    }
}
