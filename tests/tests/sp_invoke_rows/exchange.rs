//! Rows 13 to 19, and of row 24 how they fail: connections, time, attempts and sizes.

use std::io::{self, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use keyhole_tests::sp_invoke::{Call, Error, Options};

use crate::certificates::GOOD;
use crate::server::{CA, OK, Reply, Server, get, instance, response, start, tls};

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[test]
fn row_13_http_1_1_with_or_without_alpn_and_nothing_unasked() {
    for (alpn, agreed) in [(true, Some("http/1.1")), (false, None)] {
        let server = Server::answering([OK]);
        let url = server.url("/a");
        start(Options { alpn, ..Options::default() })
            .invoke(&Call { method: "GET", ..Call::to(&url) })
            .unwrap();
        let seen = server.only();
        assert_eq!(seen.alpn.as_deref(), agreed);
        assert_eq!(
            seen.text,
            format!(
                "GET /a HTTP/1.1\r\n\
                 Connection: Keep-Alive\r\n\
                 Content-Type: application/json; charset=utf-8\r\n\
                 Accept: application/json\r\n\
                 User-Agent: SQL Server double/17.0.1000.7\r\n\
                 Host: localhost:{}\r\n\r\n",
                server.port
            )
        );
    }
}

#[test]
#[rustfmt::skip]
fn row_14_connections_are_fresh_or_kept() {
    for (keep_alive, reply, expected) in [
        (false, OK.to_owned(),                              [0, 1, 2]),
        (true,  OK.to_owned(),                              [0, 0, 0]),
        (true,  NO_CONTENT.to_owned(),                      [0, 0, 0]),
        (true,  response("200 OK", "Connection: close\r\n", "{}"), [0, 1, 2]),
        // Something follows the response.
        (true,  format!("{OK}x"),                           [0, 1, 2]),
        (true,  OK.replace("1.1", "1.0"),                   [0, 1, 2]),
    ] {
        let server = Server::answering([reply.as_str()]);
        let instance = start(Options { keep_alive, ..Options::default() });
        for _ in 0..3 {
            instance.invoke(&Call::to(&server.url("/"))).unwrap();
        }
        let connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, expected, "{keep_alive} {reply}");
    }
}

#[test]
fn row_14_a_call_on_a_kept_connection_that_ends_is_lost() {
    let server = Server::answering([Reply::from(OK), Reply::Cut(vec![]), Reply::from(OK)]);
    let instance = start(Options { keep_alive: true, ..Options::default() });
    let outcomes = [(); 3].map(|()| instance.invoke(&Call::to(&server.url("/"))));
    let failed = outcomes.map(|outcome| outcome.err().and_then(|error| error.hresult()));
    assert_eq!(failed, [None, Some(0x8007_2efe), None]);
}

#[test]
fn row_15_redirects_are_not_followed() {
    let elsewhere = Server::answering([OK]);
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}\r\n", elsewhere.url("/"));
        let server = Server::answering([response(&format!("{status} Moved"), &location, "{}")]);
        let answer = instance().invoke(&Call::to(&server.url("/"))).unwrap();
        assert_eq!(answer.return_value, status);
        assert_eq!(server.seen().len(), 1);
    }
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn row_16_a_compressed_body_is_not_json() {
    let gzip: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0";
    let mut reply =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n".to_vec();
    reply.extend_from_slice(gzip);
    assert_eq!(get(Reply::Bytes(reply), None).unwrap_err().number(), 11558);
}

#[test]
fn row_17_timeouts_are_1_to_230_seconds() {
    let server = Server::answering([NO_CONTENT]);
    let url = server.url("/");
    for (timeout, expected) in
        [(-1, Some(31604)), (0, Some(31604)), (1, None), (230, None), (231, Some(31604))]
    {
        let outcome = instance().invoke(&Call { timeout, ..Call::to(&url) });
        assert_eq!(outcome.err().map(|error| error.number()), expected, "{timeout}");
    }
}

