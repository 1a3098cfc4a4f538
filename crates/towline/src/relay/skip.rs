//! Finds the beginning of a record in a log that is read from an arbitrary offset.

/// Drops the bytes up to and including the end of a record.
#[derive(Debug)]
pub(crate) struct Skip {
    end: &'static [u8],
    /// The last bytes, which may be the beginning of `end`.
    pub(crate) seen: Vec<u8>,
}

impl Skip {
    pub(super) fn to(end: &'static [u8]) -> Self {
        Self { end, seen: Vec::new() }
    }

    /// The bytes after the end, once the end is in `seen`.
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        let length = self.end.len();
        if let Some(at) = self.seen.windows(length).position(|window| window == self.end) {
            return Some(self.seen.split_off(at + length));
        }
        let useless = self.seen.len().saturating_sub(length - 1);
        self.seen.drain(..useless);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_however_it_comes_in_pieces() {
        let log = b"half of one\n\nwhole\n\n";
        for cut in 0..log.len() {
            for second in cut..log.len() {
                let mut skip = Skip::to(b"\n\n");
                let mut rest = None;
                let mut got = Vec::new();
                for piece in [&log[..cut], &log[cut..second], &log[second..]] {
                    match &rest {
                        None => {
                            skip.seen.extend_from_slice(piece);
                            rest = skip.rest();
                            got.extend(rest.iter().flatten());
                            assert!(rest.is_some() || skip.seen.len() < 2);
                        }
                        Some(_) => got.extend_from_slice(piece),
                    }
                }
                assert_eq!(got, b"whole\n\n", "{cut} {second}");
            }
        }
    }
}
