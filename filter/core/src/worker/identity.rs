//! Whom the apiserver takes the gateway for: asked once, to know that it is ready.
//!
//! The SelfSubjectReview API is open to every authenticated user
//! (`system:basic-user`) and to nobody else.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::pod::failure::Failure;
use crate::pod::lifecycle::Lasting;
use crate::time::Steady;

const PATH: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const BODY: &[u8] = br#"{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}"#;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    pub(crate) username: String,
}

#[derive(Deserialize)]
struct Review {
    status: ReviewStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReviewStatus {
    user_info: Identity,
}

pub(crate) fn request() -> (&'static str, Vec<u8>) {
    (PATH, BODY.to_vec())
}

// === impl Identity ===

impl Identity {
    pub(crate) fn read(answer: &Answer) -> Result<Self, Failure> {
        match (answer.status(), answer.json::<Review>()) {
            (Some(201), Some(review)) => Ok(review.status.user_info),
            (Some(201), None) => Err(Failure::malformed("there is no `status.userInfo` in it")),
            _ => Err(Failure::of(answer)),
        }
    }
}

/// Once known to work, it is; a token that the kubelet renews is the same identity.
impl Lasting for Identity {
    fn renew_at(&self) -> Option<Steady> {
        None
    }

    fn ends_at(&self) -> Option<Steady> {
        None
    }
}