#[test]
fn row_17_the_time_is_for_all_of_a_call() {
    let unavailable = response("503 Service Unavailable", "Retry-After: 0\r\n", "{}");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let no_tls = format!("https://localhost:{}/", silent.local_addr().unwrap().port());
    let cut_short = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}";
    let servers = [
        Server::answering([Reply::Silence]),
        Server::answering([Reply::from(unavailable), Reply::Silence]),
        // The last byte is missing.
        Server::answering([cut_short]),
    ];
    let urls: Vec<_> = servers.iter().map(|server| server.url("/")).chain([no_tls]).collect();
    thread::scope(|scope| {
        for url in &urls {
            scope.spawn(|| {
                let begun = Instant::now();
                let call = Call { timeout: 1, retry_count: 10, ..Call::to(url) };
                assert_eq!(instance().invoke(&call).unwrap_err(), Error::TimedOut);
                let seconds = begun.elapsed().as_secs_f64();
                assert!((1.0..2.0).contains(&seconds), "{seconds}");
            });
        }
    });
    assert_eq!(servers[1].seen().len(), 2);
}

#[test]
fn row_17_a_call_on_a_kept_connection_has_its_own_time() {
    let server = Server::answering([Reply::from(OK), Reply::Silence]);
    let instance = start(Options { keep_alive: true, ..Options::default() });
    let begun = Instant::now();
    let outcomes = [30, 1].map(|timeout| {
        instance.invoke(&Call { timeout, ..Call::to(&server.url("/")) }).map(drop)
    });
    assert_eq!(outcomes, [Ok(()), Err(Error::TimedOut)]);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn row_18_six_codes_are_retried_whatever_the_method() {
    for (status, retried) in [
        (200, false),
        (302, false),
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (408, true),
        (409, false),
        (412, false),
        (413, false),
        (422, false),
        (425, false),
        (429, true),
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
        (507, false),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let first = response(&format!("{status} x"), "Retry-After: 0\r\n", "{}");
            let server = Server::answering([first.as_str(), OK]);
            let url = server.url("/");
            let call = Call { method, payload: Some("[1]"), retry_count: 10, ..Call::to(&url) };
            let answer = instance().invoke(&call).unwrap();
            let seen = server.seen();
            assert_eq!(seen.len(), 1 + usize::from(retried), "{method} {status}");
            let expected = if retried || status == 200 { 0 } else { status };
            assert_eq!(answer.return_value, expected, "{method} {status}");
            assert!(seen.iter().all(|other| other.text == seen[0].text), "{seen:?}");
        }
    }
}

#[test]
fn row_18_retries_are_0_to_10() {
    let unavailable = response("503 Service Unavailable", "Retry-After: 0\r\n", "{}");
    for (retry_count, attempts) in
        [(-1, None), (0, Some(1)), (2, Some(3)), (10, Some(11)), (11, None)]
    {
        let server = Server::answering([unavailable.as_str()]);
        let outcome = instance().invoke(&Call { retry_count, ..Call::to(&server.url("/")) });
        match outcome {
            Ok(answer) => assert_eq!(answer.return_value, 503),
            Err(error) => assert_eq!(error.number(), 31604),
        }
        assert_eq!(server.seen().len(), attempts.unwrap_or(0), "{retry_count}");
    }
    assert_eq!(Call::to("").retry_count, 0);
}

