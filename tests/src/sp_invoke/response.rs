//! One response of HTTP/1.1, read from a connection (rows 16, 19 and 22).

use std::io::{BufRead, Read};

use super::error::Error;
use super::failure::Failure;
use super::request::{MAX_BODY, MAX_HEAD};

pub(super) struct Response {
    pub(super) status: u16,
    pub(super) reason: String,
    /// As received: in order, with their case, repeated ones too.
    pub(super) headers: Vec<(String, String)>,
    /// None if there cannot be one.
    pub(super) body: Option<Vec<u8>>,
    /// Whether another one can follow on the same connection.
    pub(super) reusable: bool,
}

enum Framing {
    Chunked,
    Length(u64),
    ToTheEnd,
}

const BROKEN: Error = Error::Unreachable(Failure::BadResponse);
const CUT: Error = Error::Unreachable(Failure::Reset);
/// No header block of the allowed size has more.
const MAX_HEADERS: usize = 2048;

// === impl Response ===

impl Response {
    pub(super) fn read(reader: &mut impl BufRead, to_head: bool) -> Result<Self, Error> {
        let mut response = Self::parse(&read_head(reader)?)?;
        while (100..200).contains(&response.status) {
            response = Self::parse(&read_head(reader)?)?;
        }
        if to_head || matches!(response.status, 204 | 304) {
            return Ok(response);
        }
        let framing = response.framing()?;
        response.reusable &= !matches!(framing, Framing::ToTheEnd);
        response.body = Some(match framing {
            Framing::Chunked => read_chunks(reader)?,
            Framing::Length(length) => read_exactly(reader, length)?,
            Framing::ToTheEnd => {
                let mut body = Vec::new();
                reader.by_ref().take(MAX_BODY + 1).read_to_end(&mut body)?;
                allowed(body.len() as u64)?;
                body
            }
        });
        Ok(response)
    }

    fn parse(head: &[u8]) -> Result<Self, Error> {
        let mut headers = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        if !matches!(parsed.parse(head), Ok(httparse::Status::Complete(_))) {
            return Err(BROKEN);
        }
        let text = |value| String::from_utf8_lossy(value).into_owned();
        let headers = parsed.headers.iter().map(|h| (h.name.to_owned(), text(h.value)));
        let mut response = Self {
            status: parsed.code.ok_or(BROKEN)?,
            reason: parsed.reason.unwrap_or_default().to_owned(),
            headers: headers.collect(),
            body: None,
            reusable: parsed.version == Some(1),
        };
        let closes = response.values("connection").any(|v| v.eq_ignore_ascii_case("close"));
        response.reusable &= !closes;
        Ok(response)
    }

    /// The values of a header, whose name is given in lower case.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_name = move |(own, _): &&(String, String)| own.eq_ignore_ascii_case(name);
        self.headers.iter().filter(of_name).map(|(_, value)| value.as_str())
    }

    fn framing(&self) -> Result<Framing, Error> {
        let lengths: Vec<&str> = self.values("content-length").collect();
        let codings: Vec<&str> = self.values("transfer-encoding").collect();
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(Framing::ToTheEnd),
            ([length], []) => length.parse().map(Framing::Length).map_err(|_| BROKEN),
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
            _ => Err(BROKEN),
        }
    }
}

fn allowed(size: u64) -> Result<(), Error> {
    let error = Error::TooLarge { what: "response", size, limit: MAX_BODY };
    if size > MAX_BODY { Err(error) } else { Ok(()) }
}

/// Everything up to the empty line.
fn read_head(reader: &mut impl BufRead) -> Result<Vec<u8>, Error> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let line = read_line(reader)?;
        head.extend_from_slice(&line);
        if head.len() > MAX_HEAD {
            return Err(Error::ResponseHeadersTooLarge(MAX_HEAD));
        }
    }
    Ok(head)
}

/// A line with its end; a longer one than any head may be stops in its middle.
fn read_line(reader: &mut impl BufRead) -> Result<Vec<u8>, Error> {
    let mut line = Vec::new();
    reader.by_ref().take(MAX_HEAD as u64 + 1).read_until(b'\n', &mut line)?;
    if line.is_empty() { Err(CUT) } else { Ok(line) }
}

fn read_exactly(reader: &mut impl BufRead, length: u64) -> Result<Vec<u8>, Error> {
    allowed(length)?;
    let mut bytes = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(CUT) }
}

fn read_chunks(reader: &mut impl BufRead) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?;
        let Ok(httparse::Status::Complete((_, size))) = httparse::parse_chunk_size(&line)
        else {
            return Err(BROKEN);
        };
        if size == 0 {
            break;
        }
        allowed(size.saturating_add(body.len() as u64))?;
        body.extend_from_slice(&read_exactly(reader, size)?);
        if read_exactly(reader, 2)? != b"\r\n" {
            return Err(BROKEN);
        }
    }
    // Trailers are of no use here.
    while read_line(reader)? != b"\r\n" {}
    Ok(body)
}
