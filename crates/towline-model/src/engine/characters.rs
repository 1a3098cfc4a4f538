//! From the bytes of single tokens to whole characters.

/// Collects bytes and hands out text as soon as its characters are complete.
#[derive(Debug, Default)]
pub(crate) struct Characters {
    /// The beginning of a character; at most three bytes between calls.
    pending: Vec<u8>,
}

impl Characters {
    /// Adds bytes and returns the text that is now complete. Bytes that can never become a character turn into U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.pending);
        let mut text = String::new();
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            match std::str::from_utf8(chunk.invalid()) {
                Ok(_) => {}
                Err(error) if error.error_len().is_none() && chunks.peek().is_none() => {
                    self.pending = chunk.invalid().to_vec();
                }
                Err(_) => text.push('\u{FFFD}'),
            }
        }
        text
    }

    /// What is left at the end: U+FFFD for an unfinished character, otherwise nothing.
    pub(crate) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
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
                let mut characters = Characters::default();
                let mut text: String = bytes.chunks(size).map(|piece| characters.push(piece)).collect();
                text.push_str(&characters.finish());
                assert_eq!(text, expected, "by {size}");
            }
        }
    }
}
