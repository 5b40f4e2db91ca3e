//! Whatever answers, the client gets one JSON document.

use keyhole_tests::client::Response;
use keyhole_tests::faults::Faults;
use keyhole_tests::stack::{Stack, new_key};
use serde_json::Value;
