//! The compiled rules of a role, as a table that is looked up, never scanned.
//!
//! A rule is a product (scopes x groups x resources x names) of patterns, each
//! dimension of which is one exact value or `*`. There are 16 ways to choose
//! where the stars are; each role knows which of them occur in it, and a
//! decision makes one hash lookup for each of these. This is tuple space search
//! (Srinivasan, Suri, Varghese: "Packet Classification using Tuple Space
//! Search", SIGCOMM 1999): its cost does not depend on the number of rules.

pub(crate) mod near;

use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::policy::grant::Terms;
use crate::policy::names::{NameId, Names};
use crate::request::attributes::{Attributes, ResourceAttributes};
use crate::request::verb::{Verb, VerbSet};

/// What one role allows. Empty allows nothing.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    resources: HashMap<Pattern, VerbSet>,
    paths: HashMap<PathPattern, VerbSet>,
    /// What is allowed on terms. Looked at only if nothing above allows a request.
    resources_on: HashMap<Pattern, Vec<OnTerms>>,
    paths_on: HashMap<PathPattern, Vec<OnTerms>>,
    stars: StarsUsed,
}

/// What one rule allows at one point of its product.
type OnTerms = (VerbSet, Terms);

/// One point of a rule's product. `scope` is a namespace, [`NameId::ANY`] for
/// any namespace, or [`NameId::NONE`] for the cluster scope, which `ANY` does
/// not include. `subresource` is never `ANY`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Pattern {
    pub(crate) scope: NameId,
    pub(crate) group: NameId,
    pub(crate) resource: NameId,
    pub(crate) subresource: NameId,
    pub(crate) name: NameId,
}

/// A non-resource path, or everything below one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum PathPattern {
    Below(NameId),
    Exactly(NameId),
}

/// Which dimensions of a pattern are `*`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Stars(u8);

/// The set of star combinations that occur in a role, a bit each.
#[derive(Clone, Copy, Debug, Default)]
struct StarsUsed(u16);

/// A question to the tables of one policy: the attributes of a request, interned
/// once for all roles of a client.
#[derive(Debug)]
pub(crate) enum Question<'a> {
    NonResource { names: &'a Names, path: &'a str, verb: Verb },
    Resource { places: [Option<Place>; 2], verb: Verb },
}

/// A place to look an object up, and the dimensions in which a star may stand for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pattern: Pattern,
    allowed: Stars,
}

// === impl Rules ===

impl Rules {
    pub(crate) fn allow_resource(&mut self, pattern: Pattern, verbs: VerbSet, terms: &Terms) {
        if verbs == VerbSet::default() {
            return;
        }
        self.stars.insert(pattern.stars());
        match terms.are_plain() {
            true => {
                let entry = self.resources.entry(pattern).or_default();
                *entry = entry.union(verbs);
            }
            false => {
                self.resources_on.entry(pattern).or_default().push((verbs, terms.clone()));
            }
        }
    }

    pub(crate) fn allow_path(&mut self, path: PathPattern, verbs: VerbSet, terms: &Terms) {
        match terms.are_plain() {
            true => {
                let entry = self.paths.entry(path).or_default();
                *entry = entry.union(verbs);
            }
            false => self.paths_on.entry(path).or_default().push((verbs, terms.clone())),
        }
    }

    /// Whether a rule without terms allows it.
    pub(crate) fn allow(&self, question: &Question<'_>) -> bool {
        match question {
            Question::NonResource { names, path, verb } => {
                path_patterns(names, path).any(|pattern| {
                    self.paths.get(&pattern).is_some_and(|verbs| verbs.contains(*verb))
                })
            }
            Question::Resource { places, verb } => self.patterns(places).any(|pattern| {
                self.resources.get(&pattern).is_some_and(|verbs| verbs.contains(*verb))
            }),
        }
    }

    /// On what terms other rules allow it.
    pub(crate) fn terms(&self, question: &Question<'_>) -> Vec<&Terms> {
        let found: Vec<&OnTerms> = match question {
            Question::NonResource { names, path, .. } => path_patterns(names, path)
                .filter_map(|pattern| self.paths_on.get(&pattern))
                .flatten()
                .collect(),
            Question::Resource { places, .. } => self
                .patterns(places)
                .filter_map(|pattern| self.resources_on.get(&pattern))
                .flatten()
                .collect(),
        };
        let about = found.into_iter().filter(|(verbs, _)| verbs.contains(question.verb()));
        about.map(|(_, terms)| terms).collect()
    }

    /// All that these allow, and on what terms, for whoever lists it.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (Pattern, VerbSet, Terms)> {
        all(&self.resources, &self.resources_on)
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = (PathPattern, VerbSet, Terms)> {
        all(&self.paths, &self.paths_on)
    }

