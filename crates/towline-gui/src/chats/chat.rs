//! One chat: its conversation, its answers, and its draft.

use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use towline::engine::{JobInfo, Reader};
use towline::{Job, Message};
use towline_app::chat::{AnswerId, Conversation, Reading, Settings, own_words, session};
use towline_app::history::{self, ChatId, Summary};

use super::{Answer, Attachment, Loaded, Note};

/// The silence after which a stream counts as stalled, in seconds.
pub const STALLED_SECONDS: u64 = 5;
/// Maximum length of a title, in characters.
const MAX_TITLE: usize = 60;

/// A chat's number, unique while the window runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChatKey(pub u64);

/// A running answer.
#[derive(Debug)]
pub struct RunningAnswer {
    /// Brings the answer's events into the conversation.
    pub reading: Reading,
    /// What runs.
    pub job: Job,
    /// The state of the job at the last read.
    pub info: JobInfo,
    pub(super) reader: Reader,
}

/// How much of a chat is in memory.
#[derive(Debug, Default)]
pub enum Contents {
    /// Only its title; the rest is on disk.
    OnDisk,
    /// It is being read.
    Loading,
    /// It cannot be read; why.
    Unreadable(String),
    /// All of it.
    #[default]
    Here,
}

/// One chat.
#[derive(Debug, Default)]
pub struct Chat {
    /// Its number.
    pub key: ChatKey,
    /// Its number in the history, once that is known.
    pub id: Option<ChatId>,
    /// The target of its records in the history, once there are any.
    pub(crate) written_to: Option<history::Chat>,
    /// Its title or its first question; may be empty.
    pub titled: String,
    /// Time of the last change, in milliseconds since 1970.
    pub written_ms: i64,
    /// Whether it is pinned.
    pub is_pinned: bool,
    /// Whether it has an ended answer that the user has not seen.
    pub is_unread: bool,
    /// How much of it is in memory.
    pub contents: Contents,
    /// What was said.
    pub conversation: Conversation,
    /// The answers of its turns.
    pub answers: HashMap<AnswerId, Answer>,
    /// Answers on their way.
    pub live: Vec<RunningAnswer>,
    /// The answers that the user left to the relay; they are not resumed automatically.
    pub left: HashSet<AnswerId>,
    /// What is being typed.
    pub draft: String,
    /// What goes with it.
    pub attached: Vec<Attachment>,
    /// The models that are asked in addition to the chat's own.
    pub compared: Vec<String>,
    /// The answer whose question is being edited, with the new text.
    pub editing: Option<(AnswerId, String)>,
    /// Whether another program has written to it since it was read.
    pub(crate) is_stale: bool,
    /// Records that were not passed to the history yet.
    pub(super) lines: String,
    /// Answers that were left to the relay, not passed to the history yet.
    pub(crate) leaving: Vec<AnswerId>,
}

impl Chat {
    /// A new chat.
    pub fn new(key: ChatKey, settings: Settings) -> Self {
        let mut chat = Self { key, conversation: Conversation::new(settings), ..Self::default() };
        chat.touch();
        chat
    }

    /// A chat of the history.
    pub fn on_disk(key: ChatKey, summary: Summary) -> Self {
        let mut chat = Self { contents: Contents::OnDisk, ..Self::new(key, Settings::default()) };
        chat.listed(summary);
        chat
    }

    /// Updates it from the history's list.
    pub fn listed(&mut self, summary: Summary) {
        self.id = Some(summary.id);
        self.titled = beginning(&summary.title);
        self.conversation.tags = summary.tags;
        (self.written_ms, self.is_pinned) = (summary.updated_ms, summary.is_pinned);
    }

    /// Whether it can be read from the history again without a loss.
    pub(crate) fn can_be_read_again(&self) -> bool {
        matches!(self.contents, Contents::Here)
            && self.live.is_empty()
            && self.lines.is_empty()
            && self.editing.is_none()
    }

    /// Marks it as changed now.
    pub(super) fn touch(&mut self) {
        self.written_ms = Timestamp::now().as_millisecond();
    }

    /// It was read.
    pub fn fill(&mut self, loaded: Loaded) {
        self.conversation = loaded.conversation;
        self.answers = loaded.answers;
        self.contents = Contents::Here;
        for answer in self.conversation.answers() {
            let Some(at) = answer.detached_at_relay() else { continue };
            if !loaded.taken.contains(&at.id) {
                // Another program writes it, or will.
                self.left.insert(answer.id);
            }
            self.answers.entry(answer.id).or_default().note = Some(Note::at_relay());
        }
        if let Some(question) = self.conversation.turns().first().map(|turn| turn.question.clone()) {
            self.remember_first(&question);
        }
    }

    /// Imports a chat and passes it to the history.
    pub fn import(&mut self, loaded: Loaded) {
        self.fill(loaded);
        let tags = &self.conversation.tags;
        self.lines.extend((!tags.is_empty()).then(|| session::tags(tags)));
        self.lines.extend(self.conversation.turns().iter().map(session::turn));
    }

    /// Its title.
    pub fn title(&self) -> String {
        if self.titled.is_empty() { "New chat".to_owned() } else { self.titled.clone() }
    }

    /// Whether it has no turns yet.
    pub fn is_empty(&self) -> bool {
        self.conversation.turns().is_empty() && self.id.is_none()
    }

    /// The running answer with this id.
    pub fn live(&self, answer: AnswerId) -> Option<&RunningAnswer> {
        self.live.iter().find(|live| live.reading.id() == answer)
    }

    /// Takes the records that wait for the disk.
    pub fn take_lines(&mut self) -> Option<String> {
        (!self.lines.is_empty()).then(|| std::mem::take(&mut self.lines))
    }

    /// Records a change of the settings.
    pub fn settings_changed(&mut self) {
        if !self.is_empty() {
            self.lines.push_str(&session::settings(&self.conversation.settings));
        }
    }

    pub(super) fn remember_first(&mut self, question: &Message) {
        if self.titled.is_empty() {
            self.titled = beginning(own_words(&question.content));
        }
    }
}

fn beginning(question: &str) -> String {
    let line = question.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("(a picture)");
    let line = towline_app::text::safe::text(line);
    let mut title: String = line.chars().take(MAX_TITLE).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_beginning_of_the_first_question() {
        let mut chat = Chat::new(ChatKey(1), Settings::default());
        assert_eq!(chat.title(), "New chat");
        chat.remember_first(&Message::user("\n what is a \u{202e}weir?\nmore"));
        assert_eq!(chat.title(), "what is a <U+202E>weir?");
    }
}
