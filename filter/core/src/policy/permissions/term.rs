//! What a permission is about.

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::policy::names::{NameId, Spelling};
use crate::policy::rules::{PathPattern, Pattern};
use crate::request::attributes::Attributes;

/// The objects or paths of a permission.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Permission {
    Path(PathTerm),
    Resource(ResourceTerm),
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum PathTerm {
    Below(String),
    Exactly(String),
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ResourceTerm {
    pub scope: Scope,
    pub group: Term,
    pub resource: Term,
    /// Empty for the resource itself.
    pub subresource: String,
    pub name: Term,
}

/// Where a permission holds. `AnyNamespace` does not include `Cluster`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    AnyNamespace,
    Cluster,
    Namespace(String),
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Term {
    Any,
    Is(String),
}

// === impl Permission ===

impl Permission {
    /// For what one request asks: for one object, or for any of a kind if it names none.
    pub fn of(attributes: &Attributes<'_>) -> Self {
        match attributes {
            Attributes::NonResource { path, .. } => {
                Self::Path(PathTerm::Exactly((*path).to_owned()))
            }
            Attributes::Resource(asked) => Self::Resource(ResourceTerm {
                scope: match asked.namespace {
                    "" => Scope::Cluster,
                    namespace => Scope::Namespace(namespace.to_owned()),
                },
                group: Term::Is(asked.group.to_owned()),
                resource: Term::Is(asked.resource.to_owned()),
                subresource: asked.subresource.to_owned(),
                name: match &*asked.name {
                    "" => Term::Any,
                    name => Term::Is(name.to_owned()),
                },
            }),
        }
    }
}

// === impl PathTerm ===

impl PathTerm {
    pub(super) fn of(pattern: PathPattern, spelling: &Spelling<'_>) -> Self {
        match pattern {
            PathPattern::Below(path) => Self::Below(spelling.of(path).to_owned()),
            PathPattern::Exactly(path) => Self::Exactly(spelling.of(path).to_owned()),
        }
    }

    pub(super) fn above(&self) -> impl Iterator<Item = Self> {
        let (Self::Below(path) | Self::Exactly(path)) = self;
        let parents = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        parents.map(|parent| Self::Below(parent.to_owned()))
    }
}

// === impl ResourceTerm ===

impl ResourceTerm {
    pub(super) fn of(pattern: Pattern, spelling: &Spelling<'_>) -> Self {
        let Pattern { scope, group, resource, subresource, name } = pattern;
        let term = |id| match id {
            NameId::ANY => Term::Any,
            id => Term::Is(spelling.of(id).to_owned()),
        };
        let scope = match scope {
            NameId::ANY => Scope::AnyNamespace,
            NameId::NONE => Scope::Cluster,
            id => Scope::Namespace(spelling.of(id).to_owned()),
        };
        Self {
            scope,
            group: term(group),
            resource: term(resource),
            subresource: spelling.of(subresource).to_owned(),
            name: term(name),
        }
    }

    /// Its stars, a bit each: scope, group, resource, name.
    pub(super) fn stars(&self) -> u8 {
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        bit(self.scope == Scope::AnyNamespace, 1)
            | bit(self.group == Term::Any, 2)
            | bit(self.resource == Term::Any, 4)
            | bit(self.name == Term::Any, 8)
    }

    /// With stars in these dimensions (a bit each: scope, group, resource, name);
    /// `None` if one cannot be there, or is there already.
    pub(super) fn starred(&self, stars: u8) -> Option<Self> {
        let mut wider = self.clone();
        if stars & 1 != 0 {
            match wider.scope {
                Scope::Namespace(_) => wider.scope = Scope::AnyNamespace,
                Scope::AnyNamespace | Scope::Cluster => return None,
            }
        }
        let terms = [(2, &mut wider.group), (4, &mut wider.resource), (8, &mut wider.name)];
        for (bit, term) in terms {
            if stars & bit != 0 {
                match term {
                    Term::Any => return None,
                    Term::Is(_) => *term = Term::Any,
                }
            }
        }
        Some(wider)
    }

    /// If this is about namespaces as such, too: what it says of these. They lie in
    /// themselves, but `resources: ["*"]` there does not cover them; and they are found
    /// at the cluster scope, too.
    pub(super) fn namespace_itself(&self) -> Option<Self> {
        let core = match &self.group {
            Term::Any => true,
            Term::Is(group) => group.is_empty(),
        };
        if !core || !matches!(&self.resource, Term::Is(resource) if resource == "namespaces") {
            return None;
        }
        let name = match (&self.scope, &self.name) {
            (Scope::Cluster, _) => return None,
            (Scope::Namespace(namespace), Term::Is(name)) if namespace != name => return None,
            (Scope::Namespace(namespace), _) => Term::Is(namespace.clone()),
            (Scope::AnyNamespace, name) => name.clone(),
        };
        let group = Term::Is(String::new());
        Some(Self { group, name, ..self.clone() })
    }

    pub(super) fn at_cluster_scope(&self) -> Self {
        Self { scope: Scope::Cluster, ..self.clone() }
    }

    /// Whether it is about nothing but a namespace in itself.
    pub(super) fn is_only_itself(&self) -> bool {
        self.group != Term::Any
            && matches!((&self.scope, &self.name), (Scope::Namespace(a), Term::Is(b)) if a == b)
    }
}
