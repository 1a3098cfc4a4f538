//! What a stream keeps of what it received: the reply, and the records where somebody wants them.

use crate::event::{Event, TextKind};
use crate::outcome::Reply;
use crate::records::Records;

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) reply: Reply,
    /// Whether `reply` is collected.
    pub(super) keeps_reply: bool,
    /// What `reply` counts against its limit.
    pub(super) reply_bytes: usize,
    /// The records as they came.
    pub(super) records: Option<Records>,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self { reply: Reply::default(), keeps_reply: true, reply_bytes: 0, records: None }
    }

    /// The same for the same stream from its beginning.
    pub(super) fn restarted(&self) -> Self {
        Self { records: self.records.clone(), keeps_reply: self.keeps_reply, ..Self::new() }
    }

    #[inline]
    pub(super) fn take_in(&mut self, event: &Event, frame_bytes: usize) {
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

    /// A record that is like the last pattern and has this text.
    #[inline]
    pub(super) fn take_alike(&mut self, frame: &[u8], kind: TextKind, text: &str) {
        if let Some(records) = &mut self.records {
            records.keep_alike(frame, kind, text);
        }
        if self.keeps_reply {
            self.reply.absorb_text(kind, text);
            self.reply_bytes += text.len();
        }
    }
}
