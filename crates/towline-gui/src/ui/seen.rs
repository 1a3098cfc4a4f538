//! What the views see of the window, and what it keeps for them from frame to frame.

use std::collections::HashMap;

use towline_app::chat::{AnswerId, TurnId};

use super::document::Layout;
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
    /// The server.
    pub server: &'a Server,
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
}
