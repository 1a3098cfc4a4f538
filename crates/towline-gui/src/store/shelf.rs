//! The window's access to the history and to files.

use std::collections::HashSet;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use towline::relay::Job;
use towline_app::chat::session::SessionError;
use towline_app::chat::{export, files, session};
use towline_app::history::{ChatId, History, HistoryError, Summary, WriterId, Written};
use towline_app::settings::templates;

use super::disk::{Order, Report};
use crate::chats::{ChatKey, Loaded};

/// Maximum number of listed chats; older ones stay in the history, where `towline history` finds them.
pub const MAX_LISTED: usize = 2_000;
/// Maximum size of an attachment, in bytes.
const MAX_ATTACHED_BYTES: u64 = 32 << 20;
/// How long an order waits for a chat that is about to be written.
const SOON: Duration = Duration::from_secs(5);

/// The contents of the history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// The chats, pinned ones first, then by the last change, newest first.
    pub chats: Vec<Summary>,
    /// The answers whose rest is on a relay: their chats and relay ids.
    pub at_relay: Vec<(ChatId, String)>,
}

/// A chat of the history.
#[derive(Debug)]
pub enum Which {
    /// It is there.
    There(ChatId),
    /// It is about to be written.
    Soon(Written),
}

impl Which {
    fn id(self) -> Result<ChatId, String> {
        match self {
            Self::There(id) => Ok(id),
            Self::Soon(written) => written.wait(SOON).ok_or_else(|| "the disk is slow".to_owned()),
        }
    }
}

/// The history in a folder.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: Option<PathBuf>,
    /// The window's writer id.
    writer: Option<WriterId>,
    history: Option<History>,
    edition: Option<i64>,
    listed: Option<Listed>,
}

impl Shelf {
    pub(super) fn new(folder: Option<PathBuf>, writer: Option<WriterId>) -> Self {
        Self { folder, writer, history: None, edition: None, listed: None }
    }

    pub(super) fn obey(&mut self, order: Order) -> Vec<Report> {
        match order {
            Order::List { pinned } => self.first_list(&pinned),
            Order::Load { key, id, left } => vec![Report::Loaded { key, result: self.load(id, &left) }],
            Order::TakeOver { key, which, relay } => self.take_over(key, which, relay),
            Order::Link(job) => self.link(&job),
            Order::FindOwner { relay } => {
                let chat =
                    self.history().and_then(|history| history.map_or(Ok(None), |own| own.of_relay(&relay)));
                vec![chat.map_or_else(
                    |error| Report::Failed(error.to_string()),
                    |chat| Report::Owner { relay, chat },
                )]
            }
            Order::Import { path } => vec![Report::Imported(import(&path))],
            Order::Title { which, title } => {
                self.change("renamed", which, |history, id| history.set_title(id, &title))
            }
            Order::Pin { which, is_pinned } => {
                self.change("pinned", which, |history, id| history.pin(id, is_pinned))
            }
            Order::Delete { which } => self.change("deleted", which, History::remove),
            Order::Search { text } => self.search(text),
            Order::Write { path, text, announce } => write(path, &text, announce),
            Order::Attach { key, paths } => attach(key, &paths),
            Order::ListTemplates { folder } => vec![Report::Templates(templates::names(&folder))],
            Order::Template { key, folder, name, input } => {
                let read = templates::read(&folder, &name).and_then(|template| {
                    let schema = template.schema_file().map(|file| templates::schema(&file)).transpose()?;
                    Ok(Report::Template { key, template: Box::new(template), schema, input })
                });
                vec![read.unwrap_or_else(Report::Failed)]
            }
        }
    }

    /// The history; `None` if there is none.
    fn history(&mut self) -> Result<Option<&mut History>, HistoryError> {
        let Some(folder) = &self.folder else { return Ok(None) };
        Ok(Some(match &mut self.history {
            Some(history) => history,
            none => none.insert(History::open(&path(folder))?),
        }))
    }

