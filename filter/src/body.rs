//! The body of a request, kept on its way for the case that it has to be sent again.

use keyhole_core::MAX_KEPT_BODY_BYTES;

use crate::host;

#[derive(Default)]
pub(crate) enum Kept {
    /// Nothing has come yet.
    #[default]
    Nothing,
    Part(Vec<u8>),
    Whole(Vec<u8>),
    /// Too large, or it could not be read.
    Lost,
}

// === impl Kept ===

impl Kept {
    /// Takes a copy of the part that is passing by.
    pub(crate) fn add(&mut self, size: usize, end: bool) {
        let mut body = match std::mem::replace(self, Self::Lost) {
            Self::Nothing => Vec::new(),
            Self::Part(body) => body,
            Self::Whole(_) | Self::Lost => return,
        };
        if size > 0 {
            if body.len().saturating_add(size) > MAX_KEPT_BODY_BYTES {
                return;
            }
            let Some(part) = host::request_body(size) else { return };
            body.extend(part);
        }
        *self = if end { Self::Whole(body) } else { Self::Part(body) };
    }

    /// Takes a body that has been held.
    pub(crate) fn whole(body: Vec<u8>) -> Self {
        if body.len() > MAX_KEPT_BODY_BYTES { Self::Lost } else { Self::Whole(body) }
    }

    pub(crate) fn end(&mut self) {
        self.add(0, true);
    }

    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        match std::mem::replace(self, Self::Lost) {
            Self::Whole(body) => Some(body),
            Self::Nothing | Self::Part(_) | Self::Lost => None,
        }
    }
}
