//! What the programs for people share: the command, the prompt and the window.
//!
//! | module | its one job |
//! |---|---|
//! | [`answers`] | the answers that a relay runs, and what can be done with them |
//! | [`chat`] | a conversation: its turns and settings, what the next question sends, its form on disk |
//! | [`document`] | what an answer's text is made of |
//! | [`history`] | one searchable memory of every conversation |
//! | [`servers`] | which model server is meant, and on which relay its answers run |
//! | [`settings`] | what a user has set, and the user's folders |
//! | [`text`] | text that is safe to show; sizes and times as people read them |
//!
//! Nothing here draws, prints or parses arguments.

pub mod answers;
pub mod chat;
pub mod document;
pub mod history;
pub mod servers;
pub mod settings;
pub mod text;
