//! The window: owns the chats, the engine's handle and the view state, and connects them.
//!
//! | file | its one job |
//! |---|---|
//! | `act` | executes commands |
//! | `look` | reads the changes since the last frame |
//! | `listed` | the list of chats: open, search, rename, delete |
//! | `jobs` | the jobs for display |
//! | `relay` | the window's part of a relay |
//! | `draw` | the frame: panels, dialogs |
//! | `waker` | one wake-up per frame |

mod act;
mod draw;
mod jobs;
mod listed;
mod look;
mod relay;
mod waker;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use towline::engine::JobId;
use towline::{Client, Engine};
use towline_app::chat::AnswerId;
use towline_app::history::{ChatId, Limits, Writer};
use towline_app::servers::{ServerSpec, Wanted};

pub use waker::Counts;

use crate::catalog::Catalog;
use crate::chats::{Chat, ChatKey};
use crate::command::{Dialog, Purpose};
use crate::relay::Relay;
use crate::server::{Builtin, Found, Server, Sought};
use crate::store::{self, Disk, Order, State, Theme};
use crate::ui::seen::{Fields, Focus, Layouts, Servers};
use crate::ui::theme;
use crate::ui::toasts::{Toast, Undo};

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
/// Chosen files, and their purpose.
type Chosen = (Purpose, Result<Vec<PathBuf>, String>);

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