    /// The first list of chats, after the import of session files of earlier versions.
    fn first_list(&mut self, pinned: &[String]) -> Vec<Report> {
        let sessions = self.folder.as_ref().map(|folder| folder.join("sessions"));
        let taken = match (self.history(), sessions) {
            (Ok(Some(history)), Some(sessions)) => history.take_in(&sessions).and_then(|taken| {
                pinned.iter().try_for_each(|name| history.pin_taken_in(&sessions, name))?;
                Ok(taken.complaints())
            }),
            (Ok(_), _) => Ok(Vec::new()),
            (Err(error), _) => Err(error),
        };
        let mut reports: Vec<Report> = match taken {
            Ok(complaints) => complaints.into_iter().map(Report::Failed).collect(),
            Err(error) => vec![Report::Failed(format!("chats are not kept: {error}"))],
        };
        reports.push(Report::Listed(self.list().unwrap_or_default()));
        reports
    }

    /// The current contents of the history, if they differ from the last report.
    pub(super) fn news(&mut self) -> Option<Report> {
        self.listed.as_ref()?;
        let edition = self.history().ok()??.edition().ok()?;
        if self.edition == Some(edition) {
            return None;
        }
        let before = self.listed.clone();
        let listed = self.list().ok()?;
        (before.as_ref() != Some(&listed)).then_some(Report::Listed(listed))
    }

    fn list(&mut self) -> Result<Listed, HistoryError> {
        let Some(history) = self.history()? else { return Ok(Listed::default()) };
        let edition = history.edition()?;
        let listed = Listed { chats: history.list(MAX_LISTED)?, at_relay: history.left_at_relay()? };
        self.edition = Some(edition);
        self.listed = Some(listed.clone());
        Ok(listed)
    }

    fn load(&mut self, id: ChatId, left: &[String]) -> Result<Box<Loaded>, String> {
        let writer = self.writer;
        let history = self.history().map_err(|error| error.to_string())?.ok_or("chats are not kept")?;
        // Before it is read: the window continues only answers without a writer.
        let is_wanted = |relay: &str| left.iter().all(|left| left != relay);
        let taken = writer.map_or_else(|| Ok(Vec::new()), |writer| history.take_over(id, writer, is_wanted));
        let loaded = taken.and_then(|taken| Ok(Box::new(Loaded { taken, ..*Loaded::of(history.load(id)?) })));
        loaded.map_err(|error| error.to_string())
    }

    fn link(&mut self, job: &Job) -> Vec<Report> {
        let linked =
            self.history().and_then(|history| history.map_or(Ok(false), |history| history.link(job)));
        // If it cannot be found now, the relay's process finds it when the answer has ended.
        let listed = linked.unwrap_or(false).then(|| self.list().ok()).flatten();
        listed.map(Report::Listed).into_iter().collect()
    }

    fn take_over(&mut self, key: ChatKey, which: Which, relay: String) -> Vec<Report> {
        let Some(writer) = self.writer else { return Vec::new() };
        let taken = which.id().and_then(|id| {
            let history = self.history().map_err(|error| error.to_string())?.ok_or("chats are not kept")?;
            history.take_over(id, writer, |other| other == relay).map_err(|error| error.to_string())
        });
        match taken {
            Ok(taken) => vec![Report::TakenOver { key, relay, is_ours: !taken.is_empty() }],
            Err(why) => vec![Report::Failed(format!("the rest of the answer cannot be read: {why}"))],
        }
    }

    /// Applies a change to a chat.
    fn change(
        &mut self,
        done: &str,
        which: Which,
        change: impl FnOnce(&mut History, ChatId) -> Result<(), HistoryError>,
    ) -> Vec<Report> {
        let changed = which.id().and_then(|id| match self.history() {
            Ok(Some(history)) => change(history, id).map_err(|error| error.to_string()),
            Ok(None) => Ok(()),
            Err(error) => Err(error.to_string()),
        });
        let failed = changed.err().map(|why| Report::Failed(format!("the chat cannot be {done}: {why}")));
        failed.into_iter().collect()
    }

    fn search(&mut self, text: String) -> Vec<Report> {
        let found = match self.history() {
            Ok(Some(history)) => history.search(&text, MAX_LISTED),
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => {
                let ids: HashSet<ChatId> = found.iter().map(|found| found.chat.id).collect();
                vec![Report::Found { text, ids }]
            }
            Err(error) => vec![Report::Failed(format!("the chats cannot be searched: {error}"))],
        }
    }
}

/// The path of the history in a folder.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("history.db")
}

fn import(path: &Path) -> Result<Box<Loaded>, String> {
    let said = |error: String| format!("{}: {error}", path.display());
    let text = files::read(path).map_err(|error| said(error.to_string()))?;
    let read = match session::read(&text) {
        // An exported chat is JSON too.
        Err(SessionError::NoSession) => export::read_json(&text),
        read => read.map_err(|error| error.to_string()),
    };
    read.map(Loaded::of).map_err(said)
}

