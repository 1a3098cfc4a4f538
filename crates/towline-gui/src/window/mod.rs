//! The window: owns the chats, the engine's handle and the view state, and connects them.
//!
//! | file | its one job |
//! |---|---|
//! | `act` | does what was asked for |
//! | `aim` | the server that is meant, and where answers run |
//! | `inbox` | what other threads have done |
//! | `update` | takes what has come since the last frame |
//! | `listed` | the list of chats: opening, finding, renaming, deleting |
//! | `jobs` | the jobs, as they are shown |
//! | `notices` | what it says for a while |
//! | `record` | what it writes to the history |
//! | `relay` | what the window has of a relay |
//! | `draw` | the frame: panels, dialogs |
//! | `waker` | one wake-up per frame |

mod act;
mod aim;
mod draw;
mod inbox;
mod jobs;
mod listed;
mod notices;
mod record;
mod relay;
mod update;
mod waker;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use towline::Engine;
use towline::engine::JobId;
use towline_app::history::{ChatId, Limits, Writer};

use aim::ServerTarget;
pub use aim::Target;
use inbox::Inbox;
use notices::Notices;
use record::Record;
pub use waker::Counts;

use crate::catalog::Catalog;
use crate::chats::{Chat, ChatKey};
use crate::command::Dialog;
use crate::relay::Relay;
use crate::server::{Builtin, Server};
use crate::store::{self, Disk, HistoryStore, State, Theme};
use crate::ui::theme;
use crate::ui::view_state::{Fields, Focus, Layouts};

/// How long the window waits for the disk when it closes.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// A file dialog, which the desktop shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileDialog {
    /// Files to read.
    Open,
    /// A session to read.
    OpenSession,
    /// A file to write, with a suggested name.
    Save(String),
}

/// Asks for files; returns the reason if it cannot, for people.
pub type ChooseFiles = dyn Fn(FileDialog) -> Result<Vec<PathBuf>, String> + Send + Sync;
/// Shows a notification, waits until it closes, and returns whether it was clicked.
pub type Notify = dyn Fn(&str, &str) -> bool + Send + Sync;

/// The desktop's services. Each may block, and is called on its own thread.
#[derive(Clone)]
pub struct Desktop {
    /// Asks for files; empty if the user chose none.
    pub files: Arc<ChooseFiles>,
    /// Shows a notification: its title and text.
    pub notify: Arc<Notify>,
}

impl std::fmt::Debug for Desktop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desktop")
    }
}

/// The initial settings of a window.
#[derive(Debug)]
pub struct Setup {
    /// What runs the streams.
    pub engine: Engine,
    /// The server, and where answers run.
    pub target: Target,
    /// The folder of the history and of the window's state; `None` stores nothing.
    pub folder: Option<PathBuf>,
    /// The limits of the history; `None` uses no history.
    pub history: Option<Limits>,
    /// The stored state of an earlier window.
    pub state: State,
    /// The surroundings.
    pub desktop: Desktop,
    /// The folder of the user's templates, if there is one.
    pub templates: Option<PathBuf>,
}

/// The window's state.
#[derive(Debug)]
pub struct Window {
    /// What runs the streams.
    pub engine: Engine,
    /// The server.
    pub server: Server,
    /// The relay, if there is one.
    pub relay: Option<Relay>,
    /// Its models.
    pub catalog: Catalog,
    /// The chats, in no order.
    pub chats: Vec<Chat>,
    /// The chat that is shown.
    pub current: ChatKey,
    /// The stored state of the window.
    pub state: State,
    /// The open dialog.
    pub dialog: Dialog,
    /// The search text for chats.
    pub search: String,
    /// The chats that match it.
    pub found: Option<HashSet<ChatId>>,
    /// The chat and the answer of each job.
    pub owners: HashMap<JobId, ChatKey>,
    /// Text in the fields of dialogs.
    pub fields: Fields,
    /// The focus target of the next frame.
    pub focus: Option<Focus>,
    /// Counts of frames and wake-ups.
    pub counts: Arc<Counts>,
    /// Whether the window has the keyboard.
    pub is_focused: bool,
    aim: ServerTarget,
    notices: Notices,
    record: Record,
    /// Whether the user has confirmed closing it although answers run in it.
    is_closing: bool,
    /// Earlier built-in models, which may still serve answers.
    former: Vec<Builtin>,
    /// The chat whose draft is sent once there is a server.
    to_send: Option<ChatKey>,
    /// Whether to resume answers once the relay answers.
    rejoins: bool,
    /// Whether the window is too narrow for both the list of chats and the chat, so that one of them is
    /// shown.
    is_narrow: bool,
    /// Whether a narrow window shows the list.
    shows_narrow_chats: bool,
    /// The window is too low for the jobs below the chat: they stand in its place.
    is_low: bool,
    /// The end of an answer that screen readers say.
    announced: String,
    /// The last size of the dialog.
    dialog_size: egui::Vec2,
    layouts: Layouts,
    /// The folder of the templates, and their names in the last list.
    templates_folder: Option<PathBuf>,
    templates: Vec<String>,
    desktop: Desktop,
    disk: Disk,
    inbox: (Inbox, Receiver<inbox::WindowTask>),
    /// The answers whose rest is on a relay, according to the history: relay ids and chats.
    at_relay: BTreeMap<String, ChatId>,
    state_path: Option<PathBuf>,
    saved: State,
    next_key: u64,
    context: egui::Context,
    is_listed: bool,
}

