//! In which form a body says what should become of an object.

use crate::request::media;

/// How a body is to be read. Only [`Self::JsonPatch`] cannot be judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// Server-side apply: an object, but list items may say a part of what they are.
    Apply,
    /// A list of steps, whose effect depends on the object as it is.
    JsonPatch,
    /// What is left out stays as it is; a list replaces the old one.
    MergePatch,
    /// What is left out stays as it is, in list items, too.
    StrategicPatch,
    /// `create` and `update`: the object as it will be.
    Whole,
}

impl Form {
    /// By the content type, in the spelling of [`media::content_type`].
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        match content_type {
            media::APPLY => Some(Self::Apply),
            media::JSON_PATCH => Some(Self::JsonPatch),
            media::MERGE_PATCH => Some(Self::MergePatch),
            media::STRATEGIC_PATCH => Some(Self::StrategicPatch),
            media::JSON | media::YAML => Some(Self::Whole),
            _ => None,
        }
    }

    /// Whether what the object leaves out stays as it is.
    pub(super) const fn is_partial(self) -> bool {
        matches!(self, Self::JsonPatch | Self::MergePatch | Self::StrategicPatch)
    }

    /// Whether what an item of a list leaves out stays as it is.
    pub(super) const fn has_partial_items(self) -> bool {
        matches!(self, Self::Apply | Self::JsonPatch | Self::StrategicPatch)
    }
}
