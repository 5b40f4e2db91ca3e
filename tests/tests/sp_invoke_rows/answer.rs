//! Rows 20 to 28: what a call gives back, and what an instance refuses.

use std::thread;
use std::time::Duration;

use keyhole_tests::sp_invoke::{
    Answer, Call, Cloud, Credential, Error, Failure, Options, Pairs,
};

use crate::server::{OK, Reply, Server, get, instance, response, start};

const TEXT: Option<&str> = Some(r#"{"Accept": "text/plain"}"#);
const XML: Option<&str> = Some(r#"{"Accept": "application/xml"}"#);

/// `$.result` as it is written, or the number of the error.
fn result(outcome: Result<Answer, Error>) -> Result<String, u16> {
    let answer = outcome.map_err(|error| error.number())?;
    let (_, result) = answer.response.split_once(r#","result":"#).expect("a result");
    Ok(result.strip_suffix('}').unwrap().to_owned())
}

#[test]
#[rustfmt::skip]
fn row_20_a_body_is_read_as_what_was_accepted() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for (accept, content_type, body, expected) in [
        (None, "application/json",                 r#"{"a": [1, 1.50]}"#, Ok(r#"{"a": [1, 1.50]}"#)),
        (None, "application/json; charset=utf-8",  "{\n}\n",       Ok("{\n}")),
        (None, "application/json; charset=\"UTF-8\"", "{}",        Ok("{}")),
        (None, "application/json;charset=us-ascii", "{}",          Ok("{}")),
        (None, "text/plain",                       "{}",           Ok("{}")),
        (None, "application/json",                 "\"a/b\"",      Ok("\"a/b\"")),
        (None, "application/json",                 "",             Err(11558)),
        (None, "application/json",                 " ",            Err(11558)),
        (None, "text/plain",                       "ok",           Err(11558)),
        (None, "application/yaml",                 "a: b",         Err(11558)),
        (None, "application/json",                 "{}{}",         Err(11558)),
        (None, "application/json",                 "{}\n{}\n",     Err(11558)),
        (None, "application/json",                 "{\"a\": 1",    Err(11558)),
        (None, "application/json",                 "\u{feff}{}",   Err(11558)),
        (None, "application/json",                 deep.as_str(),  Err(11558)),
        (None, "application/json; charset=utf-16", "{}",           Err(31641)),
        (None, "application/json; charset=latin1", "{}",           Err(31641)),
        (TEXT, "text/plain",                       "a/b\n\"ü\"",   Ok(r#""a\/b\n\"ü\"""#)),
        (TEXT, "application/json",                 "{}",           Ok("\"{}\"")),
        (TEXT, "text/plain",                       "",             Ok("\"\"")),
        (TEXT, "text/plain; charset=latin1",       "a",            Err(31641)),
        (XML,  "application/xml",                  "{}",           Err(31640)),
        (XML,  "application/xml",                  "<a>",          Err(31640)),
        (XML,  "application/xml",                  "",             Err(31640)),
    ] {
        let headers = format!("Content-Type: {content_type}\r\n");
        let outcome = result(get(response("200 OK", &headers, body), accept));
        assert_eq!(outcome.as_deref(), expected.as_ref().map(|text| &**text), "{content_type} {body}");
    }
    for (accept, expected) in [(None, 11558), (TEXT, 11558), (XML, 31640)] {
        let latin1 = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\"\xfc\"".to_vec();
        assert_eq!(result(get(Reply::Bytes(latin1), accept)), Err(expected));
    }
}

#[test]
fn row_20_chunks_are_put_together() {
    let reply = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3\r\n[1,\r\n2;x=y\r\n2]\r\n0\r\nTrailer: x\r\n\r\n";
    assert_eq!(result(get(reply, None)).as_deref(), Ok("[1,2]"));
}

#[test]
fn row_20_a_body_without_a_length_ends_with_tls() {
    let reply = Reply::Ended(b"HTTP/1.1 200 OK\r\n\r\n[1,2]".to_vec());
    assert_eq!(result(get(reply, None)).as_deref(), Ok("[1,2]"));
}

#[test]
fn row_21_an_unparsable_body_hides_the_status() {
    for status in
        ["200 OK", "401 Unauthorized", "404 Not Found", "429 Too Many Requests", "503 x"]
    {
        for body in ["", "no healthy upstream", "<html/>"] {
            let error = get(response(status, "", body), None).unwrap_err();
            assert_eq!(error, Error::NotJson("@result"), "{status} {body}");
        }
    }
}

#[test]
#[rustfmt::skip]
fn row_22_the_envelope() {
    let server = |reply: &str| get(reply.replace('\n', "\r\n"), None).unwrap().response;
    for (reply, expected) in [
        ("HTTP/1.1 200 OK\nContent-Type: application/json\nx-b: 1\nX-a: \"2\"\nx-b: 3\nContent-Length: 8\n\n{\"a\": 1}",
         r#"{"response":{"status":{"http":{"code":200,"description":"OK"}},"headers":{"Content-Type":"application\/json","x-b":"1","X-a":"\"2\"","x-b":"3","Content-Length":"8"}},"result":{"a": 1}}"#),
        ("HTTP/1.1 404 Not / Found\nContent-Length: 2\n\n{}",
         r#"{"response":{"status":{"http":{"code":404,"description":"Not \/ Found"}},"headers":{"Content-Length":"2"}},"result":{}}"#),
        ("HTTP/1.1 200\nContent-Length: 2\n\n{}",
         r#"{"response":{"status":{"http":{"code":200,"description":""}},"headers":{"Content-Length":"2"}},"result":{}}"#),
        ("HTTP/1.1 204 No Content\n\n",
         r#"{"response":{"status":{"http":{"code":204,"description":"No Content"}},"headers":{}}}"#),
    ] {
        assert_eq!(server(reply), expected);
    }
    let head = Server::answering(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"]);
    let answer = instance().invoke(&Call { method: "HEAD", ..Call::to(&head.url("/")) }).unwrap();
    assert_eq!(
        answer.response,
        r#"{"response":{"status":{"http":{"code":200,"description":"OK"}},"headers":{"Content-Length":"2"}}}"#
    );
    let xml = response("200 OK", "X: a<\"&\r\n", "<?xml version=\"1.0\"?>\n<a><b/></a>\n");
    assert_eq!(
        get(xml, XML).unwrap().response,
        r#"<output><response><status><http code="200" description="OK"/></status><headers><header key="X" value="a&lt;&quot;&amp;"/><header key="Content-Length" value="34"/></headers></response><result><a><b/></a></result></output>"#
    );
}

#[test]
fn row_23_the_return_value_is_0_or_the_status() {
    for (status, expected) in [
        (200, 0),
        (201, 0),
        (202, 0),
        (299, 0),
        (300, 300),
        (304, 304),
        (401, 401),
        (404, 404),
        (503, 503),
        (599, 599),
    ] {
        let answer = get(response(&format!("{status} x"), "", "{}"), None).unwrap();
        assert_eq!(answer.return_value, expected);
        assert_eq!(answer.value("$.response.status.http.code"), Some(status.to_string()));
    }
}

#[test]
fn row_24_errors_have_a_number_and_a_text() {
    for (error, number, text) in [
        (
            Error::Unreachable(Failure::NameNotResolved),
            31608,
            "An error occurred, failed to communicate with the external rest endpoint. HRESULT: 0x80072ee7.",
        ),
        (
            Error::NotJson("@result"),
            11558,
            "The @result JSON string could not be parsed. Please check the formatting of the JSON.",
        ),
        (
            Error::UnsupportedValue { header: "Accept", of: Pairs::Headers },
            31638,
            "The specified 'Accept' value is not supported in the @headers parameter.",
        ),
        (
            Error::UnsupportedValue { header: "Accept", of: Pairs::Secret },
            31639,
            "The specified 'Accept' value is not supported in the @credential secret.",
        ),
    ] {
        assert_eq!((error.number(), error.to_string().as_str()), (number, text));
    }
    assert_eq!(Error::SEVERITY, 16);
}

#[test]
fn row_25_an_instance_can_be_disabled_and_a_caller_without_permission() {
    let server = Server::answering([OK]);
    let (name, url) = (server.url(""), server.url("/"));
    let credential = || Credential::new(&name, "HTTPEndpointHeaders", r#"{"x-api-key": "k"}"#);
    let call = Call { credential: Some(&name), ..Call::to(&url) };
    let disabled = start(Options { enabled: false, ..Options::default() });
    let not_permitted = start(Options { permitted: false, ..Options::default() });
    for (instance, expected) in [
        (instance().with(credential()), None),
        (disabled.with(credential()), Some(31643)),
        (not_permitted.with(credential()), Some(8189)),
        (instance(), Some(15151)),
        (instance().with(credential().without_references()), Some(15151)),
    ] {
        let outcome = instance.invoke(&call);
        assert_eq!(outcome.err().map(|error| error.number()), expected);
    }
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn row_26_a_call_too_many_is_refused_at_once() {
    let server = Server::answering([Reply::Silence, Reply::from(OK)]);
    let instance = start(Options { workers: 10, ..Options::default() });
    let url = server.url("/");
    let call = Call { timeout: 1, ..Call::to(&url) };
    thread::scope(|scope| {
        let first = scope.spawn(|| instance.invoke(&call));
        while server.seen().is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(instance.invoke(&call).unwrap_err().number(), 10928);
        assert_eq!(first.join().unwrap().unwrap_err(), Error::TimedOut);
    });
    assert_eq!(instance.invoke(&call).unwrap().return_value, 0);
}

#[test]
fn row_27_an_answer_is_looked_up_as_in_t_sql() {
    let body = r#"{"items": [{"metadata": {"name": "a"}}, {"metadata": {}}]}"#;
    let answer = get(response("200 OK", "", body), None).unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(answer.value("$.result.items[0].metadata.name"), text("a"));
    assert_eq!(answer.value("$.Result.items[0].metadata.name"), None);
    assert_eq!(answer.query("$.result.items[0].metadata"), text(r#"{"name": "a"}"#));
    assert_eq!(answer.rows("$.result.items", &["$.metadata.name"]), [[text("a")], [None]]);
    assert_eq!(answer.value(r#"$.response.headers."Content-Length""#), text("58"));
}

#[test]
fn row_28_a_cloud_has_few_domains_and_no_private_addresses() {
    let nowhere = format!("{}.azure-api.net", "x".repeat(64));
    let domains = ["localhost", "*.azure-api.net"].map(str::to_owned).to_vec();
    let instance = start(Options { cloud: Some(Cloud { domains }), ..Options::default() });
    for (url, expected) in [
        // Refused before anybody is asked for its address.
        (format!("https://{}.example/", "x".repeat(64)), 31612),
        ("https://azure-api.net/".to_owned(), 31612),
        ("https://.azure-api.net/".to_owned(), 31612),
        ("https://x.azure-api.net.example/".to_owned(), 31612),
        ("https://xazure-api.net/".to_owned(), 31612),
        ("https://10.0.0.1/".to_owned(), 31612),
        (format!("https://{nowhere}/"), 31625),
        ("https://LOCALHOST:1/".to_owned(), 31624),
    ] {
        assert_eq!(instance.invoke(&Call::to(&url)).unwrap_err().number(), expected, "{url}");
    }
}
