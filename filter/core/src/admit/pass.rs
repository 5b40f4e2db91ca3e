//! A request that is all there, judged at once: for those who have no worker.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Arrival, Pending, Subject, identify};
use crate::body::{Judged, Step};
use crate::policy::Policy;
use crate::policy::account::Account;
use crate::refusal::Refused;
use crate::request::Request;
use crate::time::{Now, Steady, UnixTime};
use crate::upstream::Headers;

/// A request that may go on, once it has a token of its account.
#[derive(Debug)]
pub struct Passed<'a> {
    pub client: Arc<str>,
    pub account: Arc<Account>,
    pub request: Request<'a>,
    /// The list to send, without a credential.
    pub headers: Headers<'a>,
    /// What goes on in place of the body that came.
    pub body: Option<Vec<u8>>,
    /// What it would have been refused with, were all rules enforced.
    pub reported: Option<Box<Refused>>,
}

/// Judges a request as a [`Worker`](crate::Worker) does, but for what takes a memory: it
/// counts nothing, and knows clients by their keys only.
///
/// # Errors
///
/// The request is refused.
pub fn pass<'a>(
    policy: &Policy,
    arrival: &Arrival<'a>,
    body: &[u8],
    now: UnixTime,
) -> Result<Passed<'a>, Refused> {
    let now = Now { wall: now, steady: Steady::default(), jitter: 0 };
    let caller = identify(policy, None, arrival, now)?;
    let (client, head) = (Arc::clone(caller.client().name()), caller.head());
    let (mut pending, watched) = caller.judge(policy)?;
    let Judged { reported, content_type, body } = match watched {
        None => Judged::default(),
        Some(mut watched) => match watched.step(body.len(), true) {
            Step::Refuse(refused) => return Err(*refused),
            Step::Hold | Step::Judge | Step::Pass => watched.judge(body)?.1,
        },
    };
    if let Some(content_type) = content_type {
        pending.set_header("content-type", content_type);
    }
    let Pending { account, headers, reported: of_head, .. } = pending;
    let request = Request::parse(head.method, head.target)
        .map_err(|error| Refused::new(Subject::default(), error.into()))?;
    let reported = reported.map(Box::new).or(of_head);
    Ok(Passed { client, account, request, headers, body, reported })
}
