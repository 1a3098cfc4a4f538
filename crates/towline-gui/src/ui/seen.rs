//! What the views see of the window, and what it keeps for them from frame to frame.

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

/// What the views of one chat see beside it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The chat.
    pub chat: &'a Chat,
    /// The server's models.
    pub catalog: &'a Catalog,
    /// The server, and those that can be chosen.
    pub servers: Servers<'a>,
    /// The names of the templates.
    pub templates: &'a [String],
}

/// The server, and those that can be chosen in its place.
#[derive(Debug, Clone, Copy)]
pub struct Servers<'a> {
    /// The server.
    pub server: &'a Server,
    /// Those that the configuration names.
    pub named: Option<&'a BTreeMap<String, NamedServer>>,
    /// What was chosen; by default the usual one.
    pub chosen: &'a ServerSpec,
    /// A relay that is not this user's own has servers of its own: none can be chosen.
    pub is_others: bool,
}

/// Heights and laid-out pieces of every answer that was drawn.
#[derive(Debug, Default)]
pub struct Layouts {
    /// Of answers and reasoning.
    pub documents: HashMap<(ChatKey, AnswerId, bool), Layout>,
    /// Heights of whole groups of turns, with the width they are for.
    pub groups: HashMap<(ChatKey, TurnId), (f32, f32)>,
    /// Where each transcript stands.
    pub scrolls: HashMap<ChatKey, Scroll>,
    /// How much of the transcript is seen, in points.
    pub page: f32,
    /// The first turn that is seen.
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
    /// What is looked for among the models.
    pub models: String,
    /// A file's path.
    pub path: String,
}

/// Where the cursor goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// Where questions are typed.
    Composer,
    /// Where chats are looked for.
    Search,
    /// Where the search in the chat is typed.
    Find,
}
