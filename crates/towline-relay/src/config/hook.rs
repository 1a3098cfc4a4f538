//! Callbacks of a relay into the program that runs it.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::id::StreamId;

/// A callback with the id of an answer. The relay calls it when an answer starts whose question is in the
/// [`UserHistory`], and when an answer has ended, after its log and its record are complete. It must not
/// block, because the relay waits for it.
#[derive(Clone)]
pub struct OnAnswer(Arc<dyn Fn(&StreamId) + Send + Sync>);

impl OnAnswer {
    /// Calls this.
    pub fn new(call: impl Fn(&StreamId) + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    pub(crate) fn notify(&self, id: &StreamId) {
        (self.0)(id);
    }
}

impl fmt::Debug for OnAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnAnswer")
    }
}

/// The conversations of the relay's own user, which are stored outside the relay. The page lists and searches
/// them. Questions of the page, and retries on the relay, are added to them.
///
/// The methods may wait for the disk: the relay calls them on a thread where blocking is allowed.
pub trait UserHistory: fmt::Debug + Send + Sync {
    /// The conversations that contain `text` in any case, or all of them if it is empty; most recently
    /// changed first, at most `most`.
    ///
    /// # Errors
    /// In words for the user.
    fn list(&self, text: &str, most: usize) -> Result<Vec<PastConversation>, String>;

    /// The contents of one conversation; `None` if there is none with this id.
    ///
    /// # Errors
    /// In words for the user.
    fn read(&self, id: &str) -> Result<Option<PastTurns>, String>;

    /// Records a question of the page before it is sent, in the conversation with this id if it continues
    /// one. Returns its place, which is stored with the answer; `None` for a request without a question.
    ///
    /// # Errors
    /// A text for the log. The question is sent anyway.
    fn ask(&self, conversation: Option<&str>, body: &[u8]) -> Result<Option<PlaceInHistory>, String>;

    /// Records a retry of the answer at this place before it is sent. Returns the place of the new answer,
    /// which is stored with it; `None` if there is no such answer.
    ///
    /// # Errors
    /// A text for the log. The retry is sent anyway.
    fn record_retry(&self, place: &PlaceInHistory) -> Result<Option<PlaceInHistory>, String>;

    /// Removes a question that was not sent after all, or the new answer of a retry.
    ///
    /// # Errors
    /// In words for the log.
    fn withdraw(&self, place: &PlaceInHistory) -> Result<(), String>;
}

/// The place of an answer in the history: its `Towline-Conversation` and `Towline-Turn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceInHistory {
    /// The id of the conversation, for [`UserHistory::read`].
    pub conversation: String,
    /// The turn in it.
    pub turn: String,
}

/// A conversation of the history, in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastConversation {
    /// Its id, for [`UserHistory::read`]; also the `Towline-Conversation` of its answers, if that is the
    /// same.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its first question, shortened.
    pub title: String,
    /// The last model that was asked.
    pub model: String,
    /// Number of its questions.
    pub turns: u64,
    /// The time of its last change, in RFC 3339.
    pub updated_at: String,
    /// Words around the match of a search.
    pub around: Option<String>,
}

/// The contents of a conversation in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastTurns {
    /// Its first question, shortened.
    pub title: String,
    /// The questions and answers, in order.
    pub turns: Vec<PastTurn>,
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastTurn {
    /// The question; empty if it is the same as in the previous turn, answered by another model.
    pub question: String,
    /// The model's thinking.
    pub thinking: String,
    /// The answer, in Markdown.
    pub text: String,
}
