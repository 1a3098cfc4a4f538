//! What a program that runs a relay is told by it, and what it is asked for.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::id::StreamId;

/// Is called with the id of each answer whose question the [`UserHistory`] was told, once it has begun, and of each answer that
/// has ended, once the log and the record of it say so. It must not block: the relay waits for it.
#[derive(Clone)]
pub struct OnAnswer(Arc<dyn Fn(&StreamId) + Send + Sync>);

impl OnAnswer {
    /// Calls this.
    pub fn new(call: impl Fn(&StreamId) + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    pub(crate) fn tell(&self, id: &StreamId) {
        (self.0)(id);
    }
}

impl fmt::Debug for OnAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnAnswer")
    }
}

/// The conversations that the relay's own user keeps beside the relay. The page lists and searches them; what it asks goes
/// into them, and what the relay is told to ask again.
///
/// The calls may wait for the disk: the relay makes them on a thread where that stops nobody.
pub trait UserHistory: fmt::Debug + Send + Sync {
    /// The conversations that have `text` anywhere, whatever its case, and all of them where it is empty; the last written first,
    /// at most `most`.
    ///
    /// # Errors
    /// In words for the user.
    fn list(&self, text: &str, most: usize) -> Result<Vec<PastConversation>, String>;

    /// What one conversation says; `None` where there is none of this id.
    ///
    /// # Errors
    /// In words for the user.
    fn read(&self, id: &str) -> Result<Option<PastTurns>, String>;

    /// Writes down a question of the page before it is sent, in the conversation of this id, where it continues one. Where that
    /// was, and the answer is recorded with it; `None` for a request that asks nothing.
    ///
    /// # Errors
    /// In words for the log. The question is sent all the same.
    fn ask(&self, conversation: Option<&str>, body: &[u8]) -> Result<Option<PlaceInHistory>, String>;

    /// Writes down that the answer that belongs there is asked for again, before it is. Where the new one belongs, which is
    /// recorded with it; `None` where there is no such answer.
    ///
    /// # Errors
    /// In words for the log. It is asked for all the same.
    fn ask_again(&self, place: &PlaceInHistory) -> Result<Option<PlaceInHistory>, String>;

    /// Takes a question back that was not sent after all, or the answer that was to be another one.
    ///
    /// # Errors
    /// In words for the log.
    fn take_back(&self, place: &PlaceInHistory) -> Result<(), String>;
}

/// Where in the history an answer belongs: its `Towline-Conversation` and `Towline-Turn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceInHistory {
    /// The conversation, as [`UserHistory::read`] knows it.
    pub conversation: String,
    /// The turn in it.
    pub turn: String,
}

/// A conversation of the history, in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastConversation {
    /// What [`UserHistory::read`] knows it by; the `Towline-Conversation` of its answers, where it is the same.
    pub id: String,
    /// The name that it is called by.
    pub name: String,
    /// Its first question, shortened.
    pub title: String,
    /// The model that was asked last.
    pub model: String,
    /// How many questions it has.
    pub turns: u64,
    /// When it was written to last, as in RFC 3339.
    pub updated_at: String,
    /// Words around what was searched for.
    pub around: Option<String>,
}

/// What a conversation of the history says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastTurns {
    /// Its first question, shortened.
    pub title: String,
    /// The questions and answers, in their order.
    pub turns: Vec<PastTurn>,
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastTurn {
    /// What was asked; empty where it is the question of the turn before, answered by another model.
    pub question: String,
    /// What the model thought.
    pub thinking: String,
    /// What it answered, in Markdown.
    pub text: String,
}
