//! What Azure adds: few domains, and no private addresses (row 28).

use std::net::{IpAddr, SocketAddr};

use super::error::Error;

/// The domains that may be called: a name, or `*.` and the end of one.
#[derive(Clone, Debug)]
pub struct Cloud {
    pub domains: Vec<String>,
}

// === impl Cloud ===

impl Cloud {
    pub(super) fn check_domain(&self, host: &str) -> Result<(), Error> {
        let host = host.to_ascii_lowercase();
        let allowed = self.domains.iter().any(|domain| match domain.strip_prefix('*') {
            Some(end) => host.ends_with(end) && host.len() > end.len(),
            None => host == *domain,
        });
        if allowed { Ok(()) } else { Err(Error::DomainNotAllowed(host)) }
    }

    pub(super) fn check_addresses(&self, addresses: &[SocketAddr]) -> Result<(), Error> {
        match addresses {
            [] => Err(Error::DnsFailed),
            _ if addresses.iter().any(|address| is_private(address.ip())) => {
                Err(Error::PrivateAddress)
            }
            _ => Ok(()),
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => {
            v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local()
        }
    }
}
