//! The keys that an issuer publishes, as they were fetched.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::jwks::KeySet;
use crate::pod::failure::Failure;
use crate::pod::lifecycle::Lasting;
use crate::policy::issuer::Remote;
use crate::time::{Now, Steady, part_of};

/// How long before they are fetched again: so long a key that the issuer took back may
/// still serve.
const LIFE: Duration = Duration::from_secs(300);

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct IssuerKeys {
    pub(crate) keys: KeySet,
    renew_at: Steady,
}

// === impl IssuerKeys ===

impl IssuerKeys {
    pub(super) fn read(answer: &Answer, now: Now) -> Result<Self, Failure> {
        if answer.status() != Some(200) {
            return Err(Failure::of(answer));
        }
        let keys = KeySet::published(answer.body())
            .ok_or_else(|| Failure::malformed("it is not a JSON Web Key Set"))?;
        if keys.len() == 0 {
            return Err(Failure::malformed("it has no key for RS256, ES256 or EdDSA"));
        }
        let sooner = part_of(Duration::from_secs(30), now.jitter);
        Ok(Self { keys, renew_at: now.steady.after(LIFE.saturating_sub(sooner)) })
    }
}

/// They serve until others come, however long the issuer is away.
impl Lasting for IssuerKeys {
    fn renew_at(&self) -> Option<Steady> {
        Some(self.renew_at)
    }

    fn ends_at(&self) -> Option<Steady> {
        None
    }
}

// === impl Remote ===

impl Remote {
    /// Why there are no keys to be had, in words of this.
    pub(super) fn sentence(&self, failure: &Failure) -> String {
        let Self { issuer, cluster, authority, path } = self;
        let what = format!("the keys of {issuer}, at https://{authority}{path}, cannot be had");
        match failure {
            Failure::Malformed(why) => format!("{what}: {why}: correct `jwksUri`"),
            Failure::NoAnswer => format!(
                "{what}: nothing answered: look whether Envoy has the cluster `{cluster}`, and whether it leads there"
            ),
            Failure::Refused { status, message, .. } => format!(
                "{what}: the answer was {status}: {message}: look at `jwksUri`, and at Envoy's cluster `{cluster}` and the CA that it trusts"
            ),
            other => format!("{what}: {other}"),
        }
    }
}
