//! Rows 11 and 12, and of row 24 what they lead to: TLS and whom it trusts.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use keyhole_tests::sp_invoke::{Call, Instance, Options};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use crate::certificates::{Authority, GOOD, Identity, Leaf, new_folder};
use crate::server::{CA, OK, Server, instance, tls, trusting};

/// The HRESULT of a call to a server with this TLS, or none if it went well.
fn hresult(tls: ServerConfig, instance: &Instance) -> Option<u32> {
    let server = Server::with_tls(tls, [OK]);
    let outcome = instance.invoke(&Call::to(&server.url("/")));
    assert_eq!(server.seen().len(), usize::from(outcome.is_ok()), "{outcome:?}");
    let error = outcome.err()?;
    assert_eq!(error.number(), 31608, "{error}");
    error.hresult()
}

/// An identity and the TLS versions of a server.
fn only(version: &'static rustls::SupportedProtocolVersion) -> ServerConfig {
    let Identity { chain, key } = CA.sign(GOOD);
    let tls = ServerConfig::builder_with_protocol_versions(&[version]).with_no_client_auth();
    tls.with_single_cert(chain, key).unwrap()
}

#[test]
fn row_11_tls_1_2_and_1_3_and_nothing_older() {
    assert_eq!(hresult(only(&TLS12), &instance()), None);
    assert_eq!(hresult(only(&TLS13), &instance()), None);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let call = thread::spawn(move || instance().invoke(&Call::to(&url)).unwrap_err());
    let mut hello = vec![0; 2048];
    let length = listener.accept().unwrap().0.read(&mut hello).unwrap();
    // The extension `supported_versions`, with two of them.
    let versions: &[u8] = &[0, 43, 0, 5, 4, 3, 4, 3, 3];
    assert!(hello[..length].windows(versions.len()).any(|window| window == versions));
    assert_eq!(call.join().unwrap().hresult(), Some(0x8007_2efe));
}

#[test]
fn row_11_the_host_is_sent_as_sni() {
    let server = Server::answering([OK]);
    instance().invoke(&Call::to(&server.url("/"))).unwrap();
    assert_eq!(server.only().sni.as_deref(), Some("localhost"));
    assert_eq!(server.only().values("host"), [format!("localhost:{}", server.port)]);
}

#[test]
fn row_11_only_the_given_cas_are_trusted() {
    let stranger = Authority::new();
    assert_eq!(hresult(tls(stranger.sign(GOOD)), &instance()), Some(0x8007_0008));
    assert_eq!(hresult(tls(stranger.sign(GOOD)), &trusting(&stranger.folder)), None);
    assert_eq!(hresult(tls(stranger.sign(GOOD)), &trusting(&stranger.certificate())), None);
    let nobody = trusting(&new_folder());
    assert_eq!(hresult(tls(CA.sign(GOOD)), &nobody), Some(0x8007_0008));
}

#[test]
fn row_11_the_certificate_is_for_the_host() {
    for extensions in ["subjectAltName=DNS:another", "extendedKeyUsage=serverAuth"] {
        // A common name is not looked at.
        let leaf = Leaf { common_name: "localhost", extensions, ..GOOD };
        assert_eq!(hresult(tls(CA.sign(leaf)), &instance()), Some(0x8007_0010), "{extensions}");
    }
}

fn copy(certificate: &Path, folder: &Path, name: &str) {
    fs::copy(certificate, folder.join(name)).unwrap();
}

#[test]
fn row_12_only_crt_files_count_and_only_their_first_certificate() {
    let stranger = Authority::new();
    for (name, trusted) in
        [("a.crt", true), ("a.pem", false), ("a.cer", false), ("a.CRT", false), ("crt", false)]
    {
        let folder = new_folder();
        copy(&stranger.certificate(), &folder, name);
        let instance = trusting(&folder);
        let failed = hresult(tls(stranger.sign(GOOD)), &instance);
        assert_eq!(failed.is_none(), trusted, "{name}");
    }
    let folder = new_folder();
    let (first, second) = (CA.certificate(), stranger.certificate());
    let bundle = [first, second].map(|file| fs::read_to_string(file).unwrap()).concat();
    fs::write(folder.join("bundle.crt"), bundle).unwrap();
    fs::write(folder.join("broken.crt"), "no certificate").unwrap();
    let instance = trusting(&folder);
    assert_eq!(hresult(tls(CA.sign(GOOD)), &instance), None);
    assert_eq!(hresult(tls(stranger.sign(GOOD)), &instance), Some(0x8007_0008));
    assert!(Instance::start(&folder.join("missing"), Options::default()).is_err());
}

#[test]
fn row_12_50_files_are_read() {
    let stranger = Authority::new();
    for (others, trusted) in [(49, true), (50, false)] {
        let folder = new_folder();
        for number in 0..others {
            copy(&CA.certificate(), &folder, &format!("a{number}.crt"));
        }
        copy(&stranger.certificate(), &folder, "b.crt");
        let failed = hresult(tls(stranger.sign(GOOD)), &trusting(&folder));
        assert_eq!(failed.is_none(), trusted, "{others}");
    }
}

#[test]
fn row_12_cas_are_read_at_the_start() {
    let folder = new_folder();
    let instance = trusting(&folder);
    copy(&CA.certificate(), &folder, "ca.crt");
    assert_eq!(hresult(tls(CA.sign(GOOD)), &instance), Some(0x8007_0008));
    assert_eq!(hresult(tls(CA.sign(GOOD)), &trusting(&folder)), None);
}

#[test]
fn row_24_certificates_that_are_not_accepted() {
    let usage = Leaf {
        extensions: "subjectAltName=DNS:localhost\nextendedKeyUsage=clientAuth",
        ..GOOD
    };
    assert_eq!(hresult(tls(CA.sign(usage)), &instance()), Some(0x8007_0040));

    // It expires with the second in which it is made.
    let expired = CA.sign(Leaf { days: "0", ..GOOD });
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(hresult(tls(expired), &instance()), Some(0x8007_0020));
}

#[test]
fn row_24_a_demanded_client_certificate_is_not_there() {
    for version in [&TLS12, &TLS13] {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CA.sign(GOOD).chain);
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let Identity { chain, key } = CA.sign(GOOD);
        let tls = ServerConfig::builder_with_protocol_versions(&[version])
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key);
        assert_eq!(hresult(tls.unwrap(), &instance()), Some(0x8007_2f0c), "{version:?}");
    }
}
