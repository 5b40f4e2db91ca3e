//! Rows 1, 2, 9 and 10: where a call goes, and what with.

use keyhole_tests::sp_invoke::{Call, Options};

use crate::server::{OK, Server, instance, sent, start};

#[test]
#[rustfmt::skip]
fn row_1_urls() {
    let server = Server::answering([OK]);
    let host = format!("localhost:{}", server.port);
    let long = |count| "x".repeat(count);
    // Each of these characters becomes nine.
    let wide = |count| "€".repeat(count);
    for (url, expected) in [
        (format!("https://{host}"),                          Ok("/".to_owned())),
        (format!("https://{host}/"),                         Ok("/".to_owned())),
        (format!("HTTPS://{host}/a"),                        Ok("/a".to_owned())),
        (format!("https://{host}?a"),                        Ok("/?a".to_owned())),
        (format!("https://127.0.0.1:{}/a", server.port),     Ok("/a".to_owned())),
        (format!("https://{host}/a b/ü?c=d e"),              Ok("/a%20b/%C3%BC?c=d%20e".to_owned())),
        (format!("https://{host}/a\r\nb"),                   Ok("/a%0D%0Ab".to_owned())),
        (format!("https://{host}/%2e%2E/../a//b;c?d=%zz&e"), Ok("/%2e%2E/../a//b;c?d=%zz&e".to_owned())),
        (format!("https://{host}/{}", wide(800)),            Ok(format!("/{}", "%E2%82%AC".repeat(800)))),
        (format!("https://{host}/{}", wide(1000)),           Err(31613)),
        (format!("https://{host}/?{}", wide(455)),           Ok(format!("/?{}", "%E2%82%AC".repeat(455)))),
        (format!("https://{host}/?{}", wide(456)),           Err(31613)),
        (format!("https://{host}/{}", long(3000)),           Ok(format!("/{}", long(3000)))),
        (format!("https://{host}/{}", long(4000)),           Err(31633)),
        (format!("http://{host}/"),                          Err(31610)),
        (format!("ftp://{host}/"),                           Err(31610)),
        (format!("//{host}/"),                               Err(31609)),
        (String::new(),                                      Err(31609)),
        (format!("https://{host}/a#b"),                      Err(31609)),
        (format!("https://{host}/?a#b"),                     Err(31609)),
        ("https://localhost:99999/".to_owned(),              Err(31609)),
        ("https://localhost:0/".to_owned(),                  Err(31609)),
        ("https://localhost:/".to_owned(),                   Err(31609)),
        ("https:///a".to_owned(),                            Err(31614)),
        ("https://ex ample/".to_owned(),                     Err(31614)),
        ("https://exämple/".to_owned(),                      Err(31614)),
        ("https://user@localhost/".to_owned(),               Err(31614)),
        ("https://[::1]/".to_owned(),                        Err(31614)),
        ("https://[::1]:443/".to_owned(),                    Err(31614)),
    ] {
        let target = sent(&server, Call { method: "GET", ..Call::to(&url) });
        let target = target.map(|text| text.split(' ').nth(1).unwrap().to_owned());
        assert_eq!(target, expected, "{url}");
    }
}

#[test]
fn row_2_methods() {
    let server = Server::answering([OK]);
    let url = server.url("/");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let text = sent(&server, Call { method, ..Call::to(&url) }).unwrap();
        assert!(text.starts_with(&format!("{method} / HTTP/1.1\r\n")), "{text}");
    }
    for method in ["get", "OPTIONS", "TRACE", "CONNECT", "DELETES", "", " GET", "G\r\n"] {
        let error = sent(&server, Call { method, ..Call::to(&url) });
        assert_eq!(error, Err(31605), "{method}");
    }
    let forgotten = sent(&server, Call::to(&url)).unwrap();
    assert!(forgotten.starts_with("POST /"), "{forgotten}");

    let server = Server::answering(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"]);
    let text = sent(&server, Call { method: "HEAD", ..Call::to(&server.url("/")) }).unwrap();
    assert!(text.starts_with("HEAD / HTTP/1.1\r\n"), "{text}");
}

#[test]
#[rustfmt::skip]
fn row_9_payloads() {
    const JSON: Option<&str> = Some(r#"{"Content-Type": "application/vnd.microsoft.a.json"}"#);
    const XML: Option<&str> = Some(r#"{"Content-Type": "application/xml"}"#);
    const TEXT: Option<&str> = Some(r#"{"Content-Type": "text/plain"}"#);
    let server = Server::answering([OK]);
    let url = server.url("/");
    let too_large = "x".repeat(104_857_601);
    for (method, headers, payload, expected) in [
        ("POST",   None, Some(r#"{"a": "ü"}"#),      Ok((Some("11"), r#"{"a": "ü"}"#))),
        ("POST",   None, None,                       Ok((Some("0"), ""))),
        ("PUT",    None, None,                       Ok((Some("0"), ""))),
        ("PATCH",  None, None,                       Ok((Some("0"), ""))),
        ("GET",    None, None,                       Ok((None, ""))),
        ("DELETE", None, None,                       Ok((None, ""))),
        ("DELETE", None, Some("{}"),                 Ok((Some("2"), "{}"))),
        ("POST",   JSON, Some("[1]"),                Ok((Some("3"), "[1]"))),
        ("POST",   XML,  Some("<a><b/></a>"),        Ok((Some("11"), "<a><b/></a>"))),
        ("POST",   TEXT, Some("{"),                  Ok((Some("1"), "{"))),
        ("POST",   TEXT, Some(""),                   Ok((Some("0"), ""))),
        ("POST",   None, Some("{"),                  Err(11558)),
        ("POST",   None, Some(""),                   Err(11558)),
        ("POST",   None, Some("{} {}"),              Err(11558)),
        ("POST",   JSON, Some("{'a': 1}"),           Err(11558)),
        ("POST",   XML,  Some("<a><b></a>"),         Err(31640)),
        ("POST",   TEXT, Some(too_large.as_str()),   Err(31601)),
    ] {
        let before = server.seen().len();
        let answer = instance().invoke(&Call { method, headers, payload, ..Call::to(&url) });
        match expected {
            Ok((length, body)) => {
                answer.unwrap();
                let seen = &server.seen()[before];
                assert_eq!(seen.values("content-length"), Vec::from_iter(length), "{seen:?}");
                assert_eq!(seen.body(), body);
            }
            Err(number) => assert_eq!(answer.unwrap_err().number(), number, "{method} {headers:?}"),
        }
    }
}

#[test]
fn row_10_all_header_fields_together_have_8_kb() {
    let server = Server::answering([OK]);
    let url = server.url("/");
    let call = Call { method: "GET", headers: Some(r#"{"x-a": "b"}"#), ..Call::to(&url) };
    let with_user_agent = |length| {
        let options = Options { user_agent: "x".repeat(length), ..Options::default() };
        start(options).invoke(&call).map_err(|error| error.number()).map(drop)
    };
    with_user_agent(1).unwrap();
    let others = server.only().text.len() - "GET / HTTP/1.1\r\n".len() - "\r\n".len() - 1;
    assert_eq!(with_user_agent(8192 - others), Ok(()));
    assert_eq!(with_user_agent(8193 - others), Err(31632));
}
