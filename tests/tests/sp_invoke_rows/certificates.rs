//! Certificates of a test's own, made as `scripts/up` makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A CA in a folder of its own, in which only its certificate ends in `.crt`.
pub struct Authority {
    pub folder: PathBuf,
}

pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// What a server's certificate says.
#[derive(Clone, Copy)]
pub struct Leaf {
    pub common_name: &'static str,
    pub extensions: &'static str,
    pub days: &'static str,
}

pub const GOOD: Leaf = Leaf {
    common_name: "a gateway",
    extensions: "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth",
    days: "2",
};

const NEW_KEY: &[&str] =
    &["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

pub fn new_folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sp-invoke-rows-{count}"));
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    folder
}

// === impl Authority ===

impl Authority {
    pub fn new() -> Self {
        let folder = new_folder();
        let rest = ["-x509", "-days", "2", "-subj", "/CN=a CA", "-keyout", "ca.key"];
        let usage = ["-out", "ca.crt", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
        openssl(&folder, &[NEW_KEY, &rest, &usage].concat());
        Self { folder }
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub fn sign(&self, leaf: Leaf) -> Identity {
        let folder = new_folder();
        fs::write(folder.join("extensions"), leaf.extensions).unwrap();
        let subject = format!("/CN={}", leaf.common_name);
        let rest = ["-subj", &subject, "-keyout", "leaf.key", "-out", "leaf.csr"];
        openssl(&folder, &[NEW_KEY, &rest].concat());
        let (ca, key) = (self.certificate(), self.folder.join("ca.key"));
        let (ca, key) = (ca.to_str().unwrap(), key.to_str().unwrap());
        let sign = ["x509", "-req", "-in", "leaf.csr", "-out", "leaf.pem", "-days", leaf.days];
        let by = ["-CA", ca, "-CAkey", key, "-set_serial", "1", "-extfile", "extensions"];
        openssl(&folder, &[&sign[..], &by].concat());
        Identity {
            chain: vec![CertificateDer::from_pem_file(folder.join("leaf.pem")).unwrap()],
            key: PrivateKeyDer::from_pem_file(folder.join("leaf.key")).unwrap(),
        }
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}
