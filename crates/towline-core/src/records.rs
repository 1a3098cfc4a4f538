//! The records of a stream as the server sent them, for callers that pass them on in their own format.

use std::collections::VecDeque;

use crate::dialect::repair::repair_text;
use crate::event::{Event, TextKind};

/// The relation of a record to its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A record on its own.
    None,
    /// A pattern: similar records after it differ from it only in their text and their timestamp, until the
    /// next pattern.
    Pattern,
    /// Like the last pattern except for its timestamp and a piece of the answer.
    Text,
    /// Like the last pattern except for its timestamp and a piece of the model's reasoning.
    Thinking,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The record: a JSON object, in valid UTF-8. U+FFFD replaces invalid text from the server.
    pub json: &'a [u8],
    /// The piece of the answer in it, or of the reasoning if the kind is [`RecordKind::Thinking`]. Often
    /// empty.
    pub text: &'a str,
    /// Its role among the records around it.
    pub kind: RecordKind,
}

/// Records in the order of arrival, packed into three allocations, however many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    json: Vec<u8>,
    texts: String,
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    json_end: usize,
    text_end: usize,
    kind: RecordKind,
}

impl Records {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Their size, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.json.len() + self.texts.len()
    }

    /// The record at `index`, counted from 0.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        let mark = self.marks.get(index)?;
        let before = index.checked_sub(1).map(|before| &self.marks[before]);
        let (json_start, text_start) = before.map_or((0, 0), |before| (before.json_end, before.text_end));
        Some(Record {
            json: &self.json[json_start..mark.json_end],
            text: &self.texts[text_start..mark.text_end],
            kind: mark.kind,
        })
    }

    /// Appends the records of `later`.
    pub fn append(&mut self, later: &Records) {
        let (json, texts) = (self.json.len(), self.texts.len());
        self.json.extend_from_slice(&later.json);
        self.texts.push_str(&later.texts);
        self.marks.extend(later.marks.iter().map(|mark| Mark {
            json_end: json + mark.json_end,
            text_end: texts + mark.text_end,
            kind: mark.kind,
        }));
    }

    /// Appends a record that is like the last pattern, with this text.
    #[inline]
    pub(crate) fn push_alike(&mut self, frame: &[u8], kind: TextKind, text: &str) {
        let kind = match kind {
            TextKind::Answer => RecordKind::Text,
            TextKind::Thinking => RecordKind::Thinking,
        };
        self.push(frame, std::iter::once(text), kind);
    }

    /// Appends a record that contains `events`.
    pub(crate) fn push_events(
        &mut self,
        frame: &[u8],
        events: &VecDeque<Event>,
        is_pattern: bool,
        was_repaired: bool,
    ) {
        let repaired = if was_repaired { repair_text(frame) } else { None };
        let json = repaired.as_ref().map_or(frame, |(text, _)| text.as_bytes());
        let texts = events.iter().filter_map(Event::text);
        self.push(json, texts, if is_pattern { RecordKind::Pattern } else { RecordKind::None });
    }

    /// Appends a record. `texts` are the pieces of the answer in it.
    #[inline]
    pub fn push<'a>(&mut self, json: &[u8], texts: impl Iterator<Item = &'a str>, kind: RecordKind) {
        self.json.extend_from_slice(json);
        self.texts.extend(texts);
        self.marks.push(Mark { json_end: self.json.len(), text_end: self.texts.len(), kind });
    }
}
