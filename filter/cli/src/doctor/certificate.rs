//! The certificate that clients see.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::kubectl::Kubectl;
use super::report::{Area, Report};
use crate::clock::now;
use crate::object::Object;
use keyhole_core::UnixTime;

#[derive(Deserialize)]
struct Secret {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// What clients look at.
struct Certificate {
    names: Vec<String>,
    start: UnixTime,
    end: UnixTime,
}

/// Whoever renews certificates by machine does it earlier.
const SOON_SECONDS: u64 = 14 * 24 * 3600;

pub(super) fn check(kubectl: &Kubectl, at: &Object, report: &mut Report) -> anyhow::Result<()> {
    let Object { namespace, name } = at;
    let renew = format!(
        "scripts/certs --name HOST --out DIR prints how, or let cert-manager make {namespace}/{name}"
    );
    let secret = match kubectl.get::<Secret>("secret", at)? {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            let found = format!("there is no secret {namespace}/{name}");
            report.problem(Area::Certificate, found, renew);
            return Ok(());
        }
        Err(failed) => {
            failed.report(Area::Certificate, "the TLS secret", report);
            return Ok(());
        }
    };
    match secret.certificate() {
        Ok(certificate) => certificate.judge(&format!("{namespace}/{name}"), &renew, report),
        Err(why) => {
            report.problem(Area::Certificate, format!("{namespace}/{name}: {why}"), renew);
            Ok(())
        }
    }
}

// === impl Secret ===

impl Secret {
    /// Or why it is none.
    fn certificate(&self) -> Result<Certificate, String> {
        let (chain, key) = (self.file("tls.crt")?, self.file("tls.key")?);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
        let chain = chain.map_err(|error| format!("tls.crt is no PEM: {error}"))?;
        let leaf = chain.first().ok_or("tls.crt holds no certificate")?;
        let certificate = Certificate::read(leaf)?;
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|error| format!("tls.key holds no private key: {error}"))?;
        CertifiedKey::from_der(chain.clone(), key, &default_provider())
            .map_err(|error| format!("tls.key is not the key of tls.crt: {error}"))?;
        Ok(certificate)
    }

    fn file(&self, name: &str) -> Result<Vec<u8>, String> {
        let content = self.data.get(name).ok_or_else(|| format!("it has no {name}"))?;
        Base64::decode_vec(content).map_err(|error| format!("{name}: {error}"))
    }
}

// === impl Certificate ===

impl Certificate {
    fn read(der: &[u8]) -> Result<Self, String> {
        let (_, parsed) = parse_x509_certificate(der)
            .map_err(|error| format!("tls.crt is no certificate: {error}"))?;
        let seconds =
            |timestamp: i64| UnixTime::from_secs(u64::try_from(timestamp).unwrap_or_default());
        let validity = parsed.validity();
        let extension = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
        let names = extension.map(|extension| &extension.value.general_names);
        Ok(Self {
            names: names.into_iter().flatten().filter_map(shown).collect(),
            start: seconds(validity.not_before.timestamp()),
            end: seconds(validity.not_after.timestamp()),
        })
    }

    fn judge(&self, secret: &str, renew: &str, report: &mut Report) -> anyhow::Result<()> {
        let Self { names, start, end } = self;
        let now = now()?;
        if names.is_empty() {
            report.problem(
                Area::Certificate,
                format!("{secret}: the certificate names no host"),
                renew,
            );
        }
        let found = format!("{secret} is for {}", names.join(", "));
        if now < *start {
            let found = format!("{secret} is not valid before {}", start);
            report.problem(Area::Certificate, found, renew);
        } else if now >= *end {
            let found = format!("{secret} has expired on {}", end);
            report.problem(Area::Certificate, found, renew);
        } else if now.until(*end).as_secs() < SOON_SECONDS {
            let found = format!("{found}; it ends soon, on {}", end);
            report.warning(Area::Certificate, found, renew);
        } else {
            report.ok(Area::Certificate, format!("{found}, until {}", end));
        }
        Ok(())
    }
}

/// The names that clients compare with the host of the URL.
fn shown(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four: Option<[u8; 4]> = (*bytes).try_into().ok();
            let sixteen: Option<[u8; 16]> = (*bytes).try_into().ok();
            let four = four.map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
            four.or_else(|| sixteen.map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()))
        }
        _ => None,
    }
}
