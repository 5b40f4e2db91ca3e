//! `METHOD TARGET`, any bytes: what is written back reads the same.
#![no_main]

use keyhole_core::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (method, target) = match data.iter().position(|byte| *byte == b' ') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (&b"GET"[..], data),
    };
    let Ok(request) = Request::parse(method, target) else { return };
    let Ok(written) = request.target() else { return };
    assert!(written.bytes().all(|byte| byte.is_ascii_graphic()), "{written}");
    let again =
        Request::parse(method, written.as_bytes()).expect("what is written can be read");
    assert_eq!(again.attributes, request.attributes);
    assert_eq!(again.target(), Ok(written.clone()));
});
