//! `scripts/certs`: the gateway's certificate, and the CA that SQL Server trusts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keyhole_tests::stack::root;

/// A folder that is not there yet.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("certs").join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn certs(arguments: &[&str], out: &Path) -> Output {
    let mut command = Command::new(root().join("scripts/certs"));
    command.args(arguments).arg("--out").arg(out).output().unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// What openssl prints of the files in this folder, or that it refuses.
fn openssl(folder: &Path, arguments: &str) -> Option<String> {
    let mut command = Command::new("openssl");
    let output = command.args(arguments.split(' ')).current_dir(folder).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_certificate_of_a_ca_is_made_for_these_names() {
    let out = folder("a name with spaces");
    let names = ["--name", "Keyhole.example.com", "--name", "keyhole", "--ip", "10.0.0.5"];
    let made = certs(&names, &out);
    assert!(made.status.success(), "{made:?}");
    let steps = str::from_utf8(&made.stdout).unwrap();
    for step in ["kubectl create secret tls", "/var/opt/mssql/security/", "LocalMachine\\Root"]
    {
        assert!(steps.contains(step), "{step}");
    }

    for name in ["-verify_hostname keyhole.example.com", "-verify_ip 10.0.0.5"] {
        let verify = format!("verify -CAfile ca.crt -purpose sslserver {name} tls.crt");
        assert!(openssl(&out, &verify).is_some(), "{name}");
    }
    let of_others = "verify -CAfile ca.crt -verify_hostname other.example.com tls.crt";
    assert_eq!(openssl(&out, of_others), None);
    let extensions = "x509 -in tls.crt -noout -ext subjectAltName,extendedKeyUsage";
    let extensions = openssl(&out, extensions).unwrap();
    let names = "DNS:keyhole.example.com, DNS:keyhole, IP Address:10.0.0.5";
    assert!(extensions.contains(names), "{extensions}");
    assert!(extensions.contains("TLS Web Server Authentication"), "{extensions}");
    // The key is that of the certificate, and nobody else reads it.
    let public = openssl(&out, "x509 -in tls.crt -noout -pubkey");
    assert_eq!(openssl(&out, "pkey -in tls.key -pubout"), public);
    for (file, expected) in
        [("ca.key", 0o600), ("tls.key", 0o600), ("ca.crt", 0o644), ("tls.crt", 0o644)]
    {
        let mode = fs::metadata(out.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, expected, "{file}");
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 4);
}

#[test]
fn a_renewed_certificate_needs_no_new_trust() {
    let out = folder("renewed");
    let read = |file: &str| fs::read(out.join(file)).unwrap();
    assert!(certs(&["--name", "keyhole"], &out).status.success());
    let (ca, key, certificate) = (read("ca.crt"), read("ca.key"), read("tls.crt"));
    assert!(certs(&["--name", "keyhole", "--days", "397"], &out).status.success());
    assert_eq!((read("ca.crt"), read("ca.key")), (ca, key));
    assert_ne!(read("tls.crt"), certificate);
    assert!(openssl(&out, "verify -CAfile ca.crt tls.crt").is_some());
    let day = 86_400;
    for (days, is_valid) in [(396, true), (398, false)] {
        let end = format!("x509 -in tls.crt -noout -checkend {}", days * day);
        assert_eq!(openssl(&out, &end).is_some(), is_valid, "{days}");
    }
}

#[test]
#[rustfmt::skip]
fn what_is_wrong_is_told_and_nothing_is_written() {
    for (arguments, expected) in [
        (&["--name", "key_hole"][..],               "'key_hole' is no host name: write letters"),
        (&["--name", "a..b"],                       "'a..b' is no host name"),
        (&["--name", "-a"],                         "'-a' is no host name"),
        (&["--name", "*.example.com"],              "is no host name"),
        (&["--name", "a,DNS:b"],                    "is no host name"),
        (&["--name", "a\nb"],                       "is no host name"),
        (&["--name", "10.0.0.5"],                   "give it by --ip"),
        (&["--ip", "10.0.0.256"],                   "'10.0.0.256' is no IPv4 address"),
        (&["--ip", "::1"],                          "takes no IPv6 address in a URL"),
        (&["--name", "a", "--days", "0"],           "no number of days from 1 to 397"),
        (&["--name", "a", "--days", "398"],         "no number of days from 1 to 397"),
        (&["--name", "a", "--days", "x"],           "no number of days from 1 to 397"),
        (&["--name", "a", "--name", ""],            "--name needs a value"),
        (&["--force"],                              "unknown argument '--force'"),
        (&[],                                       "no name to certify"),
    ] {
        let out = folder("refused");
        let refused = certs(arguments, &out);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&refused).contains(expected), "{arguments:?}: {}", stderr(&refused));
        assert!(!out.exists(), "{arguments:?}");
    }
}

#[test]
fn a_ca_that_cannot_be_used_is_not_replaced() {
    let (out, other) = (folder("broken"), folder("other"));
    assert!(certs(&["--name", "keyhole"], &out).status.success());
    assert!(certs(&["--name", "keyhole"], &other).status.success());
    let certificate = fs::read(out.join("tls.crt")).unwrap();
    let foreign = fs::read(other.join("ca.key")).unwrap();
    for (key, expected) in [
        (Some(&foreign[..]), "is not the key of ca.crt"),
        (Some(b"no key"), "cannot be read"),
        (None, "has only one of ca.crt and ca.key"),
    ] {
        match key {
            Some(key) => fs::write(out.join("ca.key"), key).unwrap(),
            None => fs::remove_file(out.join("ca.key")).unwrap(),
        }
        let refused = certs(&["--name", "keyhole"], &out);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
        assert_eq!(fs::read(out.join("tls.crt")).unwrap(), certificate);
    }
}
