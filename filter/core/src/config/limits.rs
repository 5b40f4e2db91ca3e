//! Compiles what bounds a client: how much it may send, and from where.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU64;
use core::ops::RangeInclusive;

use hashbrown::HashSet;
use ipnet::IpNet;

use super::problem::{At, Problems};
use super::written::{self, List, Tolerant};
use crate::policy::limits::{Limits, Rate};
use crate::policy::sources::Sources;

pub(super) const REQUESTS: RangeInclusive<u64> = 1..=10_000;
/// All of them are listed in shared memory.
pub(super) const IN_FLIGHT: RangeInclusive<u64> = 1..=1000;
/// Up to the apiserver's own limit.
pub(super) const BODY_BYTES: RangeInclusive<u64> = 1..=3 * 1024 * 1024;

pub(super) fn limits(
    written: &written::Limits,
    at: &At<'_>,
    problems: &Problems<'_>,
) -> Limits {
    let written::Limits { requests_per_second, burst, requests_in_flight, body_bytes } =
        written;
    let number = |field, value: &Option<Tolerant<u64>>, range: RangeInclusive<u64>| {
        let value = value.as_ref()?.0?;
        if !range.contains(&value) {
            let message = format!("is {value}: write {} to {}", range.start(), range.end());
            problems.add(&at.field(field), message);
        }
        NonZeroU64::new(value)
    };
    let per_second = number("requestsPerSecond", requests_per_second, REQUESTS);
    let in_burst = number("burst", burst, REQUESTS);
    if burst.is_some() && requests_per_second.is_none() {
        let message = "does not go without `requestsPerSecond`: add it";
        problems.add(&at.field("burst"), message);
    }
    let limits = Limits {
        rate: per_second
            .map(|per_second| Rate { per_second, burst: in_burst.unwrap_or(per_second) }),
        in_flight: number("requestsInFlight", requests_in_flight, IN_FLIGHT),
        body_bytes: number("bodyBytes", body_bytes, BODY_BYTES).map(NonZeroU64::get),
    };
    let all = [requests_per_second, burst, requests_in_flight, body_bytes];
    if all.iter().all(|value| value.is_none()) {
        let message = "is empty: add `requestsPerSecond`, `requestsInFlight` or `bodyBytes`, or remove it";
        problems.add(at, message);
    }
    limits
}

pub(super) fn sources(list: &List<String>, at: &At<'_>, problems: &Problems<'_>) -> Sources {
    if list.is_empty() {
        let message = "is empty, so the client can call from nowhere: add a range, or remove it for any address";
        problems.add(at, message);
    }
    let mut seen: HashSet<IpNet> = HashSet::new();
    let mut ranges = Vec::new();
    for (index, text) in list.iter() {
        match range(text) {
            Ok(range) if !seen.insert(range) => {
                problems.add(
                    &at.index(index),
                    format!("`{text}` is given twice: keep one of them"),
                );
            }
            Ok(range) => ranges.push(range),
            Err(message) => problems.add(&at.index(index), message),
        }
    }
    Sources::new(ranges)
}

fn range(text: &str) -> Result<IpNet, String> {
    let range: IpNet = text.parse().map_err(|_| {
        format!("`{text}` is not a range of addresses: write one like 10.0.0.0/8, or 10.1.2.3/32 for one address")
    })?;
    match range.trunc() {
        same if same == range => Ok(range),
        trunc => Err(format!(
            "`{text}` is an address within a range: write `{trunc}` for the range, or `{}/{}` for the address",
            range.addr(),
            range.max_prefix_len()
        )),
    }
}
