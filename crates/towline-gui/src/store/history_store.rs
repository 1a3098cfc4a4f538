//! The window's access to the history and to files.

use std::collections::HashSet;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use towline::relay::Job;
use towline_app::chat::session::SessionError;
use towline_app::chat::{export, files, session};
use towline_app::history::{ChatId, History, HistoryError, PendingChat, Summary, WriterId};

use crate::chats::Loaded;

/// Maximum number of listed chats; older ones stay in the history, where `towline history` finds them.
pub const MAX_LISTED: usize = 2_000;
/// Maximum size of an attachment, in bytes.
const MAX_ATTACHED_BYTES: u64 = 32 << 20;
/// How long an order waits for a chat that is about to be written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// The contents of the history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryList {
    /// The chats, pinned ones first, then by the last change, newest first.
    pub chats: Vec<Summary>,
    /// The answers whose rest is on a relay: their chats and relay ids.
    pub at_relay: Vec<(ChatId, String)>,
}

/// A chat of the history.
#[derive(Debug)]
pub enum ChatRef {
    /// It is in the history.
    Stored(ChatId),
    /// It is about to be written.
    Pending(PendingChat),
}

impl ChatRef {
    fn id(self) -> Result<ChatId, String> {
        match self {
            Self::Stored(id) => Ok(id),
            Self::Pending(written) => {
                written.wait(WRITE_TIMEOUT).ok_or_else(|| "the disk is slow".to_owned())
            }
        }
    }
}

/// The history in a folder.
#[derive(Debug)]
pub struct HistoryStore {
    folder: Option<PathBuf>,
    /// The window's writer id.
    writer: Option<WriterId>,
    history: Option<History>,
    edition: Option<i64>,
    listed: Option<HistoryList>,
}

impl HistoryStore {
    /// The history in `folder`, for a window that writes as `writer`; with `None` nothing is kept.
    pub fn new(folder: Option<PathBuf>, writer: Option<WriterId>) -> Self {
        Self { folder, writer, history: None, edition: None, listed: None }
    }

    fn history(&mut self) -> Result<Option<&mut History>, HistoryError> {
        let Some(folder) = &self.folder else { return Ok(None) };
        Ok(Some(match &mut self.history {
            Some(history) => history,
            none => none.insert(History::open(&path(folder))?),
        }))
    }

    /// Does something with the history; nothing where none is kept.
    fn with<T: Default>(
        &mut self,
        work: impl FnOnce(&mut History) -> Result<T, HistoryError>,
    ) -> Result<T, String> {
        let done = self.history().and_then(|history| history.map_or_else(|| Ok(T::default()), work));
        done.map_err(|error| error.to_string())
    }

    /// The chats, with session files of earlier versions among them, of which those of these names are pinned; and what could not
    /// be read.
    pub fn first_list(&mut self, pinned: &[String]) -> (HistoryList, Vec<String>) {
        let sessions = self.folder.as_ref().map(|folder| folder.join("sessions")).unwrap_or_default();
        let imported = self.with(|history| {
            let imported = history.import_folder(&sessions)?;
            pinned.iter().try_for_each(|name| history.pin_imported(&sessions, name))?;
            Ok(imported.complaints())
        });
        let complaints = imported.unwrap_or_else(|error| vec![format!("chats are not kept: {error}")]);
        (self.list().unwrap_or_default(), complaints)
    }

    /// The current contents of the history, if they differ from the last report.
    pub(super) fn changes(&mut self) -> Option<HistoryList> {
        self.listed.as_ref()?;
        let edition = self.history().ok()??.edition().ok()?;
        if self.edition == Some(edition) {
            return None;
        }
        let before = self.listed.clone();
        self.list().ok().filter(|listed| before.as_ref() != Some(listed))
    }

    fn list(&mut self) -> Result<HistoryList, HistoryError> {
        let Some(history) = self.history()? else { return Ok(HistoryList::default()) };
        let edition = history.edition()?;
        let listed = HistoryList { chats: history.list(MAX_LISTED)?, at_relay: history.detached_at_relay()? };
        self.edition = Some(edition);
        self.listed = Some(listed.clone());
        Ok(listed)
    }

