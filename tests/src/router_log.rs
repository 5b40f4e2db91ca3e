//! Envoy's own account of what its routers send upstream: its log, at the level `debug`.

/// What a request without a body consists of, whatever the client sent.
pub const FORWARDED: [&str; 10] = [
    ":authority",
    ":method",
    ":path",
    ":scheme",
    "accept",
    "audit-id",
    "authorization",
    "user-agent",
    "x-forwarded-proto",
    "x-request-id",
];

/// The header lists that were sent, each with what stands in the log behind it.
pub fn header_lists(log: &str) -> impl Iterator<Item = &str> {
    log.split("router decoding headers:").skip(1)
}

/// The names of one of these lists, in the order of the alphabet.
pub fn names(headers: &str) -> Vec<&str> {
    let lines = headers.lines().skip(1).map_while(|line| line.strip_prefix('\''));
    let mut names: Vec<&str> =
        lines.filter_map(|line| line.split_once('\'').map(|(name, _)| name)).collect();
    names.sort_unstable();
    names
}
