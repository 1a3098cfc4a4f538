//! The fast path of decoding: compares a record with the previous one.
//!
//! From line to line of a stream, only the text and a timestamp change. A template contains the bytes of a
//! record that the general parser understood, with holes for the text and the timestamp. A line that equals
//! it byte for byte outside the holes, and has text, is the same record with another text. Any other line is
//! left to the general parser, so the two cannot disagree.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::{Decoder, Dialect};
use crate::event::{Event, TextKind};

/// After this many templates in a row that never matched, no more are learnt.
const MAX_USELESS: u32 = 16;

/// A longer record is not a token, and learning from it would cost more than parsing it.
const MAX_LEARNT_BYTES: usize = 16 << 10;

/// The template of one stream, from its last record.
#[derive(Debug)]
pub(super) struct Templates {
    dialect: Dialect,
    current: Option<Template>,
    useless: u32,
    /// How many templates there were.
    pub(super) learnt: u64,
}

impl Templates {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, current: None, useless: 0, learnt: 0 }
    }

    /// If `input` begins with a record like the last one that has text: the text, and the length of the
    /// record.
    #[inline(always)]
    pub(super) fn read<'a>(&mut self, input: &'a [u8]) -> Option<(TextKind, Cow<'a, str>, usize)> {
        let template = self.current.as_ref()?;
        let (text, length) = template.read(input)?;
        self.useless = 0;
        Some((template.kind, text, length))
    }

    /// Takes `frame`, which the general parser decoded to only `event`, as the new template, if it is
    /// suitable.
    pub(super) fn learn(&mut self, frame: &[u8], event: &Event) {
        if self.useless == MAX_USELESS || frame.len() > MAX_LEARNT_BYTES {
            return;
        }
        self.useless += 1;
        let learnt = Template::of(self.dialect, frame).filter(|(template, text_end)| {
            let Some((text, _)) = template.read(frame).filter(|(_, length)| *length == frame.len()) else {
                return false;
            };
            let mut text = text.into_owned();
            let agrees = template.kind.event(text.clone()) == *event;
            // The general parser must read the same record with another text as that other text, and nothing
            // else. This proves that the hole is the right place, and not another one with the same content.
            let mut other = frame.to_vec();
            other.insert(*text_end, b'x');
            text.push('x');
            agrees && Decoder::event_of(self.dialect, &other) == Some(template.kind.event(text))
        });
        self.current = learnt.map(|(template, _)| template);
        self.learnt += u64::from(self.current.is_some());
    }

    /// The next record is left to the general parser.
    pub(super) fn forget(&mut self) {
        self.current = None;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    /// The text of the event: any JSON string.
    Text,
    /// The content of a timestamp string, which is ignored.
    Timestamp,
    /// An integer, which is ignored.
    Number,
}

/// A record with holes.
#[derive(Debug)]
struct Template {
    kind: TextKind,
    /// The bytes before each hole, and the hole.
    parts: Vec<(Box<[u8]>, Hole)>,
    /// The bytes after the last hole.
    end: Box<[u8]>,
}

impl Template {
    /// The template of `frame`, and where its text ends; `None` unless exactly one place in it has text.
    fn of(dialect: Dialect, frame: &[u8]) -> Option<(Self, usize)> {
        let mut places =
            HoleFinder { dialect, json: frame, at: 0, path: Vec::new(), holes: Vec::new(), kind: None };
        places.value()?;
        let (holes, kind) = (places.holes, places.kind?);
        let text_end = holes.iter().find(|(_, hole)| *hole == Hole::Text)?.0.end;
        let mut parts = Vec::with_capacity(holes.len());
        let mut from = 0;
        for (range, hole) in holes {
            parts.push((frame[from..range.start].into(), hole));
            from = range.end;
        }
        Some((Self { kind, parts, end: frame[from..].into() }, text_end))
    }