/// Which server the window uses.
#[derive(Debug, Clone)]
pub enum Target {
    /// This one.
    Client(Client),
    /// It is looked for.
    Find(Box<Sought>),
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
    /// Notices.
    pub toasts: Vec<Toast>,
    /// The deleted chats whose deletion can still be undone.
    pub deleted: HashSet<ChatKey>,
    /// The chat and the answer of each job.
    pub owners: HashMap<JobId, (ChatKey, AnswerId)>,
    /// Text in the fields of dialogs.
    pub fields: Fields,
    /// The focus target of the next frame.
    pub focus: Option<Focus>,
    /// Counts of frames and wake-ups.
    pub counts: Arc<Counts>,
    /// Whether the window has the keyboard.
    pub is_focused: bool,
    /// The chosen server, and where answers run.
    target: Target,
    /// The server that the user named in the window; by default the usual one.
    named: ServerSpec,
    /// Whether answers should run in the window in any case; the server says where they actually run.
    pub(crate) is_direct: bool,
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
    /// The last size of the dialog.
    dialog_size: egui::Vec2,
    layouts: Layouts,
    /// The folder of the templates, and their names in the last list.
    templates_folder: Option<PathBuf>,
    templates: Vec<String>,
    desktop: Desktop,
    disk: Disk,
    writer: Option<Writer>,
    /// The answers whose rest is on a relay, according to the history: relay ids and chats.
    at_relay: BTreeMap<String, ChatId>,
    /// Whether the next records are written without waiting for more.
    is_urgent: bool,
    /// Whether the disk lags and the user was told.
    is_behind: bool,
    state_path: Option<PathBuf>,
    saved: State,
    chosen: (SyncSender<Chosen>, Receiver<Chosen>),
    /// Chats whose notification was clicked.
    clicked: (SyncSender<ChatKey>, Receiver<ChatKey>),
    next_key: u64,
    next_toast: u64,
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
        let wake = context.clone();
        let state_path = setup.folder.as_deref().map(State::path);
        let folder = setup.folder.filter(|_| setup.history.is_some());
        let history = folder.as_deref().map(store::path).zip(setup.history);
        let writer = history.map(|(path, limits)| Writer::start(&path, limits)).transpose();
        let writer = writer.map_err(|error| error.to_string())?;
        let writes_as = writer.as_ref().map(Writer::writer_id);
        let disk = Disk::start(folder, writes_as, move || wake.request_repaint())
            .map_err(|error| format!("a thread cannot be started: {error}"))?;
        let relay = relay::meet(context, &setup.target);
        let is_direct = match &setup.target {
            Target::Find(sought) => sought.wanted == Wanted::Here,
            Target::Client(_) => true,
        };
        let server = find_server(&setup.engine, &setup.target, &ServerSpec::default(), is_direct);
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
            toasts: Vec::new(),
            deleted: HashSet::new(),
            owners: HashMap::new(),
            fields: Fields::default(),
            focus: Some(Focus::Composer),
            counts,
            is_focused: true,
            target: setup.target,
            named: ServerSpec::default(),
            is_direct,
            is_closing: false,
            former: Vec::new(),
            to_send: None,
            rejoins: true,
            is_narrow: false,
            shows_narrow_chats: false,
            dialog_size: egui::Vec2::ZERO,
            layouts: Layouts::default(),
            templates_folder: setup.templates,
            templates: Vec::new(),
            desktop: setup.desktop,
            disk,
            writer,
            at_relay: BTreeMap::new(),
            is_urgent: false,
            is_behind: false,
            state_path,
            saved: setup.state.clone(),
            state: setup.state,
            chosen: sync_channel(8),
            clicked: sync_channel(8),
            next_key: 0,
            next_toast: 0,
            context: context.clone(),
            is_listed: false,
        };
        window.apply_look();
        let pinned = std::mem::take(&mut window.state.pinned);
        window.disk.order(Order::List { pinned });
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
        let Server::Here(found) = &self.server else { return };
        let why_here = found.why_here.clone();
        self.catalog.refresh(&self.engine, &found.client);
        if let Some(why) = why_here {
            self.say(format!("Answers run in this window, and end with it: {why}"), None);
        }
        if let Some(relay) = self.relay.as_ref().filter(|_| self.server.is_on_relay()) {
            relay.look_again();
        }
        if self.server.is_builtin() {
            let model = crate::server::BUILTIN_MODEL;
            if let Some(chat) = self.chat_mut(self.current).filter(|chat| chat.is_empty()) {
                model.clone_into(&mut chat.conversation.settings.model);
            }
        }
    }

    /// The servers that can be chosen.
    fn servers(&self) -> Servers<'_> {
        let named = match &self.target {
            Target::Find(sought) => Some(&sought.environment.servers),
            Target::Client(_) => None,
        };
        let is_others = self.server.is_on_relay() && !self.relay.as_ref().is_some_and(Relay::is_own);
        Servers { server: &self.server, named, chosen: &self.named, is_others }
    }

    /// The chat that is shown.
    pub fn chat(&self) -> Option<&Chat> {
        self.chats.iter().find(|chat| chat.key == self.current)
    }

    fn chat_mut(&mut self, key: ChatKey) -> Option<&mut Chat> {
        self.chats.iter_mut().find(|chat| chat.key == key)
    }

    fn key(&mut self) -> ChatKey {
        self.next_key += 1;
        ChatKey(self.next_key)
    }

    /// Shows a notice for a while.
    pub fn say(&mut self, text: impl Into<String>, undo: Option<Undo>) {
        self.next_toast += 1;
        let time = if undo.is_some() { look::UNDO_TIME } else { look::TOAST_TIME };
        self.toasts.push(Toast {
            id: self.next_toast,
            text: text.into(),
            undo,
            until: Instant::now() + time,
        });
    }

    /// Writes outstanding records and completes deletions. For the end of the window; waits for the disk.
    pub fn finish(&mut self) {
        self.drain();
        self.leave_to_relay();
        self.stop_here();
        self.hand_over();
        for key in std::mem::take(&mut self.deleted) {
            self.delete_for_good(key);
        }
        self.save_state();
        if let Some(writer) = self.writer.take() {
            // There is no window left to report an error.
            drop(writer.finish(LAST_WRITE));
        }
        self.disk.finish();
    }
}

/// The chosen server, which may require a search.
fn find_server(engine: &Engine, target: &Target, named: &ServerSpec, is_direct: bool) -> Server {
    match target {
        Target::Client(client) => Server::Here(Box::new(Found::direct(client.clone()))),
        Target::Find(sought) => {
            let mut sought = sought.as_ref().clone();
            if *named != ServerSpec::default() {
                sought.spec = named.clone();
                // A key belongs to the server for which it was given; no other server receives it.
                sought.environment.api_key = None;
            }
            sought.wanted = match is_direct {
                true => Wanted::Here,
                false => sought.wanted.on_relay(&sought.configured, &sought.environment),
            };
            if let Wanted::At(_) = sought.wanted {
                // Another relay chooses among its own servers, and refuses other addresses.
                sought.spec = ServerSpec::default();
            }
            Server::find(sought, engine)
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.finish();
    }
}
