//! Splits body bytes into frames, each of which is one JSON document.
//!
//! The time is linear in the number of bytes, the line limit bounds the memory, and the frames are the same
//! for every chunking.

mod ndjson;
mod sse;
#[cfg(test)]
mod tests;

use std::fmt;

use memchr::memchr2;

/// How frames are delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Newline-delimited JSON: each line is a frame, split only at `\n` (U+0085 and U+2028 are text).
    Ndjson,
    /// Server-sent events: each event is a frame; comments and empty events are skipped.
    Sse,
    /// The whole body is one frame.
    Whole,
}

/// The default limit for a line or event: 32 MiB.
pub const DEFAULT_LINE_LIMIT_BYTES: usize = 32 << 20;

/// A buffer of at least this size is freed once it is empty, so that one long line does not keep its memory.
const KEEP_CAPACITY_BYTES: usize = 128 << 10;

/// The prefix of an error event's frame, which makes it invalid JSON: for an SSE event with the name `error`,
/// or the field `error` that llama.cpp sent until 2025. The event's data follows.
pub const ERROR_EVENT: &[u8] = b"error:";

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Splits a body into frames.
///
/// Append the bytes that arrive to [`input`](Self::input), then call [`next_frame`](Self::next_frame) until
/// it returns `None`; at the end of the body call [`finish`](Self::finish) once and take the rest.
#[derive(Debug)]
pub struct Framer {
    framing: Framing,
    buffer: Vec<u8>,
    /// The position in `buffer` of the first byte that is not part of a frame yet.
    start: usize,
    /// The position up to which `buffer` was searched for the end of the line at `start`.
    searched: usize,
    limit: usize,
    too_long: bool,
    at_body_start: bool,
    finished: bool,
    /// The length of the last frame, if the end of the body served as its line end.
    cut_tail: usize,
    sse: sse::Event,
    /// The last event that was joined from several lines; `next_frame` returns a reference to it.
    sse_joined: Vec<u8>,
    /// The number of bytes that were inspected or moved.
    #[cfg(test)]
    work: usize,
}

/// A line or event is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong {
    /// The limit that was exceeded, in bytes.
    pub limit: usize,
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a record is longer than the line limit of {} bytes", self.limit)
    }
}

impl Framer {
    /// A framer for one body. `limit` is the longest line (for SSE: event) in bytes.
    pub fn new(framing: Framing, limit: usize) -> Self {
        Self {
            framing,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            limit,
            too_long: false,
            at_body_start: true,
            finished: false,
            cut_tail: 0,
            sse: sse::Event::default(),
            sse_joined: Vec::new(),
            #[cfg(test)]
            work: 0,
        }
    }

    /// The buffer to which body bytes are appended. Do not change it in any other way.
    #[inline]
    pub fn input(&mut self) -> &mut Vec<u8> {
        self.release();
        if self.start == self.buffer.len() {
            self.buffer.clear();
            (self.start, self.searched) = (0, 0);
        } else if self.start >= self.buffer.len() / 2 {
            // Moves at most as many bytes as were consumed since the last move: linear over the body.
            #[cfg(test)]
            {
                self.work += self.buffer.len() - self.start;
            }
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        &mut self.buffer
    }

    /// Frees the memory of a long input once all of it was taken, so that it does not coexist with the
    /// result.
    #[inline]
    pub fn release(&mut self) {
        if self.buffer.capacity() > KEEP_CAPACITY_BYTES && self.start == self.buffer.len() {
            self.buffer = Vec::new();
            (self.start, self.searched) = (0, 0);
        }
    }

    /// Drops all input, and the memory for it.
    pub fn clear(&mut self) {
        self.buffer = Vec::new();
        (self.start, self.searched) = (0, 0);
        self.sse = sse::Event::default();
        self.sse_joined = Vec::new();
    }

    /// Ends the body: the remaining bytes become its last line.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Whether there is no frame until more input or its end arrives, because all of it was searched.
    #[inline]
    pub(crate) fn awaits_input(&self) -> bool {
        self.searched == self.buffer.len() && !self.finished && !self.too_long
    }

    /// The next complete frame; `None` if more input is needed, or at the end.
    ///
    /// # Errors
    /// [`LineTooLong`], again at every call: such a body cannot be read further.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        if self.too_long {
            return Err(LineTooLong { limit: self.limit });
        }
        if self.at_body_start && !self.skip_bom() {
            return Ok(None);
        }
        match self.framing {
            Framing::Ndjson => self.next_ndjson(),
            Framing::Sse => self.next_sse(),
            Framing::Whole => self.next_whole(),
        }
    }

    /// The input from the beginning of a line that was not searched yet, which may contain its end; `None` if
    /// frames are not lines. It is inspected once for each line, not once for each piece of a line.
    #[inline]
    pub(crate) fn fresh_line(&self) -> Option<&[u8]> {
        let fresh = self.framing == Framing::Ndjson && !self.at_body_start && self.searched == self.start;
        fresh.then(|| &self.buffer[self.start..])
    }

    /// Whether the first `length` bytes of [`fresh_line`](Self::fresh_line) are a whole line within the limit.
    #[inline]
    pub(crate) fn is_line(&self, length: usize) -> bool {
        length <= self.limit && self.buffer.get(self.start + length) == Some(&b'\n')
    }

    /// Skips a [whole line](Self::is_line) of this length.
    #[inline]
    pub(crate) fn skip_line(&mut self, length: usize) {
        self.start += length + 1;
        self.searched = self.start;
    }

    /// The length of the last frame if it may be cut off, because the end of the body served as its line end;
    /// else 0.
    pub fn cut_tail_bytes(&self) -> usize {
        self.cut_tail
    }

    /// The first of the last `count` bytes of the input that is neither white space nor part of a byte order
    /// mark.
    pub(crate) fn first_of(&self, count: usize) -> Option<u8> {
        let new = &self.buffer[self.buffer.len().saturating_sub(count)..];
        new.iter().copied().find(|byte| !byte.is_ascii_whitespace() && !BOM.contains(byte))
    }

    /// Skips a byte order mark; `false` while it is not certain whether there is one.
    fn skip_bom(&mut self) -> bool {
        if self.buffer.starts_with(BOM) {
            (self.start, self.searched) = (BOM.len(), BOM.len());
        } else if !self.finished && BOM.starts_with(&self.buffer) {
            return false;
        }
        self.at_body_start = false;
        true
    }

    fn next_whole(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        self.check_limit(self.buffer.len() - self.start)?;
        if !self.finished || self.start == self.buffer.len() {
            return Ok(None);
        }
        let from = std::mem::replace(&mut self.start, self.buffer.len());
        self.cut_tail = self.buffer.len() - from;
        Ok(Some(&self.buffer[from..]).filter(|body| !is_blank(body)))
    }

    /// The first position that `find` finds in the part that was not searched yet.
    fn search(&mut self, find: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        let found = find(&self.buffer[self.searched..]).map(|at| self.searched + at);
        #[cfg(test)]
        {
            self.work += found.map_or(self.buffer.len(), |at| at + 1) - self.searched;
        }
        found
    }

    fn check_limit(&mut self, len: usize) -> Result<(), LineTooLong> {
        self.too_long = len > self.limit;
        if self.too_long { Err(LineTooLong { limit: self.limit }) } else { Ok(()) }
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Finds CR or LF.
fn find_line_end(bytes: &[u8]) -> Option<usize> {
    memchr2(b'\r', b'\n', bytes)
}
