//! The fast way to decode a record: by its likeness to the one before.
//!
//! From line to line of a stream only the text changes, and a timestamp. A template holds the bytes of a record that
//! the general parser understood, with holes where the text and the timestamp stood. A line that equals it byte for
//! byte outside the holes, and has text, is the same record with another text. Any other line is left to the general
//! parser, so the two cannot disagree.

use super::{Decoder, Dialect};
use crate::event::Event;

/// A template that was learnt this often without ever being of use is not worth learning again.
const MAX_USELESS: u32 = 16;

/// The templates of one stream: the last record's.
#[derive(Debug)]
pub(super) struct Templates {
    dialect: Dialect,
    current: Option<Template>,
    useless: u32,
}

impl Templates {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, current: None, useless: 0 }
    }

    /// The event of a frame that is like the last one and has text.
    #[inline]
    pub(super) fn decode(&mut self, frame: &[u8]) -> Option<Event> {
        let template = self.current.as_ref()?;
        let text = template.read(frame)?;
        self.useless = 0;
        Some(template.kind.event(text))
    }

    /// Takes `frame`, which the general parser decoded to `event` alone, as the new template if it is fit for one.
    pub(super) fn learn(&mut self, frame: &[u8], event: &Event) {
        if self.useless == MAX_USELESS {
            return;
        }
        self.useless += 1;
        let learnt = Template::of(self.dialect, frame).filter(|(template, text_end)| {
            let Some(mut text) = template.read(frame) else { return false };
            let agrees = template.kind.event(text.clone()) == *event;
            // The same record with another text must be another text to the general parser, and nothing else: then it
            // is this place that counts, and not one that happens to hold the same.
            let mut other = frame.to_vec();
            other.insert(*text_end, b'x');
            text.push('x');
            agrees && Decoder::event_of(self.dialect, &other) == Some(template.kind.event(text))
        });
        self.current = learnt.map(|(template, _)| template);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
}

impl Kind {
    #[inline]
    fn event(self, text: String) -> Event {
        match self {
            Self::Text => Event::Text(text),
            Self::Thinking => Event::Thinking(text),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    /// The text of the event: any JSON string.
    Text,
    /// The inside of a timestamp string, without meaning here.
    Timestamp,
    /// A whole number without meaning here.
    Number,
}

/// A record with holes.
#[derive(Debug)]
struct Template {
    kind: Kind,
    /// The bytes before each hole, and the hole.
    parts: Vec<(Box<[u8]>, Hole)>,
    /// The bytes after the last hole.
    end: Box<[u8]>,
}

impl Template {
    /// The template that `frame` makes, and where its text ends: `None` unless exactly one place in it holds text.
    fn of(dialect: Dialect, frame: &[u8]) -> Option<(Self, usize)> {
        let mut places =
            Places { dialect, json: frame, at: 0, path: Vec::new(), holes: Vec::new(), kind: None };
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

    /// The text of a frame that equals this template outside the holes. Without text the frame is not alike: another
    /// field may then take its place.
    #[inline]
    fn read(&self, frame: &[u8]) -> Option<String> {
        let mut text = None;
        let mut rest = frame;
        for (literal, hole) in &self.parts {
            rest = rest.strip_prefix(&**literal)?;
            match hole {
                Hole::Text => {
                    let (read, after) = read_string(rest)?;
                    text = Some(read);
                    rest = after;
                }
                Hole::Timestamp => rest = skip_timestamp(rest),
                Hole::Number => rest = skip_number(rest)?,
            }
        }
        if rest == &*self.end { text.filter(|text| !text.is_empty()) } else { None }
    }
}

/// Reads the inside of a JSON string up to its closing quote, which is left in place.
#[inline]
fn read_string(rest: &[u8]) -> Option<(String, &[u8])> {
    let end = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))?;
    match rest[end] {
        b'"' => Some((std::str::from_utf8(&rest[..end]).ok()?.to_owned(), &rest[end..])),
        b'\\' => read_escaped(rest, end),
        _ => None,
    }
}

/// The same for a string with escapes, the first of them at `escape`.
fn read_escaped(rest: &[u8], escape: usize) -> Option<(String, &[u8])> {
    let mut end = escape;
    while rest.get(end)? != &b'"' {
        end += if rest[end] == b'\\' { 2 } else { 1 };
    }
    let mut quoted = Vec::with_capacity(end + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(&rest[..=end]);
    let text = serde_json::from_slice(&quoted).ok()?;
    Some((text, &rest[end..]))
}

/// Skips the characters of a timestamp, all of which are plain inside a JSON string.
#[inline]
fn skip_timestamp(rest: &[u8]) -> &[u8] {
    let end = rest.iter().position(|b| !matches!(b, b'0'..=b':' | b'T' | b'Z' | b'-' | b'+' | b'.'));
    &rest[end.unwrap_or(rest.len())..]
}

/// Skips a whole number as JSON allows it.
#[inline]
fn skip_number(rest: &[u8]) -> Option<&[u8]> {
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    match rest.first()? {
        b'1'..=b'9' if digits <= 18 => Some(&rest[digits..]),
        _ => None,
    }
}

/// Finds the places of holes in a record that is known to be valid JSON.
struct Places<'a> {
    dialect: Dialect,
    json: &'a [u8],
    at: usize,
    path: Vec<&'a [u8]>,
    holes: Vec<(std::ops::Range<usize>, Hole)>,
    kind: Option<Kind>,
}

impl<'a> Places<'a> {
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
            // An escaped key could be one of those looked for in disguise.
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

    /// A string's inside; the cursor moves behind its closing quote.
    fn string(&mut self) -> Option<std::ops::Range<usize>> {
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

    /// A string value. `None` when the record is not fit for a template.
    fn leaf(&mut self, inside: std::ops::Range<usize>) -> Option<()> {
        let path: &[&[u8]] = &self.path;
        let kind = match (self.dialect, path) {
            (Dialect::Ollama, [b"created_at"]) => {
                self.holes.push((inside, Hole::Timestamp));
                return Some(());
            }
            (Dialect::Ollama, [b"message", b"content"] | [b"response"]) => Kind::Text,
            (Dialect::Ollama, [b"message", b"thinking"] | [b"thinking"]) => Kind::Thinking,
            (Dialect::OpenAi, [b"choices", b"0", b"delta", b"content"]) => Kind::Text,
            (Dialect::OpenAi, [b"choices", b"0", b"delta", b"reasoning_content" | b"reasoning"]) => {
                Kind::Thinking
            }
            (Dialect::Ollama | Dialect::OllamaProgress | Dialect::OpenAi, _) => return Some(()),
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

    fn number(&mut self, place: std::ops::Range<usize>) {
        let whole = self.json[place.clone()].iter().all(u8::is_ascii_digit);
        if self.dialect == Dialect::OpenAi && whole && self.path == [b"created"] {
            self.holes.push((place, Hole::Number));
        }
    }

    /// The next byte that is not white space; the cursor stands on it.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.json.get(self.at)?, b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }
}
