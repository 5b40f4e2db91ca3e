//! What is reached without a key, and that it is no more.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use keyhole_tests::client::Response;
use keyhole_tests::stack::Stack;

/// Sends these bytes as they are.
fn raw(url: &str, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "{request}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0")
}

pub(crate) fn get(url: &str, target: &str) -> Response {
    Response::parse(&raw(url, &request("GET", target))).unwrap()
}

/// Some answers have a head only.
fn status(url: &str, method: &str, target: &str) -> u16 {
    let answer = raw(url, &request(method, target));
    str::from_utf8(&answer[9..12]).unwrap().parse().unwrap()
}

#[test]
fn two_pages_of_the_admin_interface_are_there_and_nothing_else() {
    let stack = Stack::shared();
    let url = stack.var("KEYHOLE_MONITORING");
    assert_eq!(get(url, "/ready").body, b"LIVE\n");
    let metrics = get(url, "/stats/prometheus");
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.starts_with(b"# TYPE "));

    // Where the admin interface itself has a page.
    for target in [
        "/",
        "/certs",
        "/clusters",
        "/config_dump",
        "/contention",
        "/help",
        "/hot_restart_version",
        "/init_dump",
        "/listeners",
        "/memory",
        "/ready?",
        "/ready?x=y",
        "/runtime",
        "/server_info",
        "/stats",
        "/stats/prometheus?usedonly",
        "/stats?format=prometheus",
    ] {
        assert!(stack.admin("GET", target).is_ok(), "{target}");
        assert_eq!(status(url, "GET", target), 404, "{target}");
    }
    for (method, target, expected) in [
        ("GET", "//", 404),
        ("GET", "//ready", 404),
        ("GET", "/./ready", 404),
        ("GET", "/config_dump/../ready", 404),
        ("GET", "/ready/", 404),
        ("GET", "/ready/../config_dump", 404),
        ("GET", "/ready;/config_dump", 404),
        ("GET", "/READY", 404),
        ("GET", "/re%61dy", 404),
        ("GET", "/%63onfig_dump", 404),
        ("GET", "/stats%2fprometheus", 400),
        ("GET", "/ready%2f..%2fconfig_dump", 400),
        ("GET", "/ready%5c..%5cconfig_dump", 400),
        ("GET", "/ready#/config_dump", 400),
        ("GET", "http://127.0.0.1:9901/config_dump", 404),
        ("HEAD", "/ready", 404),
        ("POST", "/ready", 404),
        ("POST", "/stats/prometheus", 404),
        ("OPTIONS", "/ready", 404),
        ("CONNECT", "127.0.0.1:9901", 404),
        ("POST", "/config_dump", 404),
        ("POST", "/cpuprofiler?enable=y", 404),
        ("POST", "/drain_listeners", 404),
        ("POST", "/healthcheck/fail", 404),
        ("POST", "/logging?level=trace", 404),
        ("POST", "/quitquitquit", 404),
        ("POST", "/reset_counters", 404),
        ("POST", "/runtime_modify?a=b", 404),
    ] {
        assert_eq!(status(url, method, target), expected, "{method} {target}");
    }
    for header in [
        "x-envoy-original-path: /config_dump",
        "x-http-method-override: POST",
        "x-rewrite-url: /config_dump",
    ] {
        let request =
            format!("GET /ready HTTP/1.1\r\nhost: x\r\n{header}\r\nconnection: close");
        let answer = Response::parse(&raw(url, &request)).unwrap();
        assert_eq!(answer.body, b"LIVE\n", "{header}");
    }
    assert_eq!(get(url, "/ready").body, b"LIVE\n");
}
