//! What all workers of a pod ask the apiserver for, once: tokens, keys, the policy,
//! who they are.
//!
//! A [`Slot`](lifecycle::Slot) in [`shared`] memory says how far that is; each
//! worker keeps a [`Cached`](cache::Cached) view of it.

pub(crate) mod cache;
pub(crate) mod failure;
pub(crate) mod lifecycle;
pub(crate) mod quota;
pub(crate) mod shared;
