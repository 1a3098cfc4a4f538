//! The log of a job: append-only, read by any number of cursors.
//!
//! A cursor is only an [`Offset`], so readers are free. The log joins adjacent text, and adjacent progress of
//! one layer: a reader that is behind gets the joined events, and a reader that keeps up gets each event as
//! it arrived.

use std::collections::VecDeque;
use std::fmt;

use serde_json::Value;

use crate::event::{Event, TextKind, TokenLogprob};

/// A position in a log: opaque, ordered, valid only for its own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(u64);

impl Offset {
    /// The beginning of every log.
    pub const START: Self = Self(0);

    /// The offset as a number, for storage.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// An offset from its stored number. An offset beyond the end of the log reads as its end.
    pub fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text is joined up to this size, in bytes, and dropped in pieces of this size.
const SEGMENT_BYTES: usize = 4096;

/// The cost of each piece of a log in addition to its text, in bytes.
const EVENT_BYTES: usize = 64;

/// Pieces that wait keep a buffer for this many events.
const IDLE_EVENTS: usize = 4;

/// They keep the buffer of a text up to this size, in bytes: that of a token.
const IDLE_TEXT_BYTES: usize = 64;

/// An append-only log of events.
#[derive(Debug, Default)]
pub struct Log {
    segments: VecDeque<Segment>,
    end: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Segment {
    at: u64,
    end: u64,
    content: Event,
}

/// The result of a read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Read {
    /// The events, with adjacent text joined, and only the last of adjacent progress of one layer.
    pub events: Vec<Event>,
    /// How many bytes of text (or events without text) the log dropped before this reader reached them.
    pub missed: u64,
    /// The offset of the next read.
    pub next: Offset,
}

impl Log {
    /// Appends an event. Empty text is ignored.
    pub fn append(&mut self, event: Event) {
        let length = length(&event);
        if length == 0 {
            return;
        }
        let at = self.end;
        self.end += length;
        if let Some(last) = self.segments.back_mut() {
            let before = size(&last.content);
            if join(&mut last.content, &event, SEGMENT_BYTES) {
                last.end = self.end;
                self.bytes = self.bytes - before + size(&last.content);
                return;
            }
        }
        self.bytes += size(&event);
        self.segments.push_back(Segment { at, end: self.end, content: event });
    }

    /// Appends all of `pieces`, and returns the number of text pieces among them.
    pub fn append_all(&mut self, pieces: &mut Pieces) -> u64 {
        for event in pieces.events.drain(..) {
            self.append(event);
        }
        self.append_text(pieces.kind, &pieces.text);
        pieces.text.clear();
        if pieces.text.capacity() > IDLE_TEXT_BYTES {
            pieces.text = String::new();
        }
        if pieces.events.capacity() > IDLE_EVENTS {
            pieces.events = Vec::new();
        }
        std::mem::take(&mut pieces.texts)
    }

    /// Appends text that is not an event yet.
    fn append_text(&mut self, kind: TextKind, text: &str) {
        if let Some(last) = self.segments.back_mut()
            && join_text(&mut last.content, kind, text, SEGMENT_BYTES)
        {
            self.bytes += text.len();
            self.end += text.len() as u64;
            last.end = self.end;
        } else {
            self.append(kind.event(text.to_owned()));
        }
    }

    /// The events from `from` on: all of them, or up to the one that exceeds `limit` bytes.
    pub fn read(&self, from: Offset, limit: usize) -> Read {
        let start = self.start().0;
        let missed = start.saturating_sub(from.0);
        let from = from.0.max(start);
        // A reader that keeps up is in the last segment.
        if let Some(last) = self.segments.back()
            && (last.at..last.end).contains(&from)
            && limit > 0
        {
            return Read { events: vec![last.from(from)], missed, next: self.end() };
        }
        let first = self.segments.partition_point(|segment| segment.end <= from);
        let (mut events, mut bytes, mut next) = (Vec::<Event>::new(), 0, from);
        for segment in self.segments.range(first..) {
            if bytes >= limit {
                return Read { events, missed, next: Offset(next) };
            }
            let event = segment.from(from);
            bytes += size(&event);
            next = segment.end;
            if !events.last_mut().is_some_and(|last| join(last, &event, usize::MAX)) {
                events.push(event);
            }
        }
        Read { events, missed, next: self.end() }
    }

    /// Drops whole segments that end at or before `offset`, oldest first, until `bytes` are freed. Returns
    /// the number of freed bytes.
    pub fn drop_before(&mut self, offset: Offset, bytes: usize) -> usize {
        let before = self.bytes;
        while before - self.bytes < bytes
            && let Some(first) = self.segments.front()
            && first.end <= offset.0
        {
            self.bytes -= size(&first.content);
            self.segments.pop_front();
        }
        before - self.bytes
    }

