//! The code that the command, the prompt and the window share.
//!
//! | module | its one job |
//! |---|---|
//! | [`answers`] | the answers that a relay runs, and the verbs for them |
//! | [`chat`] | a conversation: its turns and settings, the request for the next question, the format on disk |
//! | [`document`] | the structure of an answer's text |
//! | [`history`] | the searchable history of all conversations |
//! | [`servers`] | finds the model server, and the relay on which its answers run |
//! | [`settings`] | the user's configuration and folders |
//! | [`text`] | text that is safe to show; sizes and times in readable form |
//!
//! Nothing here draws, prints or parses arguments.

pub mod answers;
pub mod chat;
pub mod document;
pub mod history;
pub mod servers;
pub mod settings;
pub mod text;
