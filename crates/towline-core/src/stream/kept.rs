//! The data that a stream keeps: the reply, and the records if the caller wants them.

use crate::event::{Event, TextKind};
use crate::outcome::Reply;
use crate::records::Records;

#[derive(Debug, Clone)]
pub(super) struct KeptData {
    pub(super) reply: Reply,
    /// Whether `reply` is collected.
    pub(super) keeps_reply: bool,
    /// The size of `reply` for its limit.
    pub(super) reply_bytes: usize,
    /// The records as they arrived.
    pub(super) records: Option<Box<Records>>,
}

impl KeptData {
    pub(super) fn new() -> Self {
        Self { reply: Reply::default(), keeps_reply: true, reply_bytes: 0, records: None }
    }

    /// The same settings, empty, for the same stream from its beginning.
    pub(super) fn restarted(&self) -> Self {
        Self { records: self.records.clone(), keeps_reply: self.keeps_reply, ..Self::new() }
    }

    #[inline]
    pub(super) fn add_event(&mut self, event: &Event, frame_bytes: usize) {
        if !self.keeps_reply {
            return;
        }
        self.reply.absorb(event);
        self.reply_bytes += match event {
            Event::Text(text) | Event::Thinking(text) => text.len(),
            Event::ToolCall(_) | Event::Image(_) | Event::Logprobs(_) => frame_bytes,
            Event::Progress(_) | Event::Usage(_) => 0,
        };
    }

    /// Keeps a record that is like the last pattern, with this text.
    #[inline(always)]
    pub(super) fn add_alike(&mut self, frame: &[u8], kind: TextKind, text: &str) {
        if let Some(records) = &mut self.records {
            records.push_alike(frame, kind, text);
        }
        if self.keeps_reply {
            self.reply.absorb_text(kind, text);
            self.reply_bytes += text.len();
        }
    }
}