    /// The oldest offset that can still be read.
    pub fn start(&self) -> Offset {
        Offset(self.segments.front().map_or(self.end, |first| first.at))
    }

    /// The offset of the next event.
    pub fn end(&self) -> Offset {
        Offset(self.end)
    }

    /// The size of the log, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Segment {
    /// The part of the segment from `from` on; text is split at a character boundary.
    fn from(&self, from: u64) -> Event {
        let skip = usize::try_from(from.saturating_sub(self.at)).unwrap_or(usize::MAX);
        match &self.content {
            Event::Text(text) => Event::Text(text[text.ceil_char_boundary(skip)..].to_owned()),
            Event::Thinking(text) => Event::Thinking(text[text.ceil_char_boundary(skip)..].to_owned()),
            Event::ToolCall(_)
            | Event::Image(_)
            | Event::Logprobs(_)
            | Event::Progress(_)
            | Event::Usage(_) => self.content.clone(),
        }
    }
}

/// How far an event moves the end of the log: text by its bytes, other events by one.
fn length(event: &Event) -> u64 {
    match event {
        Event::Text(text) | Event::Thinking(text) => text.len() as u64,
        Event::ToolCall(_) | Event::Image(_) | Event::Logprobs(_) | Event::Progress(_) | Event::Usage(_) => 1,
    }
}

/// The cost of a single event, in bytes.
fn size(event: &Event) -> usize {
    let content = match event {
        Event::Text(text) | Event::Thinking(text) => text.len(),
        Event::ToolCall(call) => call.name.len() + json_size(&call.arguments),
        Event::Image(image) => image.base64.len(),
        Event::Logprobs(logprobs) => logprobs_size(logprobs),
        Event::Progress(progress) => {
            EVENT_BYTES + progress.status.len() + progress.digest.as_ref().map_or(0, String::len)
        }
        Event::Usage(_) => EVENT_BYTES,
    };
    EVENT_BYTES + content
}

fn logprobs_size(logprobs: &[TokenLogprob]) -> usize {
    let one =
        |logprob: &TokenLogprob| EVENT_BYTES + logprob.token.len() + logprobs_size(&logprob.top_logprobs);
    logprobs.iter().map(one).sum()
}

fn json_size(value: &Value) -> usize {
    let inner = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(json_size).sum(),
        Value::Object(map) => map.iter().map(|(name, value)| name.len() + json_size(value)).sum(),
    };
    EVENT_BYTES + inner
}

/// Joins `next` to `last` if a reader that is behind needs only the joined event: text of the same kind with
/// a total length of at most `limit`, and progress of one layer, of which only the last matters.
fn join(last: &mut Event, next: &Event, limit: usize) -> bool {
    match (last, next) {
        (last, Event::Text(text)) => join_text(last, TextKind::Answer, text, limit),
        (last, Event::Thinking(text)) => join_text(last, TextKind::Thinking, text, limit),
        (Event::Progress(last), Event::Progress(next))
            if last.status == next.status && last.digest == next.digest =>
        {
            last.clone_from(next);
            true
        }
        _ => false,
    }
}

/// The same for text that is not an event yet.
fn join_text(last: &mut Event, kind: TextKind, text: &str, limit: usize) -> bool {
    match (last, kind) {
        (Event::Text(last), TextKind::Answer) | (Event::Thinking(last), TextKind::Thinking)
            if last.len().saturating_add(text.len()) <= limit =>
        {
            last.push_str(text);
            true
        }
        _ => false,
    }
}

/// Events on their way to a log, joined as the log joins them. They reuse the buffer of a token's text.
#[derive(Debug, Default)]
pub struct Pieces {
    events: Vec<Event>,
    /// The text after these events, and its kind.
    text: String,
    kind: TextKind,
    /// The number of text pieces among all of these, before they were joined.
    texts: u64,
}