    /// Where to look, given the stars that occur.
    fn patterns(&self, places: &[Option<Place>; 2]) -> impl Iterator<Item = Pattern> {
        places.iter().flatten().flat_map(|place| {
            let stars = self.stars.iter().filter(|stars| stars.within(place.allowed));
            stars.map(|stars| place.pattern.starred(stars))
        })
    }
}

fn all<P: Copy>(
    plain: &HashMap<P, VerbSet>,
    on_terms: &HashMap<P, Vec<OnTerms>>,
) -> impl Iterator<Item = (P, VerbSet, Terms)> {
    let plain = plain.iter().map(|(pattern, verbs)| (*pattern, *verbs, Terms::default()));
    let on_terms = on_terms.iter().flat_map(|(pattern, rules)| {
        rules.iter().map(|(verbs, terms)| (*pattern, *verbs, terms.clone()))
    });
    plain.chain(on_terms)
}

/// The patterns that cover a path: itself, and everything below each parent.
fn path_patterns<'a>(
    names: &'a Names,
    path: &'a str,
) -> impl Iterator<Item = PathPattern> + 'a {
    let parents = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
    core::iter::once(PathPattern::Exactly(names.id(path)))
        .chain(parents.map(|parent| PathPattern::Below(names.id(parent))))
}

// === impl Pattern ===

impl Pattern {
    fn stars(self) -> Stars {
        let star = |id, stars: Stars| if id == NameId::ANY { stars } else { Stars::default() };
        star(self.scope, Stars::SCOPE)
            .union(star(self.group, Stars::GROUP))
            .union(star(self.resource, Stars::RESOURCE))
            .union(star(self.name, Stars::NAME))
    }

    fn starred(self, stars: Stars) -> Self {
        let star =
            |id, dimension: Stars| if dimension.within(stars) { NameId::ANY } else { id };
        Self {
            scope: star(self.scope, Stars::SCOPE),
            group: star(self.group, Stars::GROUP),
            resource: star(self.resource, Stars::RESOURCE),
            subresource: self.subresource,
            name: star(self.name, Stars::NAME),
        }
    }
}

// === impl Stars ===

impl Stars {
    const SCOPE: Self = Self(1);
    const GROUP: Self = Self(2);
    const RESOURCE: Self = Self(4);
    const NAME: Self = Self(8);
    const ALL: Self = Self(15);

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

// === impl StarsUsed ===

impl StarsUsed {
    fn insert(&mut self, stars: Stars) {
        self.0 |= 1 << stars.0;
    }

    fn iter(self) -> impl Iterator<Item = Stars> {
        (0..=Stars::ALL.0).filter(move |bits| self.0 & (1 << bits) != 0).map(Stars)
    }
}

// === impl Question ===

impl<'a> Question<'a> {
    const fn verb(&self) -> Verb {
        match self {
            Self::NonResource { verb, .. } | Self::Resource { verb, .. } => *verb,
        }
    }

    pub(crate) fn new(names: &'a Names, attributes: &'a Attributes<'a>) -> Self {
        match attributes {
            Attributes::NonResource { path, verb } => {
                Self::NonResource { names, path, verb: *verb }
            }
            Attributes::Resource(resource) => {
                Self::Resource { places: places(names, resource), verb: resource.verb }
            }
        }
    }
}

/// Where an object is looked up.
///
/// A namespace is a cluster-scoped object, but the apiserver says that it lies
/// in itself. So it is looked up in both places; inside itself only by its
/// resource's name, for `resources: ["*"]` in a namespace should not be enough
/// to delete the namespace. Other groups may have a namespaced resource of this
/// name: that is an ordinary one.
fn places(names: &Names, attributes: &ResourceAttributes<'_>) -> [Option<Place>; 2] {
    let ResourceAttributes { group, namespace, resource, subresource, name, .. } = attributes;
    let pattern = Pattern {
        scope: names.id(namespace),
        group: names.id(group),
        resource: names.id(resource),
        subresource: names.id(subresource),
        name: names.id(name),
    };
    let cluster = |pattern| Place {
        pattern: Pattern { scope: NameId::NONE, ..pattern },
        allowed: Stars::ALL.without(Stars::SCOPE),
    };
    if namespace.is_empty() {
        return [Some(cluster(pattern)), None];
    }
    if *resource == "namespaces" && group.is_empty() && name == namespace {
        let within = Place { pattern, allowed: Stars::ALL.without(Stars::RESOURCE) };
        return [Some(cluster(pattern)), Some(within)];
    }
    [Some(Place { pattern, allowed: Stars::ALL }), None]
}
