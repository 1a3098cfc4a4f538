//! The framing of an answer, from its request.

use serde::{Deserialize, Serialize};

/// How an answer is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Framing {
    /// Newline-delimited JSON.
    #[default]
    Lines,
    /// Server-sent events.
    Events,
    /// One JSON value: the client did not ask for a stream.
    Whole,
}

impl Framing {
    /// The content type before the server has sent one.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
            Self::Whole => "application/json",
        }
    }
}

/// Tracks the bytes of an answer that is one JSON value, and detects its end, after which no record may
/// follow.
///
/// It only counts open brackets and does not validate the content.
#[derive(Debug, Default)]
pub(crate) struct OneValue {
    open: usize,
    in_text: bool,
    escaped: bool,
    begun: bool,
    /// Whether there were non-blank bytes after the value, or before it where no value can begin.
    surplus: bool,
}

impl OneValue {
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' | b'[' if self.open > 0 || !self.begun => {
                    (self.begun, self.open) = (true, self.open + 1)
                }
                b'}' | b']' if self.open > 0 => self.open -= 1,
                b'"' if self.open > 0 => self.in_text = true,
                _ if self.open > 0 || byte.is_ascii_whitespace() => {}
                _ => self.surplus = true,
            }
        }
    }

    /// Whether there is exactly one complete object or array.
    pub(crate) fn is_whole(&self) -> bool {
        self.begun && self.open == 0 && !self.surplus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_whole_at_its_end_only() {
        let is_whole = |text: &str, pieces: usize| {
            let mut value = OneValue::default();
            text.as_bytes().chunks(pieces).for_each(|piece| value.received(piece));
            value.is_whole()
        };
        let text = r#"{"a":[{"b":"}\\\"]"},[]],"c":"\u007d"}"#;
        for pieces in 1..text.len() {
            assert!(is_whole(text, pieces) && is_whole(&format!("\n {text}\r\n"), pieces));
        }
        for end in 0..text.len() {
            assert!(!is_whole(&text[..end], 7), "{}", &text[..end]);
        }
        for wrong in ["", "  ", "5", "\"x\"", "{}{}", "{} x", "<html>{}", "]"] {
            assert!(!is_whole(wrong, 3), "{wrong}");
        }
    }
}
