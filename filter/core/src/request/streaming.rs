//! Requests that need a connection of their own, which this gateway never opens.

use core::fmt;

/// A subresource that turns the connection into a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Streaming {
    Attach,
    Exec,
    PortForward,
    Proxy,
}

impl Streaming {
    pub(crate) fn of(subresource: &str) -> Option<Self> {
        match subresource {
            "attach" => Some(Self::Attach),
            "exec" => Some(Self::Exec),
            "portforward" => Some(Self::PortForward),
            "proxy" => Some(Self::Proxy),
            _ => None,
        }
    }
}

impl fmt::Display for Streaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attach => "`attach` needs a stream, which this gateway does not carry; read the pod's log instead",
            Self::Exec => "`exec` needs a stream, which this gateway does not carry; run a Job instead",
            Self::PortForward => "`portforward` needs a stream, which this gateway does not carry; expose a Service instead",
            Self::Proxy => "`proxy` reaches workloads through the apiserver, which this gateway does not do; expose a Service instead",
        })
    }
}
