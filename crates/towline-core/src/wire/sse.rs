//! Server-sent events after the WHATWG HTML standard, section 9.2: lines end at CR, LF or CRLF; `data` lines of one
//! event are joined by `\n`; comments and other fields are skipped. Departures, because of what servers send:
//! an event that the end of the body cuts off before its blank line is dispatched; an event whose data is
//! blank is not; an event with the name `error`, and a field `error`, are marked as [`ERROR_EVENT`]; and a
//! line that begins with `{` is data, even without a field name.

use super::{ERROR_EVENT, Framer, LineTooLong, find_line_end, is_blank};

/// The event being collected.
#[derive(Debug, Default)]
pub(super) struct Event {
    /// Joined data of the event's lines so far, marked if it is an error; `Some` once there was a data line.
    data: Option<Vec<u8>>,
    /// The previous line ended with CR, so an LF that follows belongs to it.
    after_cr: bool,
}

impl Event {
    pub(super) fn pending_bytes(&self) -> usize {
        self.data.as_ref().map_or(0, Vec::len)
    }

    /// The event's data, unless it is blank.
    fn take(&mut self) -> Option<Vec<u8>> {
        self.data.take().filter(|data| !is_blank(data))
    }
}

/// The meaning of a line.
enum Line {
    Blank,
    /// A `data` line, with the position of its value.
    Data(std::ops::Range<usize>),
    /// A whole record without a field name.
    Record,
    /// The event is an error; with the position of its message, if that is on this line.
    Error(std::ops::Range<usize>),
    /// A comment or an ignored field.
    Other,
}

impl Framer {
    pub(super) fn next_sse(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        while let Some(line) = self.next_line()? {
            match self.classify(line.clone()) {
                Line::Other => {}
                Line::Record if self.sse.data.is_none() => {
                    // At the end of the body it may be cut off.
                    self.cut_tail =
                        if self.finished && line.end == self.buffer.len() { line.len() } else { 0 };
                    return Ok(Some(&self.buffer[line]));
                }
                Line::Record => self.add_data(line)?,
                Line::Error(words) => {
                    let data = self.sse.data.get_or_insert_default();
                    if !data.starts_with(ERROR_EVENT) {
                        data.splice(0..0, ERROR_EVENT.iter().copied());
                    }
                    if !words.is_empty() {
                        self.add_data(words)?;
                    }
                }
                Line::Data(value) => {
                    // The common event is one data line followed by a blank one: it needs no copy.
                    if self.sse.data.is_none() && self.skip_blank_line() {
                        if is_blank(&self.buffer[value.clone()]) {
                            continue;
                        }
                        return Ok(Some(&self.buffer[value]));
                    }
                    self.add_data(value)?;
                }
                Line::Blank => {
                    if let Some(data) = self.sse.take() {
                        return Ok(Some(self.hold(data)));
                    }
                }
            }
        }
        if self.finished
            && let Some(data) = self.sse.take()
        {
            self.cut_tail = data.len();
            return Ok(Some(self.hold(data)));
        }
        Ok(None)
    }

    fn add_data(&mut self, value: std::ops::Range<usize>) -> Result<(), LineTooLong> {
        let longer = self.sse.pending_bytes() + value.len() + 1;
        self.check_limit(longer)?;
        match &mut self.sse.data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(&self.buffer[value]);
            }
            None => self.sse.data = Some(self.buffer[value].to_vec()),
        }
        Ok(())
    }

    /// Stores an event's joined data and returns a reference to it.
    fn hold(&mut self, data: Vec<u8>) -> &[u8] {
        self.sse_joined = data;
        &self.sse_joined
    }

    /// The position of the next line, without its end; moves the cursor after it.
    fn next_line(&mut self) -> Result<Option<std::ops::Range<usize>>, LineTooLong> {
        if self.sse.after_cr && self.start < self.buffer.len() {
            self.sse.after_cr = false;
            if self.buffer[self.start] == b'\n' {
                self.start += 1;
                self.searched = self.searched.max(self.start);
            }
        }
        let line = match self.search(find_line_end) {
            Some(end) => {
                self.sse.after_cr = self.buffer[end] == b'\r';
                let line = self.start..end;
                (self.start, self.searched) = (end + 1, end + 1);
                line
            }
            None => {
                self.searched = self.buffer.len();
                let rest = self.start..self.buffer.len();
                self.check_limit(rest.len())?;
                if !self.finished || rest.is_empty() {
                    return Ok(None);
                }
                self.start = self.buffer.len();
                rest
            }
        };
        self.check_limit(line.len())?;
        Ok(Some(line))
    }

    /// Skips a blank line if the next line is certainly blank.
    fn skip_blank_line(&mut self) -> bool {
        let rest = &self.buffer[self.start..];
        let rest_after_lf = if self.sse.after_cr { rest.strip_prefix(b"\n").unwrap_or(rest) } else { rest };
        let skipped = rest.len() - rest_after_lf.len();
        let blank = match rest_after_lf {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return false,
        };
        self.sse.after_cr = false;
        self.start += skipped + blank;
        self.searched = self.searched.max(self.start);
        true
    }

    fn classify(&self, line: std::ops::Range<usize>) -> Line {
        let bytes = &self.buffer[line.clone()];
        if bytes.is_empty() {
            return Line::Blank;
        }
        match bytes.strip_prefix(b"data") {
            Some([]) => Line::Data(line.end..line.end),
            Some([b':', b' ', ..]) => Line::Data(line.start + 6..line.end),
            Some([b':', ..]) => Line::Data(line.start + 5..line.end),
            Some(_) | None => self.classify_rare(bytes, line),
        }
    }

    fn classify_rare(&self, bytes: &[u8], line: std::ops::Range<usize>) -> Line {
        if bytes[0] == b'{' {
            return Line::Record;
        }
        if bytes.strip_prefix(b"event:").is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"error"))
        {
            return Line::Error(line.end..line.end);
        }
        match bytes.strip_prefix(ERROR_EVENT) {
            Some(words) => Line::Error(line.end - words.len()..line.end),
            None => Line::Other,
        }
    }
}
