//! This prompt's part of the history: written as text arrives, by a thread that the prompt does not wait for.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use towline_app::chat::{AnswerId, Conversation, Settings, session};
use towline_app::history::{self, Chat, ChatId, History, HistoryError, InHistory, Limits, Writer, WriterId};

/// How long the disk may lag before a warning is shown.
const LAG: Duration = Duration::from_secs(2);
/// How long the end of the prompt, and tasks that need the conversation's number, wait for the disk.
const AT_MOST: Duration = Duration::from_secs(3);

/// The conversation that is being written.
#[derive(Debug, Default)]
pub struct Session {
    path: Option<PathBuf>,
    limits: Limits,
    writer: Option<Writer>,
    chat: Option<Chat>,
    /// Its number, if it existed before.
    id: Option<ChatId>,
    /// The name that the user gave it.
    name: Option<String>,
    /// Marks it as open for other prompts.
    open: Option<Open>,
    is_behind: bool,
}

impl Session {
    /// A conversation in the history at `path`. It is created with its first line; with `None` nothing is
    /// written.
    pub fn new(path: Option<PathBuf>, limits: Limits) -> Self {
        // If there is no thread now, there may be one when there is something to write.
        let writer = path.as_deref().and_then(|path| Writer::start(path, limits).ok());
        Self { path, limits, writer, ..Self::default() }
    }

    /// The path of the history, if anything is written.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether anything was written.
    pub fn has_begun(&self) -> bool {
        self.chat.is_some()
    }

    /// The id of this writer in the history.
    pub fn writer(&self) -> Option<WriterId> {
        self.writer.as_ref().map(Writer::writer_id)
    }

    /// The place of the conversation in the history.
    pub fn place(&self) -> Option<InHistory> {
        let writer = self.writer.as_ref()?;
        let id = self.id.or_else(|| writer.id(self.chat?));
        Some(id.map_or(InHistory::LastOf(writer.writer_id()), InHistory::Chat))
    }

    /// Writes the appended data now, without waiting for more.
    pub fn hurry(&self) {
        if let Some(writer) = &self.writer {
            writer.hurry();
        }
    }

    /// Leaves an answer to the relay that runs it: its rest is no longer written here.
    pub fn detach(&self, id: AnswerId) {
        if let (Some(writer), Some(chat)) = (&self.writer, self.chat) {
            writer.detach(chat, id);
        }
    }

    /// The conversation's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Writes lines; the settings go before the first ones. Never waits. Returns the first disk error, in
    /// words.
    pub fn append(&mut self, lines: &str, settings: &Settings) -> Option<String> {
        let path = self.path.as_deref()?;
        if self.writer.is_none() {
            match Writer::start(path, self.limits) {
                Ok(writer) => self.writer = Some(writer),
                Err(error) => return self.complain(error.to_string()),
            }
        }
        let writer = self.writer.as_mut()?;
        let chat = match self.chat {
            Some(chat) => {
                writer.append(chat, lines.to_owned());
                chat
            }
            None => {
                let chat = writer.begin(self.name.as_deref());
                writer.append(chat, session::settings(settings) + lines);
                *self.chat.insert(chat)
            }
        };
        if self.open.is_none()
            && let Some(id) = writer.id(chat)
        {
            // It began here, so no other program can have it open.
            self.open = Open::mark(path, id).ok();
        }
        let (since, trouble) = writer.lag()?;
        let why = trouble.or_else(|| (since > LAG).then(|| "the disk is slow".to_owned()))?;
        self.complain(why)
    }

    fn complain(&mut self, why: String) -> Option<String> {
        let is_new = !std::mem::replace(&mut self.is_behind, true);
        is_new.then(|| format!("the history is behind: {why}. The missing text is written later"))
    }

    /// Names the conversation. If it has begun, returns the remaining work, which waits for the disk.
    pub fn rename(
        &mut self,
        name: &str,
    ) -> Result<Option<impl FnOnce() -> Result<(), HistoryError> + Send + use<>>, HistoryError> {
        if !history::is_name(name) {
            return Err(HistoryError::BadName(name.to_owned()));
        }
        self.name = Some(name.to_owned());
        let (Some(writer), Some(chat), Some(path)) = (&self.writer, self.chat, self.path.clone()) else {
            return Ok(None);
        };
        let (written, name) = (writer.when_written(chat), name.to_owned());
        Ok(Some(move || match written.wait(AT_MOST) {
            Some(chat) => History::open(&path)?.rename(chat, &name),
            None => Err(HistoryError::Record("the disk is slow".to_owned())),
        }))
    }

    /// Continues an opened conversation.
    pub fn adopt(&mut self, opened: Opened) -> Conversation {
        let Opened { id, name, conversation, open, .. } = opened;
        self.chat = self.writer.as_mut().map(|writer| writer.resume(id));
        (self.id, self.name, self.open) = (Some(id), Some(name), Some(open));
        *conversation
    }

    /// Waits briefly for the disk. Returns a message about unwritten data, unless that was already reported.
    pub fn finish(&mut self) -> Option<String> {
        let why = self.writer.take()?.finish(AT_MOST).err()?;
        (!self.is_behind).then(|| format!("a part of this conversation is not in the history: {why}"))
    }
}

/// A conversation that was read in order to continue it.
#[derive(Debug)]
pub struct Opened {
    id: ChatId,
    pub name: String,
    /// The relay's ids of the unfinished answers that are written here from now on.
    pub left: Vec<String>,
    pub conversation: Box<Conversation>,
    open: Open,
}

/// Reads the conversation with this name. Then `writer` owns its unfinished answers, unless another program does.
/// Waits for the disk.
pub fn open(path: &Path, name: &str, writer: Option<WriterId>) -> Result<Opened, String> {
    let mut history = History::open(path).map_err(|error| error.to_string())?;
    let message = |error: HistoryError| match error {
        HistoryError::Missing(name) => format!("there is no conversation {name}; :history lists them"),
        error @ (HistoryError::Ambiguous(..)
        | HistoryError::BadName(_)
        | HistoryError::Taken(_)
        | HistoryError::Session(_)
        | HistoryError::Record(_)
        | HistoryError::Database(_)
        | HistoryError::Io(_)) => error.to_string(),
    };
    let id = history.find(name).map_err(message)?;
    let open = Open::mark(path, id).map_err(|why| format!("{name}: {why}"))?;
    let left = writer.map(|writer| history.take_over(id, writer, |_| true)).transpose().map_err(message)?;
    let conversation = Box::new(history.load(id).map_err(message)?);
    let name = history.summary(id).map_err(message)?.name;
    Ok(Opened { id, name, left: left.unwrap_or_default(), conversation, open })
}

/// A file that is locked while a prompt has a conversation open, since two prompts would not see each other's
/// turns.
#[derive(Debug)]
struct Open {
    path: PathBuf,
    _file: File,
}

impl Open {
    fn mark(history: &Path, id: ChatId) -> Result<Self, String> {
        let folder = history.with_extension("open");
        let path = folder.join(id.0.to_string());
        let made = std::fs::create_dir_all(&folder).and_then(|()| File::create(&path));
        let file = made.map_err(|error| format!("{}: {error}", path.display()))?;
        match file.try_lock() {
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => Ok(Self { path, _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err("it is open in another prompt".to_owned()),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // A leftover file is not locked, so it blocks no program.
        drop(std::fs::remove_file(&self.path));
    }
}