impl Pieces {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.text.is_empty()
    }

    pub(crate) fn push(&mut self, event: Event) {
        match &event {
            Event::Text(text) => self.push_text(TextKind::Answer, text),
            Event::Thinking(text) => self.push_text(TextKind::Thinking, text),
            Event::ToolCall(_)
            | Event::Image(_)
            | Event::Logprobs(_)
            | Event::Progress(_)
            | Event::Usage(_) => {
                self.end_text();
                if !self.events.last_mut().is_some_and(|last| join(last, &event, SEGMENT_BYTES)) {
                    self.events.push(event);
                }
            }
        }
    }

    /// The same for text that is not an event yet.
    #[inline]
    pub(crate) fn push_text(&mut self, kind: TextKind, text: &str) {
        self.texts += 1;
        if kind != self.kind || self.text.len() + text.len() > SEGMENT_BYTES {
            self.end_text();
            self.kind = kind;
        }
        self.text.push_str(text);
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.events.push(self.kind.event(std::mem::take(&mut self.text)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Progress;

    const ALL: usize = usize::MAX;

    fn text(text: &str) -> Event {
        Event::Text(text.to_owned())
    }

    fn progress(digest: &str, completed: u64) -> Event {
        Event::Progress(Box::new(Progress {
            status: "pulling".to_owned(),
            digest: Some(digest.to_owned()),
            completed: Some(completed),
            total: None,
        }))
    }

    #[test]
    fn a_reader_that_is_behind_gets_text_joined() {
        let mut log = Log::default();
        for piece in ["a", "", "b", "c"] {
            log.append(text(piece));
        }
        log.append(Event::Thinking("hm".to_owned()));
        log.append(text("d"));
        let read = log.read(Offset::START, ALL);
        assert_eq!(read.events, [text("abc"), Event::Thinking("hm".to_owned()), text("d")]);
        assert_eq!((read.missed, read.next), (0, Offset(6)));
    }

    #[test]
    fn every_offset_reads_the_rest() {
        let mut log = Log::default();
        let whole: String = (0..3000).map(|n| format!("{n} ")).collect();
        for piece in whole.as_bytes().chunks(7) {
            log.append(text(str::from_utf8(piece).unwrap()));
        }
        for at in (0..=whole.len()).step_by(131) {
            let read = log.read(Offset(at as u64), ALL);
            let rest: String =
                read.events.iter().map(|e| if let Event::Text(t) = e { t } else { "" }).collect();
            assert_eq!(rest, &whole[at..]);
        }
    }

    #[test]
    fn text_is_cut_only_between_characters() {
        let mut log = Log::default();
        log.append(text("é€"));
        for (at, rest) in [(0, "é€"), (1, "€"), (2, "€"), (3, ""), (4, "")] {
            assert_eq!(log.read(Offset(at), ALL).events, [text(rest)], "from {at}");
        }
        assert!(log.read(Offset(5), ALL).events.is_empty());
        assert_eq!(log.read(Offset(99), ALL).next, log.end());
    }

    #[test]
    fn progress_of_one_layer_takes_one_place() {
        let mut log = Log::default();
        for count in 0..1000 {
            log.append(progress("one", count));
        }
        let bytes = log.bytes();
        let middle = log.end();
        assert!(bytes < 500, "{bytes}");
        assert!(log.read(middle, ALL).events.is_empty());
        log.append(progress("one", 1000));
        assert_eq!(log.read(middle, ALL).events, [progress("one", 1000)]);
        log.append(progress("two", 1));
        assert_eq!(log.read(Offset::START, ALL).events, [progress("one", 1000), progress("two", 1)]);
        assert_eq!(log.end(), Offset(1002));
    }

    #[test]
    fn bounded_reads_make_up_the_whole() {
        let mut log = Log::default();
        let piece = "x".repeat(1000);
        for _ in 0..100 {
            log.append(text(&piece));
            log.append(Event::Usage(Box::default()));
        }
        let (mut at, mut texts, mut others, mut reads) = (Offset::START, 0, 0, 0);
        while at < log.end() {
            let read = log.read(at, 10_000);
            assert!(read.next > at);
            at = read.next;
            reads += 1;
            for event in read.events {
                if let Event::Text(text) = event { texts += text.len() } else { others += 1 }
            }
        }
        assert_eq!((texts, others), (100_000, 100));
        assert!(reads >= 10, "{reads}");
    }

    #[test]
    fn only_what_was_read_is_dropped_and_late_readers_are_notified() {
        let mut log = Log::default();
        for _ in 0..10 {
            log.append(text(&"y".repeat(SEGMENT_BYTES)));
        }
        let before = log.bytes();
        let two_read = Offset(2 * SEGMENT_BYTES as u64 + 5);
        assert_eq!(log.drop_before(two_read, ALL), before - log.bytes());
        assert_eq!(log.start(), Offset(2 * SEGMENT_BYTES as u64));
        let read = log.read(Offset(10), ALL);
        assert_eq!(read.missed, 2 * SEGMENT_BYTES as u64 - 10);
        assert_eq!(read.next, log.end());
        assert_eq!(log.drop_before(two_read, ALL), 0);
        log.drop_before(log.end(), ALL);
        assert_eq!((log.bytes(), log.start()), (0, log.end()));
        assert_eq!(log.read(Offset::START, ALL).missed, log.end().to_u64());
    }

    #[test]
    fn small_pieces_between_others_are_counted_at_what_they_cost() {
        let mut log = Log::default();
        for _ in 0..1000 {
            log.append(text("a"));
            log.append(Event::Usage(Box::default()));
        }
        assert!(log.bytes() > 100_000, "{}", log.bytes());
    }
}
