//! Versions of streams.

use std::fmt;

/// The number of writes of a stream, and the origin of the last one. No two writes have the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Version {
    /// The number of writes; 0 for a stream that does not exist yet.
    pub(crate) writes: u64,
    relay: u64,
    attempt: u64,
}

impl Version {
    /// The next version, for a write of `relay` with its attempt number `attempt`.
    pub(crate) fn next(self, relay: u64, attempt: u64) -> Self {
        Self { writes: self.writes + 1, relay, attempt }
    }

    /// Whether this relay has written it.
    pub(crate) fn is_of(self, relay: u64) -> bool {
        self.relay == relay
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::parse);
        let mut part = || parts.next()?.ok();
        Some(Self { writes: part()?, relay: part()?, attempt: part()? })
    }
}

/// Empty for a stream that does not exist.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.writes == 0 { Ok(()) } else { write!(f, "{}.{}.{}", self.writes, self.relay, self.attempt) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_it_is_written() {
        let first = Version::default().next(7, 1);
        assert_eq!(Version::default().to_string(), "");
        assert_eq!(Version::parse(&first.to_string()), Some(first));
        assert!(first < first.next(3, 1));
        for wrong in ["", "1", "1.2", "a.b.c"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}