    /// The text of the record at the beginning of `input`, if that equals this template outside the holes,
    /// and the record's length. A record without text does not match, because another field may then take its
    /// place. The match contains no line end, because neither the template nor the content of a hole has one.
    #[inline(always)]
    fn read<'a>(&self, input: &'a [u8]) -> Option<(Cow<'a, str>, usize)> {
        let mut rest = input;
        let mut text = (&[][..], false);
        for (literal, hole) in &self.parts {
            rest = rest.strip_prefix(&**literal)?;
            match hole {
                Hole::Text => {
                    let (length, escaped) = string_length(rest)?;
                    text = (&rest[..length], escaped);
                    rest = &rest[length..];
                }
                Hole::Timestamp => rest = &rest[plain_length(rest)?..],
                Hole::Number => rest = &rest[number_length(rest)?..],
            }
        }
        let length = input.len() - rest.strip_prefix(&*self.end)?.len();
        let text = match text {
            ([], _) => return None,
            (written, false) => Cow::Borrowed(valid(written)?),
            (written, true) => Cow::Owned(unescape(written)?),
        };
        Some((text, length))
    }
}

/// The length of the part of a string that needs no decoding: the position of the first quote, backslash or
/// control character or, for `ASCII`, of the first non-ASCII character.
#[inline(always)]
fn written_length<const ASCII: bool>(rest: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    // Eight bytes at a time. Each term sets the high bit of every byte that is below a bound. A borrow can
    // set further bits only above the first such byte, so the lowest bit is right.
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word;
    let mut at = 0;
    // All characters of a timestamp are between the quote and the backslash: one range check replaces three.
    while ASCII && let Some(bytes) = rest[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*bytes);
        let above = word.wrapping_add(ONES * u64::from(0x80 - b'\\'));
        let other = (word.wrapping_sub(ONES * u64::from(b'"' + 1)) | above | word) & HIGHS;
        if other != 0 {
            at += other.trailing_zeros() as usize / 8;
            if rest[at] == b'"' {
                return Some(at);
            }
            break;
        }
        at += 8;
    }
    while let Some(bytes) = rest[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*bytes);
        // With this bit flipped, the quote is right above the control characters.
        let quote_or_control = below(word ^ (ONES * u64::from(b'"' ^ 0x20)), 0x21);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let beyond = if ASCII { word } else { 0 };
        let found = (quote_or_control | backslash | beyond) & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let is_found = |b: &u8| matches!(b, b'"' | b'\\' | 0..0x20) || ASCII && !b.is_ascii();
    Some(at + rest[at..].iter().position(is_found)?)
}

/// The length of the content of a JSON string, and whether it has escapes, which may still be malformed.
#[inline(always)]
fn string_length(rest: &[u8]) -> Option<(usize, bool)> {
    let mut end = written_length::<false>(rest)?;
    let mut escaped = false;
    while rest[end] == b'\\' {
        escaped = true;
        let next = end + 2;
        end = next + written_length::<false>(rest.get(next..)?)?;
    }
    (rest[end] == b'"').then_some((end, escaped))
}

/// The bytes as text, if they are UTF-8. For a text as short as a token, chunks cost less than `from_utf8`.
#[inline(always)]
fn valid(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > 16 {
        return std::str::from_utf8(bytes).ok();
    }
    bytes.utf8_chunks().next().filter(|chunk| chunk.invalid().is_empty()).map(|chunk| chunk.valid())
}

/// The text of a string with escapes; `None` if one is malformed or lacks its other half.
fn unescape(written: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = memchr(b'\\', rest) {
        text.push_str(std::str::from_utf8(&rest[..at]).ok()?);
        let (escape, after) = rest[at + 1..].split_first()?;
        rest = after;
        text.push(match escape {
            b'"' | b'\\' | b'/' => char::from(*escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high;
                (high, rest) = code_unit(rest)?;
                let mut low = None;
                if let (0xd800..0xdc00, Some(second)) = (high, rest.strip_prefix(b"\\u")) {
                    let unit;
                    (unit, rest) = code_unit(second)?;
                    low = Some(unit);
                }
                char::decode_utf16([high].into_iter().chain(low)).next()?.ok()?
            }
            _ => return None,
        });
    }
    text.push_str(std::str::from_utf8(rest).ok()?);
    Some(text)
}

/// The UTF-16 code unit of an escape, from its four digits, and the rest after them.
fn code_unit(rest: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, after) = rest.split_first_chunk::<4>()?;
    let digit = |unit, b: &u8| Some(unit << 4 | char::from(*b).to_digit(16)? as u16);
    Some((digits.iter().try_fold(0, digit)?, after))
}

