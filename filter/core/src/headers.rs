//! A header list as a host hands it over: one block of bytes, read where it is.
//!
//! ```text
//! list     count sizes{count} texts{count}
//! sizes    length-of-name length-of-value
//! texts    name 0x00 value 0x00
//! ```
//!
//! Counts and lengths are 32 bits, little-endian. That is how Proxy-Wasm passes maps
//! (`proxy_get_header_map_pairs`), so nothing is copied or allocated for a single header.

use alloc::vec::Vec;
use core::fmt;

/// Headers in their order: lower-case names, and any bytes.
///
/// INVARIANT: all of the list is there, so that nobody sees less of it than the next one.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct HeaderList {
    bytes: Vec<u8>,
}

/// The bytes are no list: some are missing, or too many, or a text does not end where it
/// should.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed;

/// What is still to be read of a list.
#[derive(Default)]
struct Pairs<'a> {
    sizes: &'a [[u8; 8]],
    texts: &'a [u8],
}

// === impl HeaderList ===

impl HeaderList {
    /// Writes a list.
    pub fn of<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Self {
        let texts = || headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        // With their lengths, and the zeros after them.
        let sizes = texts().flat_map(|(name, value)| [name.len(), value.len(), 8, 2]);
        let mut bytes = Vec::with_capacity(sizes.fold(4, usize::saturating_add));
        bytes.extend(size(headers.len()));
        for (name, value) in texts() {
            bytes.extend(size(name.len()));
            bytes.extend(size(value.len()));
        }
        for (name, value) in texts() {
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend_from_slice(value);
            bytes.push(0);
        }
        Self { bytes }
    }

    /// Names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        Pairs::of(&self.bytes).unwrap_or_default()
    }

    /// The value of the first header of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(own, _)| *own == name.as_bytes()).map(|(_, value)| value)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl TryFrom<Vec<u8>> for HeaderList {
    type Error = Malformed;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Malformed> {
        let mut pairs = Pairs::of(&bytes).ok_or(Malformed)?;
        let count = pairs.sizes.len();
        match pairs.by_ref().count() == count && pairs.texts.is_empty() {
            true => Ok(Self { bytes }),
            false => Err(Malformed),
        }
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderList {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        Self::of(&headers.into_iter().collect::<Vec<_>>())
    }
}

/// Without the values: keys and tokens are among them.
impl fmt::Debug for HeaderList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name.escape_ascii())).finish()
    }
}

/// A length that does not fit is one that no reader accepts.
fn size(of: usize) -> [u8; 4] {
    u32::try_from(of).unwrap_or(u32::MAX).to_le_bytes()
}

// === impl Pairs ===

impl<'a> Pairs<'a> {
    /// Envoy writes an empty list as no bytes at all.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (count, rest) = bytes.split_first_chunk()?;
        let sizes = usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_mul(8)?;
        let (sizes, texts) = rest.split_at_checked(sizes)?;
        let (sizes, []) = sizes.as_chunks() else { return None };
        Some(Self { sizes, texts })
    }

    fn text(&mut self, length: [u8; 4]) -> Option<&'a [u8]> {
        let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let text = self.texts.split_off(..length)?;
        (self.texts.split_off_first()? == &0).then_some(text)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [a, b, c, d, e, f, g, h] = *self.sizes.split_off_first()?;
        let name = self.text([a, b, c, d])?;
        Some((name, self.text([e, f, g, h])?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = b"\x02\0\0\0\x07\0\0\0\x03\0\0\0\x01\0\0\0\0\0\0\0:method\0GET\0a\0\0";

    #[test]
    fn a_list_is_written_as_it_is_read() {
        let list = HeaderList::of(&[(":method", "GET"), ("a", "")]);
        assert_eq!(list.as_bytes(), LIST);
        let read = HeaderList::try_from(LIST.to_vec()).unwrap();
        assert!(read.iter().eq([(&b":method"[..], &b"GET"[..]), (b"a", b"")]));
        assert_eq!((read.get("a"), read.get("b")), (Some(&b""[..]), None));
        assert_eq!(HeaderList::try_from(Vec::new()).unwrap().iter().count(), 0);
        assert_eq!(HeaderList::of::<&str, &str>(&[]).iter().count(), 0);
    }

    #[test]
    fn a_list_with_something_missing_or_too_much_is_none() {
        for length in 1..LIST.len() {
            let cut = LIST[..length].to_vec();
            assert_eq!(HeaderList::try_from(cut), Err(Malformed), "{length} bytes");
        }
        let longer = [LIST, b"x-api-key\0k\0"].concat();
        assert_eq!(HeaderList::try_from(longer), Err(Malformed));
        for (at, byte) in [(0, 3), (3, 0xff), (4, 6), (4, 8), (11, 0xff), (27, b'x')] {
            let mut other = LIST.to_vec();
            other[at] = byte;
            assert_eq!(HeaderList::try_from(other), Err(Malformed), "byte {at} is {byte}");
        }
    }
}