#[test]
#[rustfmt::skip]
fn row_18_the_pause_is_asked_for_or_grows() {
    let cut = Reply::Cut(vec![]);
    let with = |headers| Reply::from(response("429 Too Many Requests", headers, "{}"));
    let cases = [
        (with("Retry-After: 1\r\n"),                             1, 1000),
        (with("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 2,    0),
        (with("Retry-After: soon\r\n"),                          1,  200),
        (with(""),                                               2,  600),
        (cut,                                                    3,  600),
    ];
    thread::scope(|scope| {
        for (reply, retry_count, milliseconds) in cases {
            scope.spawn(move || {
                let server = Server::answering([reply]);
                let begun = Instant::now();
                instance().invoke(&Call { retry_count, ..Call::to(&server.url("/")) }).ok();
                let elapsed = begun.elapsed();
                // Less than it would be if the pauses were of the other kind.
                let least = Duration::from_millis(milliseconds);
                let most = least + Duration::from_millis(550);
                assert!((least..most).contains(&elapsed), "{elapsed:?}");
                assert_eq!(server.seen().len() as i64, retry_count + 1);
            });
        }
    });
}

#[test]
fn row_18_a_pause_beyond_the_timeout_ends_the_call() {
    let server = Server::answering([response("429 x", "Retry-After: 31\r\n", "{}")]);
    let begun = Instant::now();
    let outcome = instance().invoke(&Call { retry_count: 1, ..Call::to(&server.url("/")) });
    assert_eq!(outcome.unwrap_err(), Error::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn row_19_a_body_has_100_mb() {
    let zeros = "0".repeat(1 << 20);
    let megabytes = "100000\r\n".to_owned() + &zeros + "\r\n";
    for (head, body, expected) in [
        ("Content-Length: 104857601", String::new(), 31601),
        ("Transfer-Encoding: chunked", "6400001\r\n".to_owned(), 31601),
        ("Transfer-Encoding: chunked", megabytes.clone() + "6300001\r\n", 31601),
        ("Transfer-Encoding: chunked", "ffffffffffffffff\r\n".to_owned(), 31601),
        // It may have the size; then the bytes are missing.
        ("Content-Length: 104857600", String::new(), 31608),
        ("Transfer-Encoding: chunked", megabytes + "6300000\r\n", 31608),
    ] {
        let reply = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
        let error = get(Reply::Cut(reply.into()), None).unwrap_err();
        assert_eq!(error.number(), expected, "{head}");
    }
}

#[test]
fn row_19_a_header_block_has_8_kb() {
    let empty = response("200 OK", "X: \r\n", "{}").len() - "{}".len();
    for (length, expected) in [(8192, None), (8193, Some(31611)), (100_000, Some(31611))] {
        let header = format!("X: {}\r\n", "x".repeat(length - empty));
        let outcome = get(response("200 OK", &header, "{}"), None);
        assert_eq!(outcome.err().map(|error| error.number()), expected, "{length}");
    }
    let many: String = (0..1500).map(|_| "a:\r\n").collect();
    get(response("200 OK", &many, "{}"), None).unwrap();
}

#[test]
fn row_24_connections_that_fail() {
    // Too long a label to be asked for anywhere.
    let nowhere = format!("https://{}.example/", "x".repeat(64));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let not_tls = format!("https://localhost:{}/", plain.local_addr().unwrap().port());
    thread::spawn(move || {
        let (mut tcp, _) = plain.accept().unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        io::copy(&mut tcp, &mut io::sink()).ok();
    });
    let http2 = {
        let mut tls = tls(CA.sign(GOOD));
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Server::with_tls(tls, [OK])
    };
    for (url, expected) in [
        (nowhere, 0x8007_2ee7),
        (format!("https://localhost:{closed}/"), 0x8007_2efd),
        (not_tls, 0x8007_2f78),
        (http2.url("/"), 0x8007_2f7d),
    ] {
        let error = instance().invoke(&Call::to(&url)).unwrap_err();
        assert_eq!((error.number(), error.hresult()), (31608, Some(expected)), "{url}");
        assert!(error.to_string().ends_with(&format!("HRESULT: {expected:#x}.")), "{error}");
    }
}

#[test]
#[rustfmt::skip]
fn row_24_responses_that_are_none() {
    const RESET: u32 = 0x8007_2efe;
    const INVALID: u32 = 0x8007_2f78;
    for (reply, expected) in [
        ("",                                                              RESET),
        ("HTTP/1.1 200 OK\r\n",                                           RESET),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",                RESET),
        // The end of the connection does not say that this was all.
        ("HTTP/1.1 200 OK\r\n\r\n{}",                                     RESET),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}",  RESET),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", RESET),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}}}\r\n",    INVALID),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",    INVALID),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",          INVALID),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", INVALID),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", INVALID),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",                INVALID),
        ("HTTP/2 200\r\n\r\n",                                            INVALID),
        ("nonsense\r\n\r\n",                                              INVALID),
    ] {
        let error = get(Reply::Cut(reply.into()), None).unwrap_err();
        assert_eq!(error.hresult(), Some(expected), "{reply}: {error}");
    }
}
