//! The one moment at which a call ends, however it goes (row 17).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;
use super::failure::Failure;

#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

/// A TCP connection that waits for nothing beyond a deadline.
#[derive(Debug)]
pub(super) struct Timed {
    tcp: TcpStream,
    pub(super) deadline: Deadline,
}

// === impl Deadline ===

impl Deadline {
    pub(super) fn after(seconds: u64) -> Self {
        Self(Instant::now() + Duration::from_secs(seconds))
    }

    fn remaining(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    /// Sleeps, or says at once that there is no time for it.
    pub(super) fn sleep(self, time: Duration) -> Result<(), Error> {
        if self.remaining()? <= time {
            return Err(Error::TimedOut);
        }
        thread::sleep(time);
        Ok(())
    }
}

// === impl Timed ===

impl Timed {
    /// A connection to the first of the addresses that takes it.
    pub(super) fn connect(addresses: &[SocketAddr], deadline: Deadline) -> Result<Self, Error> {
        for address in addresses {
            match TcpStream::connect_timeout(address, deadline.remaining()?) {
                Ok(tcp) => {
                    tcp.set_nodelay(true)?;
                    return Ok(Self { tcp, deadline });
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    return Err(Error::TimedOut);
                }
                Err(_) => {}
            }
        }
        Err(Error::Unreachable(Failure::CannotConnect))
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(Some(self.deadline.remaining()?))?;
        self.tcp.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(self.deadline.remaining()?))?;
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}
