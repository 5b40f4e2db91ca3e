//! `/keyhole/livez` and `/keyhole/readyz`: answered without a key, and without
//! anything that is worth one.

use alloc::format;
use alloc::string::{String, ToString};

use serde::Serialize;

use crate::admit::{Subject, Verdict};
use crate::config::Revision;
use crate::headers::HeaderList;
use crate::pod::failure::Failure;
use crate::refusal::{Refusal, Refused};
use crate::reply::Reply;
use crate::time::UnixTime;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Probe {
    Live,
    Ready,
}

#[derive(Serialize)]
struct Alive {
    status: &'static str,
}

#[derive(Serialize)]
struct Readiness<'a> {
    status: &'static str,
    policy: ActivePolicy<'a>,
}

#[derive(Serialize)]
struct ActivePolicy<'a> {
    revision: &'a str,
    since: String,
}

// === impl Probe ===

impl Probe {
    pub(crate) fn of(headers: &HeaderList) -> Option<Self> {
        let probe = match headers.get(":path")? {
            b"/keyhole/livez" => Self::Live,
            b"/keyhole/readyz" => Self::Ready,
            _ => return None,
        };
        (headers.get(":method")? == b"GET").then_some(probe)
    }

    /// Ready is who has a policy, and was accepted by the apiserver once.
    pub(crate) fn verdict(
        self,
        policy: Option<&(Revision, UnixTime)>,
        identity: Result<(), Option<&Failure>>,
    ) -> Verdict<'static> {
        let not_ready = |why: String| {
            let (subject, refusal) = (Subject::default(), Refusal::NotReady(why));
            Verdict::Refuse(Refused::new(subject, refusal))
        };
        match (self, policy, identity) {
            (Self::Live, ..) => Verdict::Answer(Reply::json(200, &Alive { status: "alive" })),
            (Self::Ready, None, _) => not_ready("no policy is loaded".to_string()),
            (Self::Ready, _, Err(None)) => {
                not_ready("the apiserver has not answered yet".to_string())
            }
            (Self::Ready, _, Err(Some(failure))) => {
                not_ready(format!("the apiserver does not know this gateway: {failure}"))
            }
            (Self::Ready, Some((revision, since)), Ok(())) => {
                let policy =
                    ActivePolicy { revision: revision.as_str(), since: since.to_string() };
                Verdict::Answer(Reply::json(200, &Readiness { status: "ready", policy }))
            }
        }
    }
}