impl Window {
    /// A window on an engine. Requests frames from `context`.
    ///
    /// # Errors
    /// If the operating system cannot start a thread.
    pub fn new(context: &egui::Context, setup: Setup) -> Result<Self, String> {
        theme::apply(context);
        let counts = Arc::new(Counts::default());
        waker::install(&setup.engine, context, &counts)?;
        let state_path = setup.folder.as_deref().map(State::path);
        let folder = setup.folder.filter(|_| setup.history.is_some());
        let history = folder.as_deref().map(store::path).zip(setup.history);
        let writer = history.map(|(path, limits)| Writer::start(&path, limits)).transpose();
        let writer = writer.map_err(|error| error.to_string())?;
        let store = HistoryStore::new(folder, writer.as_ref().map(Writer::writer_id));
        let inbox = Inbox::new(context);
        let news = inbox.0.clone();
        let disk = Disk::start(store, move |listed| news.post(|window| window.listed_by_disk(listed)))
            .map_err(|error| format!("a thread cannot be started: {error}"))?;
        let aim = ServerTarget::at(setup.target);
        let (relay, server) = (aim.relay(context), aim.find(&setup.engine));
        let mut window = Self {
            engine: setup.engine,
            server,
            relay,
            catalog: Catalog::default(),
            chats: Vec::new(),
            current: ChatKey(0),
            dialog: Dialog::None,
            search: String::new(),
            found: None,
            owners: HashMap::new(),
            fields: Fields::default(),
            focus: Some(Focus::Composer),
            counts,
            is_focused: true,
            aim,
            notices: Notices::default(),
            record: Record::by(writer),
            is_closing: false,
            former: Vec::new(),
            to_send: None,
            rejoins: true,
            is_narrow: false,
            shows_narrow_chats: false,
            is_low: false,
            announced: String::new(),
            dialog_size: egui::Vec2::ZERO,
            layouts: Layouts::default(),
            templates_folder: setup.templates,
            templates: Vec::new(),
            desktop: setup.desktop,
            disk,
            inbox,
            at_relay: BTreeMap::new(),
            state_path,
            saved: setup.state.clone(),
            state: setup.state,
            next_key: 0,
            context: context.clone(),
            is_listed: false,
        };
        window.apply_look();
        let pinned = std::mem::take(&mut window.state.pinned);
        window.on_disk(
            move |store| Ok(store.first_list(&pinned)),
            |window, (listed, complaints)| {
                complaints.into_iter().for_each(|complaint| window.show_notice(complaint, None));
                window.listed_by_disk(listed);
            },
        );
        window.new_chat();
        window.found_server();
        Ok(window)
    }

    fn apply_look(&self) {
        let preference = match self.state.theme {
            Theme::System => egui::ThemePreference::System,
            Theme::Dark => egui::ThemePreference::Dark,
            Theme::Light => egui::ThemePreference::Light,
        };
        self.context.set_theme(preference);
        self.context.set_zoom_factor(self.state.zoom);
    }

    fn found_server(&mut self) {
        let Server::Connected(found) = &self.server else { return };
        let why_here = found.why_here.clone();
        self.catalog.refresh(&self.engine, &found.client);
        if let Some(why) = why_here {
            self.show_notice(format!("Answers run in this window, and end with it: {why}"), None);
        }
        if let Some(relay) = self.relay.as_ref().filter(|_| self.server.is_on_relay()) {
            relay.check_now();
        }
        if self.server.is_builtin() {
            let model = crate::server::BUILTIN_MODEL;
            if let Some(chat) = self.chat_mut(self.current).filter(|chat| chat.is_empty()) {
                model.clone_into(&mut chat.conversation.settings.model);
            }
        }
    }

    /// The chat that is shown.
    pub fn chat(&self) -> Option<&Chat> {
        self.chat_of(self.current)
    }

    fn chat_of(&self, key: ChatKey) -> Option<&Chat> {
        self.chats.iter().find(|chat| chat.key == key)
    }

    fn chat_mut(&mut self, key: ChatKey) -> Option<&mut Chat> {
        self.chats.iter_mut().find(|chat| chat.key == key)
    }

    fn key(&mut self) -> ChatKey {
        self.next_key += 1;
        ChatKey(self.next_key)
    }

    /// Writes outstanding records and completes deletions. For the end of the window; waits for the disk.
    pub fn finish(&mut self) {
        self.drain();
        self.detach_running();
        self.stop_here();
        self.hand_over();
        for key in std::mem::take(&mut self.notices.deleted) {
            self.delete_for_good(key);
        }
        self.save_state();
        if let Some(writer) = self.record.writer.take() {
            // There is no window left to report an error.
            drop(writer.finish(LAST_WRITE));
        }
        // Nothing is taken any more of what other threads do.
        self.inbox = Inbox::new(&self.context);
        self.disk.finish();
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.finish();
    }
}
