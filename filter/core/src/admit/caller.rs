//! Who sends a request: found by its key or token, before what is asked is looked at.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use super::permitted::{Permitted, authorize};
use super::{Pending, Subject, Wanted};
use crate::body::Watched;
use crate::headers::HeaderList;
use crate::login::Logins;
use crate::policy::{Client, Holder, KeyRefused, Policy};
use crate::refusal::{Asked, Denial, Refusal, Refused};
use crate::request::Request;
use crate::request::head::{Body, Credential, Head};
use crate::request::verb::Verb;
use crate::response::view::{self, View};
use crate::response::wrapper::PodLog;
use crate::time::Now;
use crate::wait;

/// A request as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub headers: &'a HeaderList,
    pub body: Body,
    /// `address:port` of whoever sent it, behind the hops that are trusted; needed if
    /// [`Policy::asks_for_source`].
    pub source: Option<&'a [u8]>,
}

/// Who sent a request, which is not judged yet.
#[derive(Debug)]
pub(crate) struct Caller<'p, 'a> {
    client: &'p Client,
    holder: Arc<Holder>,
    head: Head<'a>,
}

/// Finds out who sent a request. Every path from here on that does not lead to a
/// [`Forward`](super::Forward) refuses.
pub(crate) fn identify<'p, 'a>(
    policy: &'p Policy,
    logins: Option<&mut Logins>,
    arrival: &Arrival<'a>,
    now: Now,
) -> Result<Caller<'p, 'a>, Refused> {
    let caller = find_caller(policy, logins, arrival.headers, arrival.body, now)
        .map_err(|refusal| Refused::new(Subject::default(), refusal))?;
    match caller.client.sources().admit(arrival.source) {
        Ok(()) => Ok(caller),
        Err(wrong) => Err(caller.refuse(wrong.into())),
    }
}

pub(crate) fn find_caller<'p, 'a>(
    policy: &'p Policy,
    logins: Option<&mut Logins>,
    headers: &'a HeaderList,
    body: Body,
    now: Now,
) -> Result<Caller<'p, 'a>, Refusal> {
    let head = Head::parse(headers, body)?;
    let (client, holder) = match head.credential()? {
        Some(Credential::Key(key)) => {
            let (client, holder) = policy.holder(key, now.wall)?;
            (client, Arc::clone(holder))
        }
        Some(Credential::Token(token)) => match logins {
            Some(logins) => logins.identify(policy, token, now)?,
            None => return Err(KeyRefused::Missing.into()),
        },
        None => return Err(KeyRefused::Missing.into()),
    };
    Ok(Caller { client, holder, head })
}

// === impl Caller ===

impl<'p, 'a> Caller<'p, 'a> {
    pub(crate) const fn client(&self) -> &'p Client {
        self.client
    }

    pub(super) const fn head(&self) -> Head<'a> {
        self.head
    }

    /// Judges what is asked, and says what its body has to do with, if it does not just
    /// pass.
    pub(crate) fn judge(
        self,
        policy: &Policy,
    ) -> Result<(Pending<'a>, Option<Watched>), Refused> {
        let Self { client, head, .. } = &self;
        if let Err(exceeded) = client.limits().admit_body(head.content_length) {
            return Err(self.refuse(exceeded.into()));
        }
        let request = match Request::parse(head.method, head.target) {
            Ok(request) => request,
            Err(error) => return Err(self.refuse(error.into())),
        };
        let subject = self.subject(Some(request.attributes.verb()));
        let told = |refusal| Refused::asked(subject.clone(), refusal, &request, head);
        let permitted = authorize(policy, client, head, &request).map_err(told)?;
        let view = View::of(head, &request).map_err(told)?;
        let wait = wait::Wanted::of(head, &request).map_err(|own| told(own.into()))?;
        if let Some(wait) = &wait {
            let target = wait.watch();
            let watch = Request::parse(b"GET", target.as_bytes())
                .map_err(|error| told(error.into()))?;
            let denied =
                |none| told(Denial::new(client.name(), &watch.attributes).because(&none));
            policy.authorize(client, &watch.attributes).map_err(denied)?;
        }
        let inspection = permitted.inspection(&request).map_err(told)?;
        let Permitted { headers, reported, .. } = permitted;
        let reported = reported.map(told).map(Box::new);
        let most = client.limits().body_bytes;
        let watched = match (inspection, most) {
            (Some(inspection), _) => {
                let asked = Asked::new(&request, head);
                Some(Watched::held(subject.clone(), most, inspection, asked))
            }
            (None, Some(most))
                if head.body == Body::Follows && head.content_length.is_none() =>
            {
                Some(Watched::Bounded { subject: subject.clone(), most, passed: 0 })
            }
            (None, _) => None,
        };
        let account = Arc::clone(client.account());
        let log = PodLog::of(&request.attributes).map(Box::new);
        let answer = match (log, wait) {
            (_, Some(wait)) => Wanted::Wait(Box::new(wait)),
            (Some(log), None) => Wanted::Log(log),
            (None, None) => Wanted::View(view),
        };
        let mut pending = Pending { account, subject, headers, reported, answer, record: None };
        if pending.wants_whole_answer() || pending.wait().is_some() {
            let record = match &pending.reported {
                None => Asked::new(&request, head).record(),
                Some(refused) => refused.report(),
            };
            pending.record = record.map(String::into_boxed_str);
        }
        if view == View::Table {
            pending.set_header("accept", view::ACCEPT_TABLE);
        }
        Ok((pending, watched))
    }

    pub(crate) fn refuse(self, refusal: Refusal) -> Refused {
        Refused::new(self.subject(None), refusal)
    }

    fn subject(&self, verb: Option<Verb>) -> Subject {
        Subject { holder: Some(Arc::clone(&self.holder)), verb }
    }
}