fn write(path: PathBuf, text: &str, announce: bool) -> Vec<Report> {
    let folder_made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder_made.and_then(|()| {
        let beside = path.with_extension("part");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&beside, &path)
    });
    match written {
        Ok(()) if announce => vec![Report::Written(path)],
        Ok(()) => Vec::new(),
        Err(error) => vec![Report::Failed(format!("{} cannot be written: {error}", path.display()))],
    }
}

fn attach(key: ChatKey, paths: &[PathBuf]) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let size = path.metadata().map(|metadata| metadata.len());
        match size {
            Ok(size) if size > MAX_ATTACHED_BYTES => {
                let limit = MAX_ATTACHED_BYTES >> 20;
                reports.push(Report::Failed(format!("{name} is larger than {limit} MiB")));
            }
            Ok(_) | Err(_) => match std::fs::read(path) {
                Ok(bytes) => files.push((name, bytes)),
                Err(error) => reports.push(Report::Failed(format!("{name} cannot be read: {error}"))),
            },
        }
    }
    reports.push(Report::Attached { key, files });
    reports
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
        let mut shelf = Shelf::new(Some(folder.path().to_owned()), None);
        assert!(
            matches!(&shelf.obey(Order::List { pinned: Vec::new() })[..], [Report::Listed(listed)] if listed.chats.is_empty())
        );
        assert!(shelf.news().is_none());
        let mut chat = Conversation::default();
        let id = chat.ask("m", Message::user("What is a Weir?"));
        let mut writer = Writer::start(&path(folder.path()), Limits::default()).unwrap();
        let written = writer.begin(None);
        writer.append(written, chat.turn(id.turn).map(session::question).unwrap_or_default());
        let id = writer.when_written(written).wait(SOON).unwrap();
        let Some(Report::Listed(listed)) = shelf.news() else { panic!("it is news") };
        assert_eq!((listed.chats[0].id, listed.chats[0].title.as_str()), (id, "What is a Weir?"));
        assert_eq!(listed.chats[0].writer, writer.writer_id());
        assert!(shelf.news().is_none());
        for (text, found) in [("weir", 1), ("river", 0)] {
            let reports = shelf.obey(Order::Search { text: text.into() });
            assert!(matches!(&reports[..], [Report::Found { ids, .. }] if ids.len() == found), "{reports:?}");
        }
        let which = || Which::There(id);
        assert!(shelf.obey(Order::Title { which: which(), title: "Weirs".into() }).is_empty());
        assert!(shelf.obey(Order::Delete { which: which() }).is_empty());
        assert!(matches!(&shelf.obey(Order::Delete { which: which() })[..], [Report::Failed(_)]));
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
        let mut shelf = Shelf::new(Some(folder.path().to_owned()), None);
        let reports = shelf.obey(Order::List { pinned: state.pinned });
        let [Report::Listed(listed)] = &reports[..] else { panic!("{reports:?}") };
        let pinned: Vec<(&str, bool)> =
            listed.chats.iter().map(|chat| (chat.title.as_str(), chat.is_pinned)).collect();
        assert_eq!(pinned, [("What is a weir?", true), ("Why do rivers bend?", false)]);
    }

    #[test]
    fn the_window_goes_on_with_what_nobody_writes_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let at = path(folder.path());
        let mut other = Writer::start(&at, Limits::default()).unwrap();
        let mut chat = Conversation::default();
        let answer = chat.ask("m", Message::user("What is a weir?"));
        let written = other.begin(None);
        let question = chat.turn(answer.turn).map(session::question).unwrap_or_default();
        other.append(written, question + &session::relay(answer, "r1"));
        let id = other.when_written(written).wait(SOON).unwrap();
        let mine = Writer::start(&at, Limits::default()).unwrap();
        let mut shelf = Shelf::new(Some(folder.path().to_owned()), Some(mine.writer_id()));
        assert!(shelf.load(id, &[]).unwrap().taken.is_empty(), "the other program writes it");
        drop(other.finish(SOON));
        assert!(shelf.load(id, &["r1".to_owned()]).unwrap().taken.is_empty(), "it was left on purpose");
        assert_eq!(shelf.load(id, &[]).unwrap().taken, ["r1"]);
    }
}
