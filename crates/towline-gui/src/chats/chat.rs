//! One chat: what was said, its answers, what is being typed.

use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use towline::engine::{JobInfo, Reader};
use towline::{Job, Message};
use towline_app::chat::{AnswerId, Conversation, Reading, Settings, own_words};
use towline_app::history::{self, ChatId, Summary};

use super::{Answer, Attachment, Loaded, Note};

/// Silence that is called stalled, in seconds.
pub const STALLED_SECONDS: u64 = 5;
/// A title's longest, in characters.
const MAX_TITLE: usize = 60;

/// A chat's number, unique while the window runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatKey(pub u64);

/// An answer on its way.
#[derive(Debug)]
pub struct Live {
    /// Which answer it is, and how what comes gets into the conversation.
    pub reading: Reading,
    /// What runs.
    pub job: Job,
    /// What it was doing at the last look.
    pub info: JobInfo,
    pub(super) reader: Reader,
}

/// What is there of a chat.
#[derive(Debug)]
pub enum Contents {
    /// Only its title: it is on disk.
    OnDisk,
    /// It is being read.
    Loading,
    /// It cannot be read; why.
    Unreadable(String),
    /// All of it.
    Here,
}

/// One chat.
#[derive(Debug)]
pub struct Chat {
    /// Its number.
    pub key: ChatKey,
    /// Its number in the history, once that is known.
    pub id: Option<ChatId>,
    /// Where its lines go, once there are some.
    pub(crate) written_to: Option<history::Chat>,
    /// Its first question, or what it was titled; may be empty.
    pub titled: String,
    /// When it was last written, in milliseconds since 1970.
    pub written_ms: i64,
    /// Whether it stays on top of the list.
    pub is_pinned: bool,
    /// Whether an answer ended that nobody has seen.
    pub is_unread: bool,
    /// What is there of it.
    pub contents: Contents,
    /// What was said.
    pub conversation: Conversation,
    /// The answers of its turns.
    pub answers: HashMap<AnswerId, Answer>,
    /// Answers on their way.
    pub live: Vec<Live>,
    /// The answers that somebody left to the relay; they are not resumed by themselves.
    pub left: HashSet<AnswerId>,
    /// What is being typed.
    pub draft: String,
    /// What goes with it.
    pub attached: Vec<Attachment>,
    /// The models that are asked beside the chat's own.
    pub compared: Vec<String>,
    /// The answer whose question is being changed, with its new words.
    pub editing: Option<(AnswerId, String)>,
    /// Another program has written to it since it was read.
    pub(crate) is_stale: bool,
    /// Lines that the history has not been given.
    pub(super) lines: String,
    /// Answers that were left to the relay, which the history was not told.
    pub(crate) leaving: Vec<AnswerId>,
}

impl Chat {
    /// A new chat.
    pub fn new(key: ChatKey, settings: Settings) -> Self {
        Self {
            key,
            id: None,
            written_to: None,
            titled: String::new(),
            written_ms: now_ms(),
            is_pinned: false,
            is_unread: false,
            contents: Contents::Here,
            conversation: Conversation::new(settings),
            answers: HashMap::new(),
            live: Vec::new(),
            left: HashSet::new(),
            draft: String::new(),
            attached: Vec::new(),
            compared: Vec::new(),
            editing: None,
            is_stale: false,
            lines: String::new(),
            leaving: Vec::new(),
        }
    }

    /// A chat of the history.
    pub fn on_disk(key: ChatKey, summary: Summary) -> Self {
        let mut chat = Self { contents: Contents::OnDisk, ..Self::new(key, Settings::default()) };
        chat.listed(summary);
        chat
    }

    /// The history says this of it.
    pub fn listed(&mut self, summary: Summary) {
        self.id = Some(summary.id);
        self.titled = beginning(&summary.title);
        (self.written_ms, self.is_pinned) = (summary.updated_ms, summary.is_pinned);
    }

    /// Whether nothing is lost when it is read from the history again.
    pub(crate) fn can_be_read_again(&self) -> bool {
        matches!(self.contents, Contents::Here)
            && self.live.is_empty()
            && self.lines.is_empty()
            && self.editing.is_none()
    }

    /// It is written to just now.
    pub(super) fn touch(&mut self) {
        self.written_ms = now_ms();
    }

    /// It was read.
    pub fn fill(&mut self, loaded: Loaded) {
        self.conversation = loaded.conversation;
        self.answers = loaded.answers;
        self.contents = Contents::Here;
        for answer in self.conversation.answers() {
            let Some(at) = answer.left_at_relay() else { continue };
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

    /// It was read from elsewhere: the history gets it.
    pub fn import(&mut self, loaded: Loaded) {
        self.fill(loaded);
        self.lines.extend(self.conversation.turns().iter().map(towline_app::chat::session::turn));
    }

    /// What it is called.
    pub fn title(&self) -> String {
        if self.titled.is_empty() { "New chat".to_owned() } else { self.titled.clone() }
    }

    /// Whether nothing was said in it yet.
    pub fn is_empty(&self) -> bool {
        self.conversation.turns().is_empty() && self.id.is_none()
    }

    /// What brings an answer that is on its way.
    pub fn live(&self, answer: AnswerId) -> Option<&Live> {
        self.live.iter().find(|live| live.reading.id() == answer)
    }

    /// Lines that wait for the disk, which takes them.
    pub fn take_lines(&mut self) -> Option<String> {
        (!self.lines.is_empty()).then(|| std::mem::take(&mut self.lines))
    }

    /// The settings changed.
    pub fn settings_changed(&mut self) {
        if !self.is_empty() {
            self.lines.push_str(&towline_app::chat::session::settings(&self.conversation.settings));
        }
    }

    pub(super) fn remember_first(&mut self, question: &Message) {
        if self.titled.is_empty() {
            self.titled = beginning(own_words(&question.content));
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
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