/// The length of the content of an ignored string, if it is plain ASCII.
#[inline(always)]
fn plain_length(rest: &[u8]) -> Option<usize> {
    let end = written_length::<true>(rest)?;
    (rest[end] == b'"').then_some(end)
}

/// The length of an integer in JSON's notation.
#[inline]
fn number_length(rest: &[u8]) -> Option<usize> {
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    match rest.first()? {
        b'1'..=b'9' if digits <= 18 => Some(digits),
        _ => None,
    }
}

/// Finds the holes in a record that is known to be valid JSON.
struct HoleFinder<'a> {
    dialect: Dialect,
    json: &'a [u8],
    at: usize,
    path: Vec<&'a [u8]>,
    holes: Vec<(Range<usize>, Hole)>,
    kind: Option<TextKind>,
}

impl<'a> HoleFinder<'a> {
    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => {
                let inside = self.string()?;
                self.leaf(inside)
            }
            _ => {
                let from = self.at;
                while self
                    .json
                    .get(self.at)
                    .is_some_and(|b| !matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r'))
                {
                    self.at += 1;
                }
                self.number(from..self.at);
                Some(())
            }
        }
    }

    fn object(&mut self) -> Option<()> {
        self.at += 1;
        while self.peek()? != b'}' {
            let key = self.string()?;
            let key = &self.json[key];
            // An escaped key could be a disguised form of a known key.
            if key.contains(&b'\\') {
                return None;
            }
            self.peek()?;
            self.at += 1;
            self.path.push(key);
            self.value()?;
            self.path.pop();
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(())
    }

    fn array(&mut self) -> Option<()> {
        self.at += 1;
        let mut first = true;
        while self.peek()? != b']' {
            self.path.push(if first { b"0" } else { b"*" });
            first = false;
            self.value()?;
            self.path.pop();
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(())
    }

    /// The content of a string; moves the cursor after its closing quote.
    fn string(&mut self) -> Option<Range<usize>> {
        if self.peek()? != b'"' {
            return None;
        }
        let from = self.at + 1;
        let mut end = from;
        while *self.json.get(end)? != b'"' {
            end += if self.json[end] == b'\\' { 2 } else { 1 };
        }
        self.at = end + 1;
        Some(from..end)
    }

    /// A string value. `None` if the record is not suitable for a template.
    fn leaf(&mut self, inside: Range<usize>) -> Option<()> {
        let path: &[&[u8]] = &self.path;
        let kind = match (self.dialect, path) {
            (Dialect::Ollama, [b"created_at"]) => {
                self.holes.push((inside, Hole::Timestamp));
                return Some(());
            }
            (Dialect::Ollama, [b"message", b"content"] | [b"response"]) => TextKind::Answer,
            (Dialect::Ollama, [b"message", b"thinking"] | [b"thinking"]) => TextKind::Thinking,
            (Dialect::OpenAi, [b"choices", b"0", b"delta", b"content"]) => TextKind::Answer,
            (Dialect::OpenAi, [b"choices", b"0", b"delta", b"reasoning_content" | b"reasoning"]) => {
                TextKind::Thinking
            }
            // The event's type in the record determines which text this is; the check before use verifies it.
            (Dialect::Responses, [b"delta"]) => TextKind::Answer,
            (Dialect::Messages, [b"delta", b"text"]) => TextKind::Answer,
            (Dialect::Messages, [b"delta", b"thinking"]) => TextKind::Thinking,
            (
                Dialect::Ollama
                | Dialect::OllamaProgress
                | Dialect::OpenAi
                | Dialect::Responses
                | Dialect::Messages,
                _,
            ) => return Some(()),
        };
        if inside.is_empty() {
            return Some(());
        }
        if self.kind.replace(kind).is_some() {
            return None;
        }
        self.holes.push((inside, Hole::Text));
        Some(())
    }

    fn number(&mut self, place: Range<usize>) {
        let whole = self.json[place.clone()].iter().all(u8::is_ascii_digit);
        let is_hole = match self.dialect {
            Dialect::OpenAi => self.path == [b"created"],
            Dialect::Responses => self.path == [b"sequence_number"],
            Dialect::Ollama | Dialect::OllamaProgress | Dialect::Messages => false,
        };
        if is_hole && whole {
            self.holes.push((place, Hole::Number));
        }
    }

    /// The next byte that is not white space; moves the cursor to it.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.json.get(self.at)?, b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }
}
