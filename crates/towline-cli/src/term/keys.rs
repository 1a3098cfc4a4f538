//! Decodes bytes from the terminal into keys.
//!
//! This is a custom decoder, because the prompt needs four things that parsers of terminal *output* do not
//! provide: Alt with Enter and with Backspace, unchanged pasted text, the terminal's reply to a status
//! request, and a lone Escape.

/// An input from the terminal.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    Char(char),
    /// Ctrl with a letter or one of `\ ] ^ _`, in lower case.
    Ctrl(char),
    Alt(char),
    Enter,
    AltEnter,
    Tab,
    BackTab,
    Backspace,
    AltBackspace,
    Delete,
    AltDelete,
    Escape,
    Up,
    Down,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    /// Pasted text.
    Paste(String),
    /// The colour of the terminal's background: red, green and blue from 0 to 1.
    Background([f64; 3]),
    /// The row of the terminal's cursor, counted from 0, and the number of columns up to and including the
    /// cursor's.
    Position {
        row: usize,
        columns: usize,
    },
    /// The terminal has processed everything before the status request.
    Acknowledged,
    /// Input without a meaning here.
    Unknown,
}

const PASTE_BEGIN: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";
/// Maximum size of a paste; the rest is treated as a second paste.
const PASTE_BYTES: usize = 4 << 20;
/// Maximum length of a meaningful control sequence.
const SEQUENCE_BYTES: usize = 64;

/// Turns bytes into keys, however the bytes are split.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Number of bytes of an unfinished paste that contain no end mark.
    pasted: Option<usize>,
}

/// The item at the front of the bytes.
enum Parsed {
    Key(Key, usize),
    Incomplete,
    PasteBegins,
}

impl Decoder {
    /// Takes bytes, and appends the complete keys.
    pub fn feed(&mut self, bytes: &[u8], keys: &mut Vec<Key>) {
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            if let Some(searched) = self.pasted {
                match self.paste(at, searched) {
                    Some((text, used)) => {
                        keys.push(Key::Paste(text));
                        self.pasted = None;
                        at += used;
                    }
                    None => break,
                }
                continue;
            }
            match front(&self.bytes[at..]) {
                Parsed::Key(key, used) => {
                    keys.push(key);
                    at += used;
                }
                Parsed::Incomplete => break,
                Parsed::PasteBegins => {
                    at += PASTE_BEGIN.len();
                    self.pasted = Some(0);
                }
            }
        }
        self.bytes.drain(..at);
    }

    /// Whether an Escape waits for possible further bytes.
    pub fn is_waiting(&self) -> bool {
        self.pasted.is_none() && !self.bytes.is_empty()
    }

    /// Called when nothing followed: the waiting bytes are a key by themselves.
    pub fn expire(&mut self, keys: &mut Vec<Key>) {
        // A reply that has begun will be completed, however slow the connection is.
        if self.is_waiting() && !is_reply(&self.bytes) {
            keys.push(if self.bytes == b"\x1b" { Key::Escape } else { Key::Unknown });
            self.bytes.clear();
        }
    }

    /// The paste that begins at `at`, if its end has arrived, and its length with the end mark.
    fn paste(&mut self, at: usize, searched: usize) -> Option<(String, usize)> {
        let text = &self.bytes[at..];
        let from = searched.saturating_sub(PASTE_END.len());
        let end = text[from..].windows(PASTE_END.len()).position(|window| window == PASTE_END);
        let (length, used) = match end {
            Some(end) => (from + end, from + end + PASTE_END.len()),
            None if text.len() >= PASTE_BYTES => (text.len(), text.len()),
            None => {
                self.pasted = Some(text.len());
                return None;
            }
        };
        let pasted = String::from_utf8_lossy(&text[..length]).replace("\r\n", "\n").replace('\r', "\n");
        Some((pasted, used))
    }
}

fn front(bytes: &[u8]) -> Parsed {
    let Some(&first) = bytes.first() else { return Parsed::Incomplete };
    match first {
        0x1b => escape(bytes),
        b'\r' | b'\n' => Parsed::Key(Key::Enter, 1),
        b'\t' => Parsed::Key(Key::Tab, 1),
        0x08 | 0x7f => Parsed::Key(Key::Backspace, 1),
        0 => Parsed::Key(Key::Unknown, 1),
        1..=0x1a => Parsed::Key(Key::Ctrl(char::from(first + b'a' - 1)), 1),
        0x1c..=0x1f => Parsed::Key(Key::Ctrl(char::from(first + b'@')), 1),
        0x20.. => match character(bytes) {
            Some((c, used)) if c.is_control() => Parsed::Key(Key::Unknown, used),
            Some((c, used)) => Parsed::Key(Key::Char(c), used),
            None => Parsed::Incomplete,
        },
    }
}

/// The character at the front; an invalid byte is U+FFFD. `None` if it is incomplete.
fn character(bytes: &[u8]) -> Option<(char, usize)> {
    let length = match bytes.first()? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let have = &bytes[..length.min(bytes.len())];
    match std::str::from_utf8(have) {
        Ok(text) => text.chars().next().map(|c| (c, length)),
        Err(error) if error.error_len().is_none() => None,
        Err(_) => Some((char::REPLACEMENT_CHARACTER, 1)),
    }
}