    /// Reads a chat, and writes from now on what a relay has the rest of and nobody writes; but for what was `left`, by the relay's
    /// names.
    pub fn load(&mut self, id: ChatId, left: &[String]) -> Result<Box<Loaded>, String> {
        let writer = self.writer;
        let loaded = self.with(|history| {
            // Before it is read: the window continues only answers without a writer.
            let is_wanted = |relay: &str| left.iter().all(|left| left != relay);
            let taken =
                writer.map_or_else(|| Ok(Vec::new()), |writer| history.take_over(id, writer, is_wanted));
            Ok(Some(Box::new(Loaded { taken: taken?, ..*Loaded::of(history.load(id)?) })))
        });
        loaded?.ok_or_else(|| "chats are not kept".to_owned())
    }

    /// Records which answer one of a relay's jobs brings; what the history has then, if that was new.
    pub fn link(&mut self, job: &Job) -> Option<HistoryList> {
        // If it cannot be found now, the relay's process finds it when the answer has ended.
        let is_linked = self.with(|history| history.link(job)).unwrap_or(false);
        is_linked.then(|| self.list().ok()).flatten()
    }

    /// The chat that has the answer of one of a relay's jobs, by the relay's name.
    pub fn owner(&mut self, relay: &str) -> Result<Option<ChatId>, String> {
        self.with(|history| history.of_relay(relay))
    }

    /// Writes from now on an answer that was left to a relay, by the relay's name. Whether nobody else does.
    pub fn take_over(&mut self, chat: ChatRef, relay: &str) -> Result<bool, String> {
        let writer = self.writer.ok_or("chats are not kept")?;
        let taken = chat
            .id()
            .and_then(|id| self.with(|history| history.take_over(id, writer, |other| other == relay)));
        let taken = taken.map_err(|why| format!("the rest of the answer cannot be read: {why}"))?;
        Ok(!taken.is_empty())
    }

    /// Applies a change to a chat.
    pub fn change(
        &mut self,
        done: &str,
        chat: ChatRef,
        change: impl FnOnce(&mut History, ChatId) -> Result<(), HistoryError>,
    ) -> Result<(), String> {
        let changed = chat.id().and_then(|id| self.with(|history| change(history, id)));
        changed.map_err(|why| format!("the chat cannot be {done}: {why}"))
    }

    /// The chats that hold a text.
    pub fn search(&mut self, text: &str) -> Result<HashSet<ChatId>, String> {
        let found = self.with(|history| history.search(text, MAX_LISTED));
        let found = found.map_err(|error| format!("the chats cannot be searched: {error}"))?;
        Ok(found.into_iter().map(|found| found.chat.id).collect())
    }
}

/// The path of the history in a folder.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("history.db")
}

/// Reads a chat from a file.
pub fn import(path: &Path) -> Result<Box<Loaded>, String> {
    let unreadable = |error: String| format!("It cannot be read: {}: {error}", path.display());
    let text = files::read(path).map_err(|error| unreadable(error.to_string()))?;
    let read = match session::read(&text) {
        // An exported chat is JSON too.
        Err(SessionError::NoSession) => export::read_json(&text),
        read => read.map_err(|error| error.to_string()),
    };
    read.map(Loaded::of).map_err(unreadable)
}

/// Writes a file, whole or not at all.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder_made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder_made.and_then(|()| {
        let beside = path.with_extension("part");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&beside, path)
    });
    written.map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// Reads a file that goes with a question: its name and bytes.
