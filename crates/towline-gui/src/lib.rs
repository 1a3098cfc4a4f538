//! The window: a desktop chat over many model streams, each under control.
//!
//! It owns no stream. The engine of `towline` runs them and keeps what comes; the window sends commands and draws what its
//! cursors give, once per frame. So switching, hiding or closing a chat never stops or loses anything, and no frame waits
//! for a network or a disk.
//!
//! | module | its one job |
//! |---|---|
//! | [`window`] | owns the state; looks, draws, acts |
//! | [`chats`] | the chats and the jobs that answer them |
//! | [`ui`] | what is drawn |
//! | [`store`] | what is kept on disk, on a thread of its own |
//! | [`relay`] | the relay's jobs, and telling it what to do with them |
//! | [`server`], [`catalog`] | which server, which models |
//! | [`command`], [`shortcuts`] | what can be done, and by which keys |
//! | [`desktop`] | file dialogs and notifications |

pub mod catalog;
pub mod chats;
pub mod command;
pub mod desktop;
pub mod relay;
pub mod server;
pub mod shortcuts;
pub mod store;
pub mod ui;
pub mod window;
