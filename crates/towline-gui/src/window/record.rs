//! What the window writes to the history.

use std::time::Duration;

use towline_app::chat::session;
use towline_app::history::{ChatId, InHistory, Writer, WriterId};

use crate::chats::Chat;
use crate::store::ChatRef;

/// How long the disk may be behind before that is reported.
const LAG: Duration = Duration::from_secs(2);

/// The window's pen; without a writer it writes nothing.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) writer: Option<Writer>,
    /// What is written next does not wait for more.
    pub(super) is_urgent: bool,
    /// The disk is behind, and that was reported.
    is_behind: bool,
}

impl Record {
    pub(super) fn by(writer: Option<Writer>) -> Self {
        Self { writer, is_urgent: false, is_behind: false }
    }

    /// What it writes as.
    pub(super) fn writer_id(&self) -> WriterId {
        self.writer.as_ref().map(Writer::writer_id).unwrap_or_default()
    }

    /// A chat's number in the history, once it is there.
    pub(super) fn id_of(&self, chat: &Chat) -> Option<ChatId> {
        chat.id.or_else(|| self.writer.as_ref()?.id(chat.written_to?))
    }

    /// The chat as the disk finds it; `None` where nothing of it was written.
    pub(super) fn chat_ref(&self, chat: &Chat) -> Option<ChatRef> {
        let soon = || Some(ChatRef::Pending(self.writer.as_ref()?.when_written(chat.written_to?)));
        chat.id.map(ChatRef::Stored).or_else(soon)
    }

    /// Where in the history a chat is, for the relay that runs its answers.
    pub(super) fn place_of(&self, chat: &Chat) -> Option<InHistory> {
        let last = InHistory::LastOf(self.writer.as_ref()?.writer_id());
        Some(self.id_of(chat).map_or(last, InHistory::Chat))
    }

    /// Writes what the chats have for it. What is wrong, when that is new.
    pub(super) fn write_lines(&mut self, chats: &mut [Chat]) -> Option<String> {
        let writer = self.writer.as_mut()?;
        for chat in &mut *chats {
            let Some(mut lines) = chat.take_lines() else { continue };
            let to = chat.written_to.unwrap_or_else(|| {
                lines.insert_str(0, &session::settings(&chat.conversation.settings));
                *chat.written_to.insert(writer.begin(None))
            });
            writer.append(to, lines);
        }
        for chat in chats {
            for answer in chat.leaving.drain(..) {
                if let Some(to) = chat.written_to {
                    writer.detach(to, answer);
                }
            }
        }
        if std::mem::take(&mut self.is_urgent) {
            writer.hurry();
        }
        let trouble = match writer.lag() {
            Some((_, Some(why))) => why,
            Some((since, None)) if since > LAG => "the disk is slow".to_owned(),
            Some((_, None)) => return None,
            None => {
                self.is_behind = false;
                return None;
            }
        };
        (!std::mem::replace(&mut self.is_behind, true)).then_some(trouble)
    }
}
