//! What a call can raise instead of an answer (row 24).

use std::fmt;

use thiserror::Error;

use super::failure::Failure;

/// An exception. Its text never holds a value from `@headers` or from a secret.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Error {
    #[error("The outbound connection limit of {0} has been reached.")]
    Busy(usize),
    #[error(
        "The database scoped credential '{0}' cannot be used to invoke an external rest endpoint."
    )]
    CredentialMismatch(String),
    #[error(
        "Cannot find the credential '{0}', because it does not exist or you do not have permission."
    )]
    CredentialNotFound(String),
    #[error(
        "'sp_invoke_external_rest_endpoint' is disabled on this instance of SQL Server. Use sp_configure 'external rest endpoint enabled' to enable it."
    )]
    Disabled,
    #[error("DNS resolution of the hostname has failed with windows sockets error 11001.")]
    DnsFailed,
    #[error("Connections to the domain {0} are not allowed.")]
    DomainNotAllowed(String),
    #[error("The {0} contains an empty key.")]
    EmptyKey(Pairs),
    #[error("The value of one of the key-value pairs in the {0} is empty.")]
    EmptyValue(Pairs),
    #[error(
        "Only alphanumeric characters, hyphens, underscores, and dots are allowed in the hostname or in the fully qualified domain name."
    )]
    IllegalHost,
    #[error(
        "The database scoped credential '{0}' has an invalid identity '{1}' for use with an external rest endpoint."
    )]
    InvalidIdentity(String, String),
    #[error(
        "Server Managed Identity is disabled for this instance of SQL Server. Use sp_configure 'allow server scoped db credentials' to enable it."
    )]
    ManagedIdentityDisabled,
    #[error(
        "The {0} cannot contain nested structures. Please check the formatting of the JSON and try again with a flat structure."
    )]
    Nested(Pairs),
    #[error("You do not have permission to run 'SYS.SP_INVOKE_EXTERNAL_REST_ENDPOINT'.")]
    NoPermission,
    #[error("The {0} is not a json object datatype.")]
    NotAnObject(Pairs),
    #[error("Accessing the external endpoint is only allowed via HTTPS.")]
    NotHttps,
    #[error(
        "The {0} JSON string could not be parsed. Please check the formatting of the JSON."
    )]
    NotJson(&'static str),
    #[error(
        "The {0} contains invalid characters. Only printable US ASCII characters are allowed."
    )]
    NotPrintable(Pairs),
    #[error("The {0} XML string could not be parsed.")]
    NotXml(&'static str),
    #[error("The value '{value}' is not within range for the '{name}' parameter.")]
    OutOfRange { name: &'static str, value: i64 },
    #[error(
        "The length of the provided {what} exceeds the maximum allowed length of {limit} bytes."
    )]
    ParameterTooLong { what: &'static str, limit: usize },
    #[error(
        "Connection to the external endpoint IP is not allowed. URL contains a hostname that is resolved to a blocked IP."
    )]
    PrivateAddress,
    #[error("The request's headers size exceeds the maximum allowed size of {0} bytes.")]
    RequestHeadersTooLarge(usize),
    #[error("The response's headers size exceeds the maximum allowed size of {0} bytes.")]
    ResponseHeadersTooLarge(usize),
    #[error(
        "Connections to the domain {0} are not allowed using a credential object with the identity 'SHARED ACCESS SIGNATURE'."
    )]
    SignatureNotAllowed(String),
    #[error("The external rest endpoint execution exceeded the timeout value.")]
    TimedOut,
    #[error(
        "The size of the provided {what} is {size} bytes, which exceeds the maximum allowed size of {limit} bytes."
    )]
    TooLarge { what: &'static str, size: u64, limit: u64 },
    #[error("The specified method '{0}' is not supported.")]
    UnknownMethod(String),
    #[error("The {0} could not be parsed.")]
    UnparsablePairs(Pairs),
    #[error("An error occurred, failed to parse url. HRESULT: 0x80072ee5.")]
    UnparsableUrl,
    #[error(
        "An error occurred, failed to communicate with the external rest endpoint. HRESULT: {0}."
    )]
    Unreachable(Failure),
    #[error("The charset value of the response's Content-Type header is not supported.")]
    UnsupportedCharset,
    #[error("The specified '{header}' value is not supported in the {of}.")]
    UnsupportedValue { header: &'static str, of: Pairs },
    #[error(
        "The length of the provided {what} after percent-encoding exceeds the maximum allowed length of {limit} bytes."
    )]
    UrlTooLong { what: &'static str, limit: usize },
}

/// Where a flat JSON object of names and values was given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pairs {
    Headers,
    Secret,
}

// === impl Error ===

impl Error {
    pub const SEVERITY: u8 = 16;

    /// The number of the message, as in `Msg 31608`.
    pub fn number(&self) -> u16 {
        match self {
            Self::NoPermission => 8189,
            Self::Busy(_) => 10928,
            Self::NotJson(_) => 11558,
            Self::CredentialNotFound(_) => 15151,
            Self::TooLarge { .. } => 31601,
            Self::OutOfRange { .. } => 31604,
            Self::UnknownMethod(_) => 31605,
            Self::Unreachable(_) => 31608,
            Self::UnparsableUrl => 31609,
            Self::NotHttps => 31610,
            Self::ResponseHeadersTooLarge(_) => 31611,
            Self::DomainNotAllowed(_) => 31612,
            Self::UrlTooLong { .. } => 31613,
            Self::IllegalHost => 31614,
            Self::Nested(_) => 31615,
            Self::NotPrintable(_) => 31617,
            Self::EmptyKey(_) => 31618,
            Self::UnparsablePairs(_) => 31619,
            Self::NotAnObject(_) => 31620,
            Self::PrivateAddress => 31624,
            Self::DnsFailed => 31625,
            Self::InvalidIdentity(..) => 31628,
            Self::TimedOut => 31629,
            Self::CredentialMismatch(_) => 31630,
            Self::RequestHeadersTooLarge(_) => 31632,
            Self::ParameterTooLong { .. } => 31633,
            Self::SignatureNotAllowed(_) => 31637,
            Self::UnsupportedValue { of: Pairs::Headers, .. } => 31638,
            Self::UnsupportedValue { of: Pairs::Secret, .. } => 31639,
            Self::NotXml(_) => 31640,
            Self::UnsupportedCharset => 31641,
            Self::EmptyValue(_) => 31642,
            Self::Disabled => 31643,
            Self::ManagedIdentityDisabled => 31644,
        }
    }

    /// The code behind Msg 31608.
    pub fn hresult(&self) -> Option<u32> {
        match self {
            Self::Unreachable(failure) => Some(failure.hresult()),
            _ => None,
        }
    }
}

// === impl Pairs ===

impl Pairs {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "@headers parameter",
            Self::Secret => "@credential secret",
        }
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
