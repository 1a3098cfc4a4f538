//! What the window says for a while, and what can be restored meanwhile.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::Window;
use crate::chats::ChatKey;
use crate::ui::toasts::{Toast, Undo};

/// How long a notice stays.
const TOAST_TIME: Duration = Duration::from_secs(6);
/// How long something deleted can be restored.
const UNDO_TIME: Duration = Duration::from_secs(10);

/// The notices.
#[derive(Debug, Default)]
pub(super) struct Notices {
    pub(super) shown: Vec<Toast>,
    /// The chats that are deleted unless somebody wants them back.
    pub(super) deleted: HashSet<ChatKey>,
    last: u64,
}

impl Window {
    /// Says something for a while.
    pub fn show_notice(&mut self, text: impl Into<String>, undo: Option<Undo>) {
        self.notices.last += 1;
        let until = Instant::now() + if undo.is_some() { UNDO_TIME } else { TOAST_TIME };
        let toast = Toast { id: self.notices.last, text: text.into(), undo, until };
        self.notices.shown.push(toast);
    }

    pub(super) fn undo(&mut self, id: u64) {
        let shown = &mut self.notices.shown;
        let Some(at) = shown.iter().position(|toast| toast.id == id) else { return };
        match shown.remove(at).undo {
            Some(Undo::Chat(key)) => {
                self.notices.deleted.remove(&key);
                self.open(key);
            }
            Some(Undo::Turn(key, turn)) => {
                self.open(key);
                self.with_chat(|chat| chat.restore_turn(*turn));
            }
            None => {}
        }
    }

    /// Takes away a notice that was read; what it could restore is deleted.
    pub(super) fn dismiss(&mut self, id: u64) {
        for toast in self.notices.shown.iter_mut().filter(|toast| toast.id == id) {
            toast.until = Instant::now();
        }
    }

    /// Takes away the notices whose time is over.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        let gone: Vec<Toast> = self.notices.shown.extract_if(.., |toast| toast.until <= now).collect();
        for toast in gone {
            if let Some(Undo::Chat(key)) = toast.undo
                && self.notices.deleted.remove(&key)
            {
                self.delete_for_good(key);
            }
        }
        if let Some(next) = self.notices.shown.iter().map(|toast| toast.until).min() {
            let wait = next.saturating_duration_since(now) + Duration::from_millis(5);
            self.context.request_repaint_after(wait);
        }
    }
}
