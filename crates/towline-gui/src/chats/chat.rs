//! One chat: what was said, its answers, what is being typed.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use towline::engine::{JobInfo, Reader};
use towline::{Job, Message};
use towline_app::chat::{Conversation, Held, Settings, Turn, TurnId};

use super::{Answer, Attachment, Note};
use crate::store::{Entry, Loaded};

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
    /// The turn it answers.
    pub turn: TurnId,
    /// What runs.
    pub job: Job,
    /// What it was doing at the last look.
    pub info: JobInfo,
    pub(super) reader: Reader,
    /// What of the stream the turn has already.
    pub(super) known: Held,
    /// The relay's name for it stands in the chat's file.
    pub(super) is_noted: bool,
    /// It is left to the relay: its end here is not the answer's.
    pub(super) is_left: bool,
}

/// What is there of a chat.
#[derive(Debug)]
pub enum Contents {
    /// Only its name: it is on disk.
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
    /// Its file's name, once there is one.
    pub name: Option<String>,
    /// Whether somebody gave it that name.
    pub is_named: bool,
    /// Its first question.
    pub first: String,
    /// When it was last written.
    pub written: SystemTime,
    /// Whether it stays on top of the list.
    pub is_pinned: bool,
    /// Whether an answer ended that nobody has seen.
    pub is_unread: bool,
    /// What is there of it.
    pub contents: Contents,
    /// What was said.
    pub conversation: Conversation,
    /// The answers of its turns.
    pub answers: HashMap<TurnId, Answer>,
    /// Answers on their way.
    pub live: Vec<Live>,
    /// The turns whose answers somebody left to the relay; they are not read on by themselves.
    pub left: HashSet<TurnId>,
    /// What is being typed.
    pub draft: String,
    /// What goes with it.
    pub attached: Vec<Attachment>,
    /// The models that are asked beside the chat's own.
    pub compared: Vec<String>,
    /// The turn whose question is being changed, with its new words.
    pub editing: Option<(TurnId, String)>,
    /// Lines for the file that the disk has not been given.
    pub(super) lines: String,
}

impl Chat {
    /// A new chat.
    pub fn new(key: ChatKey, settings: Settings) -> Self {
        Self {
            key,
            name: None,
            is_named: false,
            first: String::new(),
            written: SystemTime::now(),
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
            lines: String::new(),
        }
    }

    /// A chat that is on disk.
    pub fn on_disk(key: ChatKey, entry: Entry, is_pinned: bool) -> Self {
        Self {
            is_named: !is_made_up(&entry.name),
            name: Some(entry.name),
            first: entry.first,
            written: entry.written,
            is_pinned,
            contents: Contents::OnDisk,
            ..Self::new(key, Settings::default())
        }
    }

    /// It was read.
    pub fn fill(&mut self, loaded: Loaded) {
        self.conversation = loaded.conversation;
        self.answers = loaded.answers;
        self.contents = Contents::Here;
        for turn in self.conversation.turns().iter().filter(|turn| turn.left_at_relay().is_some()) {
            self.answers.entry(turn.id).or_default().note = Some(Note::at_relay());
        }
        if let Some(turn) = self.conversation.turns().first() {
            self.first = beginning(&turn.question.content);
        }
    }

    /// It was read from elsewhere: it gets a file of its own.
    pub fn import(&mut self, loaded: Loaded) {
        self.fill(loaded);
        self.lines.extend(self.conversation.turns().iter().map(towline_app::chat::session::turn));
    }

    /// What it is called: its name, else the beginning of its first question.
    pub fn title(&self) -> String {
        match (&self.name, self.is_named) {
            (Some(name), true) => name.clone(),
            (Some(_) | None, _) if !self.first.is_empty() => beginning(&self.first),
            (Some(name), false) => name.clone(),
            (None, _) => "New chat".to_owned(),
        }
    }

    /// Whether nothing was said in it yet.
    pub fn is_empty(&self) -> bool {
        self.conversation.turns().is_empty() && self.name.is_none()
    }

    /// The answer on its way to a turn.
    pub fn live(&self, turn: TurnId) -> Option<&Live> {
        self.live.iter().find(|live| live.turn == turn)
    }

    /// The turns in groups that stand side by side: one after the other with the same question to different models.
    pub fn groups(&self) -> Vec<&[Turn]> {
        let same = |one: &Turn, other: &Turn| one.question == other.question && one.model != other.model;
        self.conversation.turns().chunk_by(same).collect()
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
        if self.first.is_empty() {
            self.first = beginning(&question.content);
        }
    }
}

/// Whether a file's name is the time that a chat without a name gets.
fn is_made_up(name: &str) -> bool {
    name.len() >= 19 && name.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'T'))
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
    fn a_title_is_the_name_or_the_first_question() {
        let entry = |name: &str, first: &str| Entry {
            name: name.into(),
            first: first.into(),
            written: SystemTime::UNIX_EPOCH,
        };
        let title = |entry| Chat::on_disk(ChatKey(1), entry, false).title();
        assert_eq!(title(entry("rivers", "q")), "rivers");
        assert_eq!(title(entry("2026-11-21T01-02-03-2", "\n what is a weir?\nmore")), "what is a weir?");
        assert_eq!(title(entry("2026-11-21T01-02-03", "")), "2026-11-21T01-02-03");
        assert_eq!(Chat::new(ChatKey(1), Settings::default()).title(), "New chat");
    }

    #[test]
    fn the_same_question_to_several_models_stands_side_by_side() {
        let mut chat = Chat::new(ChatKey(1), Settings::default());
        for (model, question) in [("a", "1"), ("a", "2"), ("b", "2"), ("b", "2"), ("a", "3")] {
            chat.conversation.ask(model, Message::user(question));
        }
        let sizes: Vec<usize> = chat.groups().iter().map(|group| group.len()).collect();
        assert_eq!(sizes, [1, 2, 1, 1]);
    }
}
