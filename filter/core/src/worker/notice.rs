//! What the operator's log is told. None of it contains a secret.

use alloc::string::{String, ToString};
use core::fmt;

use super::identity::Identity;
use crate::pod::failure::{Failure, one_line};
use crate::policy::account::Account;
use crate::token::Token;
use crate::token::keys::Keys;

#[derive(Clone, Debug)]
pub struct Notice {
    pub severity: Severity,
    text: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    Info,
    Warning,
}

// === impl Notice ===

impl Notice {
    pub(crate) fn identity(result: &Result<Identity, Failure>) -> Self {
        match result {
            Ok(Identity { username }) => Self::info(&format_args!(
                "the apiserver knows this gateway as {}",
                one_line(username)
            )),
            Err(failure) => Self::warning(&format_args!(
                "the apiserver does not know this gateway: {failure}"
            )),
        }
    }

    pub(crate) fn keys(result: &Result<Keys, Failure>) -> Self {
        match result {
            Ok(keys) => Self::info(&format_args!("tokens are checked against {keys}")),
            Err(failure) => Self::warning(&format_args!(
                "{}: if the cluster does not let the gateway read them, say so with `tokenVerification: claimsOnly` in the policy's `gateway` section",
                Failure::Keys(failure.clone().into())
            )),
        }
    }

    pub(crate) fn token(account: &Account, result: &Result<Token, Failure>) -> Self {
        match result {
            Ok(_) => Self::info(&format_args!("new token for the ServiceAccount {account}")),
            Err(failure) => Self::warning(&format_args!(
                "no token for the ServiceAccount {account}: {failure}"
            )),
        }
    }

    pub(crate) fn info(text: &dyn fmt::Display) -> Self {
        Self { severity: Severity::Info, text: text.to_string() }
    }

    pub(crate) fn warning(text: &dyn fmt::Display) -> Self {
        Self { severity: Severity::Warning, text: text.to_string() }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
