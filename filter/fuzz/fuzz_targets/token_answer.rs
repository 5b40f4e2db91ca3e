//! Any answer to a TokenRequest: a token is believed only if it can be sent.
#![no_main]

use keyhole_core::{Account, Answer, Tokens, UnixTime};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

fuzz_target!(|data: &[u8]| {
    let now = UnixTime::from_secs(1_700_000_000);
    let account = Account {
        namespace: "d".into(),
        name: "a".into(),
        expiration: Duration::from_secs(600),
        audiences: Vec::new(),
    };
    let (status, body) = data.split_at(data.len().min(3));
    let mut tokens = Tokens::default();
    assert!(matches!(tokens.get(&account, now), Ok(None)));
    assert_eq!(tokens.tick(now).len(), 1);
    match tokens.answered(&account, Answer::Some { status, body }, now, 7) {
        Ok(()) => {
            assert_eq!(status, b"201");
            assert!(matches!(tokens.get(&account, now), Ok(Some(_))));
        }
        Err(failure) => {
            assert!(tokens.get(&account, now).is_err());
            assert!(!format!("{failure}").contains("eyJ") || status >= b"400");
        }
    }
});
