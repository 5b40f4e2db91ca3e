//! The head of a request as Envoy hands it over, sorted but not yet believed.

use core::fmt;

use crate::headers::HeaderList;
use crate::policy::key::{KEY_PREFIX, MAX_KEY_BYTES};

/// Whether something follows the head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    Empty,
    Follows,
}

/// The headers that matter; every other one is left behind here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) scheme: &'a [u8],
    pub(crate) forwarded_proto: Option<&'a [u8]>,
    pub(crate) request_id: Option<&'a [u8]>,
    pub(crate) user_agent: Option<&'a [u8]>,
    pub(crate) accept: Option<&'a [u8]>,
    pub(crate) content_type: Option<&'a [u8]>,
    pub(crate) content_length: Option<&'a [u8]>,
    pub(crate) encoded: bool,
    /// How long to wait for a condition.
    pub(crate) wait: Option<&'a [u8]>,
    /// In which form an answer is wanted.
    pub(crate) view: Option<&'a [u8]>,
    /// What a body is to be as a patch.
    pub(crate) patch: Option<&'a [u8]>,
    pub(crate) body: Body,
    presented: Presented<'a>,
}

/// What a client shows to be known by.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Credential<'a> {
    Key(&'a [u8]),
    /// A bearer token that is none of Keyhole's keys.
    Token(&'a [u8]),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Presented<'a> {
    Nothing,
    One(Credential<'a>),
    Several,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeadError {
    #[error("the header `{0}` is given more than once: send it once")]
    Repeated(&'static str),
    #[error(
        "more than one credential is given: send one `x-api-key`, or one `Authorization: Bearer {KEY_PREFIX}...`, not both"
    )]
    SeveralCredentials,
}

// === impl Head ===

impl<'a> Head<'a> {
    /// Reads the whole header list, so that a repeated header is seen.
    ///
    /// # Errors
    ///
    /// A header that must be single is not.
    pub(crate) fn parse(headers: &'a HeaderList, body: Body) -> Result<Self, HeadError> {
        let mut head = Self {
            method: b"",
            target: b"",
            scheme: b"",
            forwarded_proto: None,
            request_id: None,
            user_agent: None,
            accept: None,
            content_type: None,
            content_length: None,
            encoded: false,
            wait: None,
            view: None,
            patch: None,
            body,
            presented: Presented::Nothing,
        };
        for (name, value) in headers.iter() {
            match name {
                b":method" => head.method = value,
                b":path" => head.target = value,
                b":scheme" => head.scheme = value,
                b"x-forwarded-proto" => head.forwarded_proto = Some(value),
                b"x-request-id" => head.request_id = Some(value),
                b"user-agent" => head.user_agent = Some(value),
                b"accept" => head.accept = Some(value),
                b"content-type" => once(&mut head.content_type, value, "content-type")?,
                b"content-length" => once(&mut head.content_length, value, "content-length")?,
                b"x-keyhole-wait" => once(&mut head.wait, value, "x-keyhole-wait")?,
                b"x-keyhole-view" => once(&mut head.view, value, "x-keyhole-view")?,
                b"x-keyhole-patch" => once(&mut head.patch, value, "x-keyhole-patch")?,
                b"content-encoding" => head.encoded = true,
                b"x-api-key" => head.presented = head.presented.and(Credential::Key(value)),
                b"authorization" => head.presented = head.presented.and(authorization(value)),
                _ => {}
            }
        }
        Ok(head)
    }

    /// The one credential of the request; `None` if there is none that could be one.
    ///
    /// # Errors
    ///
    /// There is more than one, of whatever kind.
    pub(crate) fn credential(&self) -> Result<Option<Credential<'a>>, HeadError> {
        match self.presented {
            Presented::One(Credential::Key(key))
                if key.is_empty() || key.len() > MAX_KEY_BYTES =>
            {
                Ok(None)
            }
            Presented::One(credential) => Ok(Some(credential)),
            Presented::Nothing => Ok(None),
            Presented::Several => Err(HeadError::SeveralCredentials),
        }
    }
}

fn once<'a>(
    slot: &mut Option<&'a [u8]>,
    value: &'a [u8],
    name: &'static str,
) -> Result<(), HeadError> {
    match slot.replace(value) {
        Some(_) => Err(HeadError::Repeated(name)),
        None => Ok(()),
    }
}

/// `Bearer keyhole_...` is a key, `Bearer` and anything else is a token. Other schemes are
/// credentials, too, but empty ones.
fn authorization(value: &[u8]) -> Credential<'_> {
    match value.split_at_checked(b"Bearer ".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"Bearer ") => {
            match rest.starts_with(KEY_PREFIX.as_bytes()) {
                true => Credential::Key(rest),
                false => Credential::Token(rest),
            }
        }
        _ => Credential::Key(b""),
    }
}

