//! Rows 3 to 7: what is sent of `@headers`, and what besides.

use keyhole_tests::sp_invoke::{Call, Options};

use crate::server::{OK, Server, instance, sent, start};

#[test]
#[rustfmt::skip]
fn row_3_headers_are_a_flat_json_object() {
    let server = Server::answering([OK]);
    let url = server.url("/");
    let longest = format!(r#"{{"x-a":"{}"}}"#, "x".repeat(3990));
    let too_long = format!(r#"{{"x-a":"{}"}}"#, "x".repeat(3991));
    for (headers, expected) in [
        (r#"{}"#,                           Ok("")),
        (r#" {"x-a": "b"} "#,               Ok("x-a: b\r\n")),
        (r#"{"X-A": 1.50, "x-b": true}"#,   Ok("X-A: 1.5\r\nx-b: true\r\n")),
        (r#"{"x-b": "1", "x-a": "2", "x-b": "3"}"#, Ok("x-b: 1\r\nx-a: 2\r\nx-b: 3\r\n")),
        (r#"{"x-a": " b ~"}"#,              Ok("x-a:  b ~\r\n")),
        (longest.as_str(),                  Ok("")),
        (too_long.as_str(),                 Err(31633)),
        ("",                                Err(31619)),
        ("x-a: b",                          Err(31619)),
        (r#"{"x-a": "b"} {}"#,              Err(31619)),
        (r#"{'x-a': 'b'}"#,                 Err(31619)),
        (r#"["x-a"]"#,                      Err(31620)),
        ("null",                            Err(31620)),
        ("1",                               Err(31620)),
        (r#"{"x-a": {"b": "c"}}"#,          Err(31615)),
        (r#"{"x-a": ["b"]}"#,               Err(31615)),
        (r#"{"x-a": "ü"}"#,                 Err(31617)),
        (r#"{"x-ü": "a"}"#,                 Err(31617)),
        (r#"{"x-a": "b\r\nx-c: d"}"#,       Err(31617)),
        (r#"{"x-a": "b\t"}"#,               Err(31617)),
        (r#"{"x a": "b"}"#,                 Err(31617)),
        (r#"{"x-a:": "b"}"#,                Err(31617)),
        (r#"{"": "b"}"#,                    Err(31618)),
        (r#"{"x-a": ""}"#,                  Err(31642)),
        (r#"{"x-a": null}"#,                Err(31642)),
    ] {
        let text = sent(&server, Call { method: "GET", headers: Some(headers), ..Call::to(&url) });
        match (text, expected) {
            (Ok(text), Ok(expected)) => assert!(text.contains(expected), "{headers}: {text}"),
            (text, expected) => assert_eq!(text.err(), expected.err(), "{headers}"),
        }
    }
}

#[test]
fn row_4_forbidden_headers_do_not_pass() {
    let server = Server::answering([OK]);
    let url = server.url("/");
    let call = Call { method: "GET", ..Call::to(&url) };
    let plain = sent(&server, call).unwrap();
    for name in [
        "Accept-Charset",
        "Accept-Encoding",
        "Access-Control-Request-Headers",
        "Access-Control-Request-Method",
        "Connection",
        "Content-Length",
        "Cookie",
        "cookie2",
        "Date",
        "DNT",
        "Expect",
        "HOST",
        "Keep-Alive",
        "Origin",
        "Referer",
        "Set-Cookie",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Via",
        "Proxy-Authorization",
        "proxy-x",
        "Sec-Fetch-Mode",
        "sec-x",
        "User-Agent",
    ] {
        let headers = format!(r#"{{"{name}": "x"}}"#);
        let text = sent(&server, Call { headers: Some(&headers), ..call }).unwrap();
        assert_eq!(text, plain, "{name}");
    }
    for (headers, passes) in [
        (r#"{"X-HTTP-Method-Override": "TRACE"}"#, false),
        (r#"{"X-HTTP-Method": "put, connect"}"#, false),
        (r#"{"X-HTTP-Method-Override": "PATCH"}"#, true),
        (r#"{"Authorization": "Bearer x"}"#, true),
        (r#"{"Impersonate-User": "admin"}"#, true),
    ] {
        let text = sent(&server, Call { headers: Some(headers), ..call }).unwrap();
        assert_eq!(text != plain, passes, "{headers}: {text}");
    }
}

#[test]
fn row_4_an_overwritten_user_agent_is_a_warning() {
    let server = Server::answering([OK]);
    let url = server.url("/");
    let call = Call { headers: Some(r#"{"user-agent": "x"}"#), ..Call::to(&url) };
    let warnings = instance().invoke(&call).unwrap().warnings;
    assert_eq!(warnings.iter().map(|warning| warning.number()).collect::<Vec<_>>(), [31616]);
    assert!(instance().invoke(&Call::to(&url)).unwrap().warnings.is_empty());
}

/// What is sent for a header that the caller gives, or the number of the error.
fn overridden(name: &str, value: &str, options: Options) -> Result<Vec<String>, u16> {
    let server = Server::answering(["HTTP/1.1 204 No Content\r\n\r\n"]);
    let headers = format!(r#"{{"{name}": "{value}"}}"#);
    let url = server.url("/");
    let call = Call { headers: Some(&headers), ..Call::to(&url) };
    start(options).invoke(&call).map_err(|error| error.number())?;
    Ok(server.only().values(name).into_iter().map(str::to_owned).collect())
}

#[test]
fn row_5_content_types() {
    let server = Server::answering(["HTTP/1.1 204 No Content\r\n\r\n"]);
    let url = server.url("/");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] {
        let text = sent(&server, Call { method, ..Call::to(&url) }).unwrap();
        let line = "\r\nContent-Type: application/json; charset=utf-8\r\n";
        assert!(text.contains(line), "{text}");
    }
    for value in [
        "application/json",
        "application/xml",
        "application/vnd.microsoft.a.json",
        "application/vnd.microsoft.a.b.xml",
        "application/vnd.microsoft.a+xml",
        "application/x-www-form-urlencoded",
        "text/plain",
        "text/yaml",
    ] {
        let sent = overridden("Content-Type", value, Options::default());
        assert_eq!(sent, Ok(vec![value.to_owned()]));
        let charset = Options { charset_on_overrides: true, ..Options::default() };
        let sent = overridden("content-type", value, charset);
        assert_eq!(sent, Ok(vec![format!("{value}; charset=utf-8")]));
    }
    for value in [
        "application/json; charset=utf-8",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "application/vnd.kubernetes.protobuf",
        "application/vnd.microsoft..json;a.json",
        "application/vnd.microsoft.json",
        "application/yaml",
        "multipart/form-data",
        "text/plain;a=b",
        "text/",
        "json",
    ] {
        let sent = overridden("Content-Type", value, Options::default());
        assert_eq!(sent, Err(31638), "{value}");
    }
}

#[test]
fn row_6_accepts() {
    let server = Server::answering([OK]);
    let text = sent(&server, Call::to(&server.url("/"))).unwrap();
    assert!(text.contains("\r\nAccept: application/json\r\n"), "{text}");
    for value in ["application/json", "application/xml", "text/plain", "text/*"] {
        let sent = overridden("Accept", value, Options::default());
        assert_eq!(sent, Ok(vec![value.to_owned()]));
    }
    for value in [
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json, */*",
        "application/yaml",
        "*/*",
        "text/plain;q=1",
    ] {
        let sent = overridden("accept", value, Options::default());
        assert_eq!(sent, Err(31638), "{value}");
    }
}

#[test]
fn row_7_the_user_agent_is_the_instances() {
    for user_agent in ["SQL Server double/17.0.1000.7", "another/1"] {
        let server = Server::answering([OK]);
        let options = Options { user_agent: user_agent.to_owned(), ..Options::default() };
        start(options).invoke(&Call::to(&server.url("/"))).unwrap();
        assert_eq!(server.only().values("user-agent"), [user_agent]);
    }
}
