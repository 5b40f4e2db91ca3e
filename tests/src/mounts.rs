//! What the kubelet mounts into the gateway's pod, changed while it runs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::stack::{Stack, script, text};

impl Stack {
    /// A new token of the gateway's own account.
    pub fn new_gateway_token(&self) -> Result<String> {
        self.kubectl(&["create", "token", "keyhole", "-n", "keyhole", "--duration", "24h"])
    }

    /// The gateway's token, as it is mounted now.
    pub fn gateway_token(&self) -> Result<String> {
        Ok(fs::read_to_string(self.state().join("keyhole/apiserver/token"))?)
    }

    /// Swaps the gateway's token for this one, or leaves none.
    pub fn mount_gateway_token(&self, token: Option<&str>) -> Result<()> {
        let ca = self.state().join("pki/cluster-ca.crt");
        let mut files = vec![("ca.crt", ca)];
        if let Some(token) = token {
            files.push(("token", self.file("gateway-token", token.trim_end())?));
        } else {
            // The links to files that are gone go too.
            fs::remove_file(self.state().join("keyhole/apiserver/token"))?;
        }
        self.mount("apiserver", &files)
    }

    /// Gives the gateway a new certificate for what clients see, and returns its
    /// serial number.
    pub fn renew_server_certificate(&self) -> Result<String> {
        let pki = self.state().join("pki");
        let extensions = self.file(
            "extensions",
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
        )?;
        let output = Command::new("openssl")
            .current_dir(&pki)
            .args(["x509", "-req", "-days", "30", "-in", "gateway.csr", "-out", "gateway.crt"])
            .args(["-CA", "clients-ca.crt", "-CAkey", "clients-ca.key", "-CAcreateserial"])
            .arg("-extfile")
            .arg(extensions)
            .output()?;
        ensure!(output.status.success(), "{}", text(&output));
        let (certificate, key) = (pki.join("gateway.crt"), pki.join("gateway.key"));
        self.mount("tls", &[("tls.crt", certificate.clone()), ("tls.key", key)])?;
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-serial", "-in"])
            .arg(certificate)
            .output()?;
        let serial = String::from_utf8(output.stdout)?;
        Ok(serial.trim().trim_start_matches("serial=").to_lowercase())
    }

    fn mount(&self, folder: &str, files: &[(&str, PathBuf)]) -> Result<()> {
        let folder = self.state().join("keyhole").join(folder);
        let files = files.iter().map(|(name, file)| format!("{name}={}", file.display()));
        let output = script("mount").arg(folder).args(files).output()?;
        ensure!(output.status.success(), "{}", text(&output));
        Ok(())
    }

    /// A file with this content, outside of what the gateway reads.
    fn file(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.state().join(name);
        fs::write(&path, content)?;
        Ok(path)
    }
}
