//! Row 8: database scoped credentials.

use keyhole_tests::sp_invoke::{Call, Credential};

use crate::server::{OK, Server, instance};

#[test]
#[rustfmt::skip]
fn row_8_a_credentials_name_covers_the_url() {
    let server = Server::answering([OK]);
    let port = server.port;
    let other = port ^ 1;
    for (name, path, covers) in [
        (format!("https://localhost:{port}"),         "/a/b",      true),
        (format!("https://localhost:{port}/"),        "/a/b",      true),
        (format!("HTTPS://LocalHost:{port}"),         "/",         true),
        (format!("https://localhost:{port}/a"),       "/a/b",      true),
        (format!("https://localhost:{port}/a/"),      "/a/b",      true),
        (format!("https://localhost:{port}/a/b"),     "/a/b?c=d",  true),
        (format!("https://localhost:{port}/a"),       "/ab",       false),
        (format!("https://localhost:{port}/A"),       "/a/b",      false),
        (format!("https://localhost:{port}/a/b/c"),   "/a/b",      false),
        (format!("https://localhost:{port}/a%20b"),   "/a b",      false),
        (format!("https://localhost:{port}/a?b=c"),   "/a?b=c",    false),
        (format!("https://localhost:{other}"),        "/",         false),
        ("https://localhost".to_owned(),              "/",         false),
        (format!("https://127.0.0.1:{port}"),         "/",         false),
        (format!("http://localhost:{port}"),          "/",         false),
        ("k8s".to_owned(),                            "/",         false),
        (format!("https://localhost:{port}/{}", "a".repeat(128)), "/a", false),
    ] {
        let secret = r#"{"x-api-key": "k", "x-more": "m"}"#;
        let credential = Credential::new(&name, "HTTPEndpointHeaders", secret);
        let url = server.url(path);
        let call = Call { credential: Some(&name), ..Call::to(&url) };
        let before = server.seen().len();
        let answer = instance().with(credential).invoke(&call);
        if covers {
            answer.unwrap();
            let seen = &server.seen()[before];
            assert_eq!((seen.values("x-api-key"), seen.values("x-more")), (vec!["k"], vec!["m"]));
        } else {
            assert_eq!(answer.unwrap_err().number(), 31630, "{name} {path}");
            assert_eq!(server.seen().len(), before);
        }
    }
}

#[test]
#[rustfmt::skip]
fn row_8_identities_and_secrets() {
    let server = Server::answering([OK]);
    for (identity, secret, expected) in [
        ("HTTPEndpointQueryString", r#"{"code": "a&b=c", "d e": 1}"#, Ok("/x?y=z&code=a%26b%3Dc&d%20e=1")),
        ("HTTPEndpointHeaders",     r#"{"x-api-key": "k"}"#,          Ok("/x?y=z")),
        ("HTTPEndpointHeaders",     r#"{"Content-Type": "application/yaml"}"#, Err(31639)),
        ("HTTPEndpointHeaders",     r#"{"accept": "*/*"}"#,           Err(31639)),
        ("HTTPEndpointHeaders",     r#"{"x": {}}"#,                   Err(31615)),
        ("HTTPEndpointHeaders",     r#"{"x": "ü"}"#,                  Err(31617)),
        ("HTTPEndpointHeaders",     r#"{"": "x"}"#,                   Err(31618)),
        ("HTTPEndpointHeaders",     "keyhole_x",                      Err(31619)),
        ("HTTPEndpointHeaders",     r#""keyhole_x""#,                 Err(31620)),
        ("HTTPEndpointHeaders",     r#"{"x": ""}"#,                   Err(31642)),
        ("Managed Identity",        r#"{"resourceid": "x"}"#,         Err(31644)),
        ("SHARED ACCESS SIGNATURE", "sig=x",                          Err(31637)),
        ("httpendpointheaders",     r#"{"x-api-key": "k"}"#,          Err(31628)),
        ("sql-prod-01",             r#"{"x-api-key": "k"}"#,          Err(31628)),
    ] {
        let name = server.url("");
        let url = server.url("/x?y=z");
        let instance = instance().with(Credential::new(&name, identity, secret));
        let before = server.seen().len();
        let answer = instance.invoke(&Call { credential: Some(&name), ..Call::to(&url) });
        match expected {
            Ok(target) => {
                answer.unwrap();
                assert_eq!(server.seen()[before].target(), target);
            }
            Err(number) => assert_eq!(answer.unwrap_err().number(), number, "{identity} {secret}"),
        }
    }
}

#[test]
fn row_8_secrets_are_in_no_error_and_no_debug_output() {
    const SECRET: &str = "keyhole_s3cret";
    let broken = |template: &str| template.replace("SECRET", SECRET);
    for (identity, secret) in [
        ("HTTPEndpointHeaders", broken(r#"{"x-api-key": "SECRET"}"#)),
        ("HTTPEndpointHeaders", broken(r#"{"x-api-key": "SECRETü"}"#)),
        ("HTTPEndpointHeaders", broken(r#"{"x-api-key": ["SECRET"]}"#)),
        ("HTTPEndpointHeaders", broken(r#"{"accept": "SECRET"}"#)),
        ("HTTPEndpointHeaders", broken("SECRET")),
        ("HTTPEndpointQueryString", broken(r#"{"code": "SECRET"}"#)),
        ("Managed Identity", broken("SECRET")),
        ("SHARED ACCESS SIGNATURE", broken("SECRET")),
        ("unknown", broken("SECRET")),
    ] {
        // Nobody listens there.
        let name = "https://localhost:1";
        let credential = Credential::new(name, identity, &secret);
        let url = format!("{name}/?token={SECRET}");
        let call = Call {
            credential: Some(name),
            headers: Some(&secret),
            payload: Some(&secret),
            ..Call::to(&url)
        };
        let without = Call { headers: None, payload: None, ..call };
        let debug = format!("{credential:?} {call:?}");
        let instance = instance().with(credential);
        let errors = [call, without].map(|call| instance.invoke(&call).unwrap_err());
        let texts = errors.map(|error| format!("{error} {error:?}"));
        assert!(
            !format!("{debug} {instance:?} {texts:?}").contains(SECRET),
            "{identity} {texts:?}"
        );
    }
}
