//! Any text as a policy: it is refused with a place, or loads as itself.
#![no_main]

use keyhole_core::{load_plugin_config, load_policy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match load_policy(text) {
        Ok(loaded) => {
            let again = load_policy(text).expect("it loads again");
            assert_eq!(again.revision, loaded.revision);
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(
                problems.iter().all(|problem| problem.line >= 1 && !problem.message.is_empty())
            );
        }
    }
    let _ = load_plugin_config(text);
});
