//! Turns the bytes of single tokens into text for display: complete characters, up to a stop string.

/// The state of the text.
pub(crate) struct Text {
    /// An incomplete character; at most three bytes between calls.
    bytes: Vec<u8>,
    /// Text that may be the beginning of a stop string.
    held: String,
    stops: Vec<String>,
}

impl Text {
    /// Empty stop strings are ignored.
    pub(crate) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self { bytes: Vec::new(), held: String::new(), stops }
    }

    /// Adds bytes; returns the displayable text, and whether a stop string followed it. Invalid bytes become
    /// U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> (String, bool) {
        self.bytes.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.bytes);
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.held.push_str(chunk.valid());
            match std::str::from_utf8(chunk.invalid()) {
                Ok(_) => {}
                Err(error) if error.error_len().is_none() && chunks.peek().is_none() => {
                    self.bytes = chunk.invalid().to_vec();
                }
                Err(_) => self.held.push('\u{FFFD}'),
            }
        }
        // The one that ends first, as if the text had arrived letter by letter.
        let found = self.stops.iter().filter_map(|stop| {
            let at = self.held.find(stop)?;
            Some((at + stop.len(), at))
        });
        if let Some((_, at)) = found.min() {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let keep_from = self.stops.iter().map(|stop| begun_at(&self.held, stop)).min();
        let kept = self.held.split_off(keep_from.unwrap_or(self.held.len()));
        (std::mem::replace(&mut self.held, kept), false)
    }

    /// The text that was held back at the end of the answer; U+FFFD for an incomplete character.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held) + &String::from_utf8_lossy(&std::mem::take(&mut self.bytes))
    }
}

/// The start of the longest suffix of `text` that is also a prefix of `stop`; the length of `text` if there
/// is none.
fn begun_at(text: &str, stop: &str) -> usize {
    let earliest = text.len().saturating_sub(stop.len() - 1);
    (earliest..text.len())
        .find(|&at| text.is_char_boundary(at) && stop.starts_with(&text[at..]))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of every size and expects the same each time.
    fn check(stops: &[&str], bytes: &[u8], expected: &str, stopped: bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        for size in 1..=bytes.len() {
            let mut text = Text::new(&stops);
            let mut output = String::new();
            let mut hit = false;
            for piece in bytes.chunks(size) {
                let (shown, stopped) = text.push(piece);
                output.push_str(&shown);
                hit = stopped;
                if hit {
                    break;
                }
            }
            if !hit {
                output.push_str(&text.finish());
            }
            assert_eq!((output.as_str(), hit), (expected, stopped), "{stops:?} in {bytes:?} by {size}");
        }
    }

    #[test]
    fn characters_are_whole_however_bytes_are_cut() {
        check(&[], "plain, naïve, 河, 🦦!".as_bytes(), "plain, naïve, 河, 🦦!", false);
        check(&[], b"a\xffb", "a\u{FFFD}b", false);
        check(&[], b"cut \xf0\x9f\xa6", "cut \u{FFFD}", false);
        check(&[], b"\xe6\xb2x", "\u{FFFD}x", false);
    }

    #[test]
    fn stop_strings_end_the_text_however_it_is_cut() {
        for (stops, text, shown, stopped) in [
            (&[""][..], "one two", "one two", false),
            (&["two"], "one two three", "one ", true),
            (&["END", "\n\n"], "a\nb\n\nc", "a\nb", true),
            (&["aab"], "aaab", "a", true),
            (&["abab"], "ababab", "", true),
            (&["xyz"], "wxy", "wxy", false),
            (&["…ж"], "naïve …ж!", "naïve ", true),
            (&["жж"], "жaж", "жaж", false),
            (&["long stop", "stop"], "a long stop", "a ", true),
            (&["b", "abc"], "abc", "a", true),
        ] {
            check(stops, text.as_bytes(), shown, stopped);
        }
    }
}