pub fn attachment(path: &Path) -> Result<(String, Vec<u8>), String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if path.metadata().is_ok_and(|metadata| metadata.len() > MAX_ATTACHED_BYTES) {
        return Err(format!("{name} is larger than {} MiB", MAX_ATTACHED_BYTES >> 20));
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok((name, bytes)),
        Err(error) => Err(format!("{name} cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::State;
    use towline::{Ending, Event, Message, Outcome};
    use towline_app::chat::Conversation;
    use towline_app::history::{Limits, Writer};

    #[test]
    fn what_another_program_writes_is_news_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = HistoryStore::new(Some(folder.path().to_owned()), None);
        assert!(store.first_list(&[]).0.chats.is_empty());
        assert!(store.changes().is_none());
        let mut chat = Conversation::default();
        let id = chat.ask("m", Message::user("What is a Weir?"));
        let mut writer = Writer::start(&path(folder.path()), Limits::default()).unwrap();
        let written = writer.begin(None);
        writer.append(written, chat.turn(id.turn).map(session::question).unwrap_or_default());
        let id = writer.when_written(written).wait(WRITE_TIMEOUT).unwrap();
        let Some(listed) = store.changes() else { panic!("it is news") };
        assert_eq!((listed.chats[0].id, listed.chats[0].title.as_str()), (id, "What is a Weir?"));
        assert_eq!(listed.chats[0].writer, writer.writer_id());
        assert!(store.changes().is_none());
        for (text, found) in [("weir", 1), ("river", 0)] {
            assert_eq!(store.search(text).unwrap().len(), found, "{text}");
        }
        let chat = || ChatRef::Stored(id);
        store.change("renamed", chat(), |history, id| history.set_title(id, "Weirs")).unwrap();
        store.change("deleted", chat(), History::remove).unwrap();
        assert!(store.change("deleted", chat(), History::remove).is_err());
    }

    #[test]
    fn what_an_earlier_version_pinned_is_pinned() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = folder.path().join("sessions");
        std::fs::create_dir(&sessions).unwrap();
        for (name, question) in
            [("2026-11-20T10-00-00", "What is a weir?"), ("rivers", "Why do rivers bend?")]
        {
            let mut chat = Conversation::default();
            let id = chat.ask("m", Message::user(question));
            chat.receive(id, &Event::Text("So.".into()));
            chat.end(id, &Outcome::new(Ending::Completed(None)));
            let text = session::write(&chat, "2026-11-20T10:00:00Z");
            std::fs::write(sessions.join(format!("{name}.jsonl")), text).unwrap();
        }
        let state = folder.path().join("window.json");
        std::fs::write(&state, r#"{"pinned": ["2026-11-20T10-00-00", "gone", "../x"], "via_relay": true}"#)
            .unwrap();
        let state = State::read(&state);
        assert!(!state.text().contains("2026"), "it is told once");
        let mut store = HistoryStore::new(Some(folder.path().to_owned()), None);
        let (listed, _) = store.first_list(&state.pinned);
        let pinned: Vec<(&str, bool)> =
            listed.chats.iter().map(|chat| (chat.title.as_str(), chat.is_pinned)).collect();
        assert_eq!(pinned, [("What is a weir?", true), ("Why do rivers bend?", false)]);
    }

    #[test]
    fn the_window_resumes_answers_without_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let at = path(folder.path());
        let mut other = Writer::start(&at, Limits::default()).unwrap();
        let mut chat = Conversation::default();
        let answer = chat.ask("m", Message::user("What is a weir?"));
        let written = other.begin(None);
        let question = chat.turn(answer.turn).map(session::question).unwrap_or_default();
        other.append(written, question + &session::relay(answer, "r1"));
        let id = other.when_written(written).wait(WRITE_TIMEOUT).unwrap();
        let mine = Writer::start(&at, Limits::default()).unwrap();
        let mut store = HistoryStore::new(Some(folder.path().to_owned()), Some(mine.writer_id()));
        assert!(store.load(id, &[]).unwrap().taken.is_empty(), "the other program writes it");
        drop(other.finish(WRITE_TIMEOUT));
        assert!(store.load(id, &["r1".to_owned()]).unwrap().taken.is_empty(), "it was left on purpose");
        assert_eq!(store.load(id, &[]).unwrap().taken, ["r1"]);
    }
}
