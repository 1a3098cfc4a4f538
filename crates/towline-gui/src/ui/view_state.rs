//! The state that the views see, and the state that the window keeps for them between frames.

use std::collections::{BTreeMap, HashMap};

use towline_app::chat::{AnswerId, TurnId};
use towline_app::servers::ServerSpec;
use towline_app::settings::NamedServer;

use super::document::Layout;
use super::find::Find;
use super::scroll::Scroll;
use crate::catalog::Catalog;
use crate::chats::{Chat, ChatKey};
use crate::server::Server;

/// The context of the views of one chat.
#[derive(Debug, Clone, Copy)]
pub struct ChatView<'a> {
    /// The chat.
    pub chat: &'a Chat,
    /// The server's models.
    pub catalog: &'a Catalog,
    /// The server, and the servers that can be chosen.
    pub servers: Servers<'a>,
    /// The names of the templates.
    pub templates: &'a [String],
}

/// The server, and the servers that can replace it.
#[derive(Debug, Clone, Copy)]
pub struct Servers<'a> {
    /// The server.
    pub server: &'a Server,
    /// The servers in the configuration.
    pub named: Option<&'a BTreeMap<String, NamedServer>>,
    /// The choice; by default the usual server.
    pub chosen: &'a ServerSpec,
    /// Whether a relay of somebody else is used: it has its own servers, so none can be chosen.
    pub is_others: bool,
}

/// Heights and layouts of every answer that was drawn.
#[derive(Debug, Default)]
pub struct Layouts {
    /// Of answers and reasoning.
    pub documents: HashMap<(ChatKey, AnswerId, bool), Layout>,
    /// Heights of whole groups of turns, with their width.
    pub groups: HashMap<(ChatKey, TurnId), (f32, f32)>,
    /// The scroll position of each transcript.
    pub scrolls: HashMap<ChatKey, Scroll>,
    /// The visible height of the transcript, in points.
    pub page: f32,
    /// The first visible turn.
    pub first: Option<TurnId>,
    /// The search in the chat, while it is open.
    pub find: Option<Find>,
}

/// Text in the fields of dialogs.
#[derive(Debug, Default)]
pub struct Fields {
    /// The model to fetch.
    pub pull: String,
    /// The server to use.
    pub host: String,
    /// The chat's settings as they are typed.
    pub chat: Option<super::settings::Form>,
    /// The search text for models.
    pub models: String,
    /// A file's path.
    pub path: String,
}

/// A focus target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The composer.
    Composer,
    /// The search for chats.
    Search,
    /// The search in the chat.
    Find,
}
