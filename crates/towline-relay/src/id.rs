//! Ids of streams, and names of owners.

use std::fmt;
use std::sync::Arc;

/// The longest id, in bytes.
pub const MAX_ID_BYTES: usize = 256;

/// The id of a stream: the part after `/streams/` in its address.
///
/// The relay's own ids are 128 random bits. Streams that clients create may have any id of unreserved URL characters and
/// slashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct StreamId(Arc<str>);

impl StreamId {
    /// A new random id: 26 digits and lower-case letters.
    ///
    /// # Panics
    /// If the operating system provides no randomness, because guessable ids would open streams to others.
    pub fn random() -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        let bits = u128::from_be_bytes(bytes);
        let text: String =
            (0..26).rev().map(|place| char::from(ALPHABET[((bits >> (place * 5)) & 31) as usize])).collect();
        Self(text.into())
    }

    /// Parses an id from an address; `None` if it is invalid.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'%')
        };
        let fits = !text.is_empty() && text.len() <= MAX_ID_BYTES && text.bytes().all(allowed);
        let segments_are_names = text.split('/').all(|part| !matches!(part, "" | "." | ".."));
        (fits && segments_are_names).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The owner of a stream: the owner that the request's token names, or `local`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The owner of clients without a token: over the Unix socket, or on loopback if there are no tokens.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The owner that a token names.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_ids_and_differ() {
        let (a, b) = (StreamId::random(), StreamId::random());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 26);
        assert_eq!(StreamId::parse(a.as_str()), Some(a));
    }

    #[test]
    fn ids_stay_inside_their_place() {
        for good in ["a", "v1/stream/x-1", "a.b_c~d:e", "%20"] {
            assert!(StreamId::parse(good).is_some(), "{good}");
        }
        let long = "x".repeat(MAX_ID_BYTES + 1);
        for bad in ["", "/", "a/", "/a", "a//b", "../x", "a/./b", "a b", "a\n", "ä", "a?b", long.as_str()] {
            assert!(StreamId::parse(bad).is_none(), "{bad}");
        }
    }
}