fn escape(bytes: &[u8]) -> Parsed {
    match bytes.get(1) {
        None => Parsed::Incomplete,
        Some(b'[') => sequence(bytes),
        Some(b']') => reply(bytes),
        Some(b'O') => match bytes.get(2) {
            None => Parsed::Incomplete,
            Some(&last) => Parsed::Key(letter(last, 1), 3),
        },
        Some(0x1b) => Parsed::Key(Key::Escape, 1),
        Some(b'\r' | b'\n') => Parsed::Key(Key::AltEnter, 2),
        Some(0x08 | 0x7f) => Parsed::Key(Key::AltBackspace, 2),
        Some(_) => match character(&bytes[1..]) {
            Some((c, used)) if !c.is_control() => Parsed::Key(Key::Alt(c), used + 1),
            Some((_, used)) => Parsed::Key(Key::Unknown, used + 1),
            None => Parsed::Incomplete,
        },
    }
}

/// The beginning of the terminal's reply to the background request.
const BACKGROUND: &[u8] = b"\x1b]11;";

/// Whether these bytes can only be the beginning of such a reply.
fn is_background(bytes: &[u8]) -> bool {
    let common = bytes.iter().zip(BACKGROUND).take_while(|(one, other)| one == other).count();
    common > 2 && common == bytes.len().min(BACKGROUND.len())
}

/// Whether these bytes can only be the beginning of a reply to one of our requests: keys send numbers too,
/// but all at once.
fn is_reply(bytes: &[u8]) -> bool {
    let is_numbers = bytes.len() > 2
        && bytes.starts_with(b"\x1b[")
        && bytes[2..].iter().all(|&byte| matches!(byte, b'0'..=b'9' | b';'));
    is_numbers || is_background(bytes)
}

/// `ESC ] 11 ; rgb:RRRR/GGGG/BBBB`, and BEL or `ESC \\`; else Alt with the bracket.
fn reply(bytes: &[u8]) -> Parsed {
    if bytes.len() > 2 && !is_background(bytes) {
        return Parsed::Key(Key::Alt(']'), 2);
    }
    let end = bytes.iter().position(|&byte| byte == 0x07).map(|at| (at, at + 1));
    let end = end.or_else(|| bytes.windows(2).position(|pair| pair == b"\x1b\\").map(|at| (at, at + 2)));
    match end {
        Some((end, used)) => {
            let color = bytes.get(BACKGROUND.len()..end).and_then(color);
            Parsed::Key(color.map_or(Key::Unknown, Key::Background), used)
        }
        None if bytes.len() > SEQUENCE_BYTES => Parsed::Key(Key::Unknown, bytes.len()),
        None => Parsed::Incomplete,
    }
}

/// `rgb:R/G/B`, each of one to four hexadecimal digits.
fn color(bytes: &[u8]) -> Option<[f64; 3]> {
    let text = std::str::from_utf8(bytes).ok()?;
    let parts = text.strip_prefix("rgb:").or_else(|| text.strip_prefix("rgba:"))?;
    let mut color = [0.0; 3];
    let mut parts = parts.split('/');
    for value in &mut color {
        let part = parts.next().filter(|part| (1..=4).contains(&part.len()))?;
        let most = (1u32 << (4 * part.len())) - 1;
        *value = f64::from(u32::from_str_radix(part, 16).ok()?) / f64::from(most);
    }
    Some(color)
}

/// A control sequence: `ESC [`, parameters, and one final byte.
fn sequence(bytes: &[u8]) -> Parsed {
    let end = bytes[2..].iter().position(|byte| !(0x20..=0x3f).contains(byte)).map(|end| end + 2);
    let Some(end) = end else {
        return if bytes.len() > SEQUENCE_BYTES {
            Parsed::Key(Key::Unknown, bytes.len())
        } else {
            Parsed::Incomplete
        };
    };
    let used = end + 1;
    let parameters = &bytes[2..end];
    if bytes[..used] == *PASTE_BEGIN {
        return Parsed::PasteBegins;
    }
    let mut numbers = [0u32; 3];
    for (number, text) in numbers.iter_mut().zip(parameters.split(|&byte| byte == b';')) {
        *number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    }
    let [first, modifier, third] = numbers;
    let key = match bytes[end] {
        b'n' if parameters == b"0" => Key::Acknowledged,
        b'R' if first > 0 && modifier > 0 => {
            Key::Position { row: first as usize - 1, columns: modifier as usize }
        }
        b'~' if first == 27 => coded(third, modifier),
        b'~' => match first {
            1 | 7 => Key::Home,
            4 | 8 => Key::End,
            3 if modifier > 1 => Key::AltDelete,
            3 => Key::Delete,
            _ => Key::Unknown,
        },
        b'u' => coded(first, modifier),
        b'Z' => Key::BackTab,
        last => letter(last, modifier.max(1)),
    };
    Parsed::Key(key, used)
}

