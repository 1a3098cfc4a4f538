//! From the bytes of single tokens to whole characters.

/// Collects bytes and hands out text as soon as its characters are complete.
#[derive(Debug, Default)]
pub(crate) struct Utf8Stream {
    /// The beginning of a character; at most three bytes between calls.
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// Adds bytes and returns the text that is now complete. Bytes that can never become a character turn into U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    match error.error_len() {
                        None => break,
                        Some(length) => {
                            text.push('\u{FFFD}');
                            rest = &rest[length..];
                        }
                    }
                }
            }
        }
        self.pending = rest.to_vec();
        text
    }

    /// What is left at the end: U+FFFD for an unfinished character, otherwise nothing.
    pub(crate) fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_same_however_bytes_are_cut() {
        for (bytes, expected) in [
            ("plain, naïve, 河, 🦦!".as_bytes(), "plain, naïve, 河, 🦦!"),
            (b"a\xffb", "a\u{FFFD}b"),
            (b"cut \xf0\x9f\xa6", "cut \u{FFFD}"),
            (b"\xe6\xb2x", "\u{FFFD}x"),
        ] {
            for size in 1..=bytes.len() {
                let mut stream = Utf8Stream::default();
                let mut text: String = bytes.chunks(size).map(|piece| stream.push(piece)).collect();
                text.push_str(&stream.finish());
                assert_eq!(text, expected, "by {size}");
            }
        }
    }
}
