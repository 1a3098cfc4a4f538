//! Newline-delimited JSON: lines end at `\n`; a `\r` before it is dropped, blank lines are skipped, and a last line
//! without its newline counts.

use memchr::memchr;

use super::{Framer, LineTooLong, is_blank};

impl Framer {
    #[inline]
    pub(super) fn next_ndjson(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        loop {
            let (line, next) = match self.search(|bytes| memchr(b'\n', bytes)) {
                Some(end) => (self.start..end, end + 1),
                None => {
                    self.searched = self.buffer.len();
                    let rest = self.start..self.buffer.len();
                    self.check_limit(rest.len())?;
                    if !self.finished || rest.is_empty() {
                        return Ok(None);
                    }
                    self.cut_tail = rest.len();
                    (rest, self.buffer.len())
                }
            };
            self.check_limit(line.len())?;
            (self.start, self.searched) = (next, next);
            // A record starts with `{`, so only a line without it can be blank.
            if self.buffer.get(line.start) == Some(&b'{') || !is_blank(&self.buffer[line.clone()]) {
                let line = &self.buffer[line];
                return Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)));
            }
        }
    }
}
