//! Trailers carry to the apiserver nothing that headers may not.

use std::path::Path;
use std::sync::Arc;

use h2::client;
use http::{HeaderMap, Request};
use keyhole_tests::stack::Stack;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Posts `body` over HTTP/2, with trailers, and returns the status.
async fn post(stack: &Stack, path: &str, body: &str, trailers: HeaderMap) -> u16 {
    let mut roots = RootCertStore::empty();
    let ca = Path::new(stack.var("KEYHOLE_CA"));
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let url = stack.var("KEYHOLE_URL");
    let tcp = TcpStream::connect(url.strip_prefix("https://").unwrap()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.unwrap();
    let (mut sender, connection) = client::handshake(tls).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("{url}{path}"))
        .header("x-api-key", stack.var("KEYHOLE_KEY"))
        .header("content-type", "application/json")
        .body(())
        .unwrap();
    let (response, mut stream) = sender.send_request(request, false).unwrap();
    stream.send_data(body.to_owned().into(), false).unwrap();
    stream.send_trailers(trailers).unwrap();
    response.await.unwrap().status().as_u16()
}

#[tokio::test]
async fn promise_4_trailers_are_left_behind() {
    let stack = Stack::own("trailers", &[]).unwrap();
    // Envoy's own account of what its router sends upstream.
    stack.admin("POST", "/logging?router=debug").unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("impersonate-user", "admin".parse().unwrap());
    trailers.insert("x-api-key", "a-secret".parse().unwrap());
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;
    let status = post(&stack, "/api/v1/namespaces/default/pods", pod, trailers).await;
    assert_eq!(status, 201);
    let log = std::fs::read_to_string(stack.var("KEYHOLE_ENVOY_LOG")).unwrap();
    assert!(log.contains("router decoding trailers:"), "{log}");
    assert!(!log.contains("impersonate-user") && !log.contains("a-secret"), "{log}");

    // A body that ends with trailers is judged, too.
    let constrained = stack.policy().replace(
        "resources: [pods], verbs: [get, list, create]",
        "resources: [pods], verbs: [create], constraints: {namePrefix: sql-}",
    );
    stack.apply(&constrained).unwrap();
    for (name, expected) in [("p2", 403), ("sql-p2", 201)] {
        let pod = pod.replace("\"name\":\"p\"", &format!("\"name\":\"{name}\""));
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", "1".parse().unwrap());
        let status = post(&stack, "/api/v1/namespaces/default/pods", &pod, trailers).await;
        assert_eq!(status, expected, "{name}");
    }
}