/// Arrows, Home and End. The modifier counts Shift 1, Alt 2, Ctrl 4, and one more.
fn letter(last: u8, modifier: u32) -> Key {
    let by_word = modifier.saturating_sub(1) & 6 != 0;
    match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if by_word => Key::WordRight,
        b'D' if by_word => Key::WordLeft,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'M' => Key::Enter,
        _ => Key::Unknown,
    }
}

/// A key that the terminal sent as a number, as some do for Shift-Enter.
fn coded(code: u32, modifier: u32) -> Key {
    let Some(c) = char::from_u32(code) else { return Key::Unknown };
    let bits = modifier.saturating_sub(1);
    match c {
        '\r' if bits != 0 => Key::AltEnter,
        '\r' => Key::Enter,
        '\t' if bits & 1 != 0 => Key::BackTab,
        '\t' => Key::Tab,
        '\u{1b}' => Key::Escape,
        '\u{7f}' | '\u{8}' if bits & 6 != 0 => Key::AltBackspace,
        '\u{7f}' | '\u{8}' => Key::Backspace,
        c if c.is_control() => Key::Unknown,
        c if bits & 4 != 0 => Key::Ctrl(c.to_ascii_lowercase()),
        c if bits & 2 != 0 => Key::Alt(c),
        c => Key::Char(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Vec<Key> {
        let mut keys = vec![];
        Decoder::default().feed(bytes, &mut keys);
        keys
    }

    #[test]
    fn keys_are_known_however_they_are_cut() {
        for (bytes, expected) in [
            ("a你\u{1f600}", vec![Key::Char('a'), Key::Char('你'), Key::Char('\u{1f600}')]),
            ("\r\t\x7f\x01\x1f", vec![Key::Enter, Key::Tab, Key::Backspace, Key::Ctrl('a'), Key::Ctrl('_')]),
            ("\x1b[A\x1bOB\x1b[1;5C\x1b[1;3D", vec![Key::Up, Key::Down, Key::WordRight, Key::WordLeft]),
            (
                "\x1bb\x1b\r\x1b\x7f\x1bé",
                vec![Key::Alt('b'), Key::AltEnter, Key::AltBackspace, Key::Alt('é')],
            ),
            (
                "\x1b[24;80R\x1b[0;80Rx",
                vec![Key::Position { row: 23, columns: 80 }, Key::Unknown, Key::Char('x')],
            ),
            ("\x1b[0nx\x1b[0n", vec![Key::Acknowledged, Key::Char('x'), Key::Acknowledged]),
            (
                "\x1b[200~a\r\nb\x1b[31m\rc\x1b[201~d",
                vec![Key::Paste("a\nb\x1b[31m\nc".into()), Key::Char('d')],
            ),
            (
                "\x1b[13;2u\x1b[27;5;120~\x1b[3~\x1b[H\x1b[4~\x1b[Z",
                vec![Key::AltEnter, Key::Ctrl('x'), Key::Delete, Key::Home, Key::End, Key::BackTab],
            ),
        ] {
            assert_eq!(decode(bytes.as_bytes()), expected, "{bytes:?}");
            for cut in 0..bytes.len() {
                let mut decoder = Decoder::default();
                let mut keys = vec![];
                decoder.feed(&bytes.as_bytes()[..cut], &mut keys);
                decoder.feed(&bytes.as_bytes()[cut..], &mut keys);
                assert_eq!(keys, expected, "{bytes:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn the_terminal_says_its_background() {
        let mut decoder = Decoder::default();
        let mut keys = vec![];
        for byte in b"\x1b]11;rgb:ffff/8080/00\x07x\x1b]11;rgb:f/f/f\x1b\\\x1b]y" {
            decoder.feed(&[*byte], &mut keys);
            if decoder.bytes.len() > 2 {
                decoder.expire(&mut keys);
            }
        }
        let (Key::Background([red, green, blue]), [char, Key::Background(white), alt, typed]) =
            (&keys[0], &keys[1..])
        else {
            panic!("{keys:?}")
        };
        assert_eq!((*red, *blue, *white), (1.0, 0.0, [1.0; 3]));
        assert!((0.5..0.51).contains(green));
        assert_eq!([char, alt, typed], [&Key::Char('x'), &Key::Alt(']'), &Key::Char('y')]);
    }

    #[test]
    fn a_lone_escape_is_a_key_when_nothing_follows() {
        let mut decoder = Decoder::default();
        let mut keys = vec![];
        decoder.feed(b"\x1b", &mut keys);
        assert!(keys.is_empty() && decoder.is_waiting());
        decoder.expire(&mut keys);
        assert_eq!(keys, [Key::Escape]);
    }

    #[test]
    fn any_bytes_are_taken() {
        let keys = decode(&(0..=255).chain(0..=255).collect::<Vec<u8>>());
        assert!(keys.len() > 100);
        assert_eq!(decode(&[0xff, b'a']), [Key::Char('\u{fffd}'), Key::Char('a')]);
    }
}
