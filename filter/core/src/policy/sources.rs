//! From where a client may call.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// Ranges of addresses; without any, every address will do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sources(Vec<IpNet>);

/// The address is in none of the client's ranges, or not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WrongSource {
    #[error("this client may not call from {0}, which is in none of its `sourceRanges`")]
    Elsewhere(IpAddr),
    #[error(
        "this client may call only from its `sourceRanges`, and Envoy does not say where this request comes from"
    )]
    Unknown,
}

// === impl Sources ===

impl Sources {
    pub(crate) const fn new(ranges: Vec<IpNet>) -> Self {
        Self(ranges)
    }

    pub fn ranges(&self) -> &[IpNet] {
        &self.0
    }

    /// `source` is `address:port`, as Envoy writes its attribute `source.address`.
    pub(crate) fn admit(&self, source: Option<&[u8]>) -> Result<(), WrongSource> {
        if self.0.is_empty() {
            return Ok(());
        }
        let address = source.and_then(address).ok_or(WrongSource::Unknown)?;
        match self.0.iter().any(|range| range.contains(&address)) {
            true => Ok(()),
            false => Err(WrongSource::Elsewhere(address)),
        }
    }
}

/// An IPv4 address in IPv6 clothes is that IPv4 address.
fn address(source: &[u8]) -> Option<IpAddr> {
    let socket: SocketAddr = str::from_utf8(source).ok()?.parse().ok()?;
    Some(socket.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn only_an_address_in_a_range_will_do() {
        for (ranges, source, expected) in [
            (&[][..],                         None,                            true),
            (&[],                             Some("10.1.2.3:50000"),          true),
            (&["10.0.0.0/8"],                 Some("10.1.2.3:50000"),          true),
            (&["10.0.0.0/8"],                 Some("11.1.2.3:50000"),          false),
            (&["10.0.0.0/8", "fd00::/8"],     Some("[fd00::1]:50000"),         true),
            (&["10.0.0.0/8"],                 Some("[::ffff:10.1.2.3]:50000"), true),
            (&["10.1.2.3/32"],                Some("10.1.2.4:50000"),          false),
            (&["0.0.0.0/0"],                  Some("[fd00::1]:50000"),         false),
            (&["10.0.0.0/8"],                 None,                            false),
            (&["10.0.0.0/8"],                 Some(""),                        false),
            (&["10.0.0.0/8"],                 Some("/run/socket"),             false),
        ] {
            let sources = Sources(ranges.iter().map(|range| range.parse().unwrap()).collect());
            let source = source.map(str::as_bytes);
            assert_eq!(sources.admit(source).is_ok(), expected, "{ranges:?} {source:?}");
        }
    }
}
