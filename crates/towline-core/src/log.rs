//! The log of a job: append-only, read by any number of cursors.
//!
//! A cursor is an [`Offset`] and costs nothing but itself. Adjacent text is kept joined, and handed out joined to a
//! reader that is behind; a reader that keeps up gets each event as it came.

use std::collections::VecDeque;
use std::fmt;

use crate::event::Event;

/// A place in a log: opaque, ordered, valid for the log it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(u64);

impl Offset {
    /// The beginning of every log.
    pub const START: Self = Self(0);

    /// The number behind the offset, to store it.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// An offset from its stored number. One beyond the end of the log reads as its end.
    pub fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text is joined up to this size, in bytes, and dropped in pieces of it.
const SEGMENT_BYTES: usize = 4096;

/// What an event without text counts as in the log's size, in bytes.
const EVENT_BYTES: usize = 64;

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
    content: Event,
}

/// What a read brought.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Read {
    /// The events, adjacent text joined.
    pub events: Vec<Event>,
    /// How many bytes of text (or events without text) were dropped before they were read here.
    pub missed: u64,
    /// Where to read on.
    pub next: Offset,
}

impl Log {
    /// Appends an event. Empty text is nothing.
    pub fn append(&mut self, event: Event) {
        let length = length(&event);
        if length == 0 {
            return;
        }
        let at = self.end;
        self.end += length;
        self.bytes += size(&event);
        let joined =
            self.segments.back_mut().is_some_and(|last| join(&mut last.content, &event, SEGMENT_BYTES));
        if !joined {
            self.segments.push_back(Segment { at, content: event });
        }
    }

    /// Everything from `from` on.
    pub fn read(&self, from: Offset) -> Read {
        let start = self.start().0;
        let missed = start.saturating_sub(from.0);
        let from = from.0.max(start);
        let first = self.segments.partition_point(|segment| segment.end() <= from);
        let mut events: Vec<Event> = Vec::new();
        for segment in self.segments.range(first..) {
            let event = segment.from(from);
            if !events.last_mut().is_some_and(|last| join(last, &event, usize::MAX)) {
                events.push(event);
            }
        }
        Read { events, missed, next: self.end() }
    }

    /// Drops whole segments that end at or before `offset`, oldest first, until `bytes` are freed. Returns what was
    /// freed.
    pub fn drop_before(&mut self, offset: Offset, bytes: usize) -> usize {
        let before = self.bytes;
        while before - self.bytes < bytes
            && let Some(first) = self.segments.front()
            && first.end() <= offset.0
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

    /// Where the next event will stand.
    pub fn end(&self) -> Offset {
        Offset(self.end)
    }

    /// What the log holds, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Segment {
    fn end(&self) -> u64 {
        self.at + length(&self.content)
    }

    /// The part of the segment from `from` on; text is cut at a character.
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

/// How far an event moves the log's end: text by its bytes, anything else by one.
fn length(event: &Event) -> u64 {
    match event {
        Event::Text(text) | Event::Thinking(text) => text.len() as u64,
        Event::ToolCall(_) | Event::Image(_) | Event::Logprobs(_) | Event::Progress(_) | Event::Usage(_) => 1,
    }
}

/// What an event costs, in bytes.
fn size(event: &Event) -> usize {
    match event {
        Event::Text(text) | Event::Thinking(text) => text.len(),
        Event::Image(image) => EVENT_BYTES + image.base64.len(),
        Event::Logprobs(logprobs) => EVENT_BYTES * (1 + logprobs.len()),
        Event::ToolCall(_) | Event::Progress(_) | Event::Usage(_) => EVENT_BYTES,
    }
}

/// Appends `next` to `last` if both are text of one kind and the result is not longer than `limit`.
fn join(last: &mut Event, next: &Event, limit: usize) -> bool {
    match (last, next) {
        (Event::Text(last), Event::Text(next)) | (Event::Thinking(last), Event::Thinking(next))
            if last.len().saturating_add(next.len()) <= limit =>
        {
            last.push_str(next);
            true
        }
        _ => false,
    }
}
