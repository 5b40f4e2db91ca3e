//! Whom the instance trusts: what lies in its own directory, and nobody else
//! (rows 11 and 12).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::client;

/// More files than these are not read.
const MAX_FILES: usize = 50;

/// TLS to servers with a certificate of a CA in this directory, or of this one file.
/// Only `*.crt` counts, and of each file only the first certificate.
pub(super) fn tls(ca: &Path, alpn: bool) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for file in files(ca)? {
        // SQL Server too goes on without what it cannot read.
        if let Ok(certificate) = CertificateDer::from_pem_file(file) {
            roots.add(certificate).ok();
        }
    }
    let mut tls = client::trusting(roots, b"http/1.1");
    // Every connection is verified anew.
    tls.resumption = Resumption::disabled();
    if !alpn {
        tls.alpn_protocols.clear();
    }
    Ok(tls)
}

fn files(ca: &Path) -> Result<Vec<PathBuf>> {
    let counts = |path: &PathBuf| path.extension().is_some_and(|name| name == "crt");
    if ca.is_file() {
        let file = ca.to_owned();
        ensure!(counts(&file), "{} is not read: it must end in .crt", ca.display());
        return Ok(vec![file]);
    }
    let entries = fs::read_dir(ca).with_context(|| format!("no {}", ca.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = paths.into_iter().filter(counts).collect();
    files.sort();
    files.truncate(MAX_FILES);
    Ok(files)
}