// === impl Presented ===

impl<'a> Presented<'a> {
    const fn and(self, credential: Credential<'a>) -> Self {
        match self {
            Self::Nothing => Self::One(credential),
            Self::One(_) | Self::Several => Self::Several,
        }
    }
}

// === impl Credential ===

/// Without the value.
impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Token(_) => "Token",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn exactly_one_credential_is_taken() {
        let long = "k".repeat(513);
        let several = Err(HeadError::SeveralCredentials);
        let key = |key| Ok(Some(("key", key)));
        let token = |token| Ok(Some(("token", token)));
        for (pairs, expected) in [
            (&[][..],                                                              Ok(None)),
            (&[("x-api-key", "k1")],                                               key("k1")),
            (&[("authorization", "Bearer keyhole_a_b")],                           key("keyhole_a_b")),
            (&[("authorization", "bearer keyhole_a_b")],                           key("keyhole_a_b")),
            // nothing to be known by
            (&[("x-api-key", "")],                                                 Ok(None)),
            (&[("x-api-key", &*long)],                                             Ok(None)),
            (&[("authorization", "Bearer ")],                                      token("")),
            (&[("authorization", "Bearer eyJhbGciOi.x.y")],                        token("eyJhbGciOi.x.y")),
            (&[("authorization", "Bearer  keyhole_a_b")],                          token(" keyhole_a_b")),
            (&[("authorization", "Basic a2V5aG9sZV8=")],                           Ok(None)),
            (&[("authorization", "keyhole_a_b")],                                  Ok(None)),
            (&[("x_api_key", "k1")],                                               Ok(None)),
            // a token and anything else is more than one
            (&[("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.c")], several),
            (&[("x-api-key", ""), ("authorization", "Bearer a.b.c")],              several),
            // more than one
            (&[("x-api-key", "k1"), ("x-api-key", "k2")],                          several),
            (&[("x-api-key", "k1"), ("x-api-key", "k1")],                          several),
            (&[("x-api-key", "k1"), ("authorization", "Bearer keyhole_a_b")],      several),
            (&[("x-api-key", "k1"), ("authorization", "Bearer eyJhbGciOi.x.y")],   several),
            (&[("authorization", "Basic x"), ("authorization", "Bearer keyhole_a_b")], several),
        ] {
            let headers = HeaderList::of(pairs);
            let credential = Head::parse(&headers, Body::Empty).and_then(|head| head.credential());
            let told = credential.map(|credential| {
                credential.map(|credential| match credential {
                    Credential::Key(key) => ("key", str::from_utf8(key).unwrap()),
                    Credential::Token(token) => ("token", str::from_utf8(token).unwrap()),
                })
            });
            assert_eq!(told, expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_repeated_content_type_is_refused() {
        let headers =
            HeaderList::of(&[("content-type", "application/json"), ("content-type", "x")]);
        let error = Head::parse(&headers, Body::Follows).unwrap_err();
        assert_eq!(error, HeadError::Repeated("content-type"));
    }
}
