//! Why the endpoint could not be spoken to: what Msg 31608 hides in an HRESULT.

use std::fmt;
use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError};

use super::error::Error;

/// The low half is a WinHTTP error, or WinHTTP's flags of what is wrong with a
/// certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    BadCertificate,
    BadResponse,
    CannotConnect,
    ClientCertificateDemanded,
    Expired,
    NameMismatch,
    NameNotResolved,
    Reset,
    TlsAlert,
    UntrustedIssuer,
    WrongUsage,
}

// === impl Failure ===

impl Failure {
    pub fn hresult(self) -> u32 {
        match self {
            Self::UntrustedIssuer => 0x8007_0008,
            Self::NameMismatch => 0x8007_0010,
            Self::Expired => 0x8007_0020,
            Self::WrongUsage => 0x8007_0040,
            Self::NameNotResolved => 0x8007_2ee7,
            Self::CannotConnect => 0x8007_2efd,
            Self::Reset => 0x8007_2efe,
            Self::ClientCertificateDemanded => 0x8007_2f0c,
            Self::BadResponse => 0x8007_2f78,
            Self::TlsAlert => 0x8007_2f7d,
            Self::BadCertificate => 0x8007_2f8f,
        }
    }

    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
                Self::ClientCertificateDemanded
            }
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            // Not even TLS.
            rustls::Error::InvalidMessage(_) => Self::BadResponse,
            _ => Self::TlsAlert,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Expired,
            CertificateError::NotValidForName
            | CertificateError::NotValidForNameContext { .. } => Self::NameMismatch,
            CertificateError::InvalidPurpose
            | CertificateError::InvalidPurposeContext { .. } => Self::WrongUsage,
            // The latter of a CA that has only the name of a trusted one.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::UntrustedIssuer
            }
            _ => Self::BadCertificate,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.hresult())
    }
}

// === impl Error ===

/// How an exchange that had begun broke off.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) {
            return Self::TimedOut;
        }
        let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        Self::Unreachable(tls.map_or(Failure::Reset, Failure::of))
    }
}
