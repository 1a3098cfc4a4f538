//! The window: a desktop chat with many model streams and control of each one.
//!
//! The window owns no stream. The engine of `towline` runs them and keeps their logs; the window sends
//! commands and draws the new events once per frame. So switching, hiding or closing a chat never cancels or
//! loses an answer, and no frame waits for the network or the disk.
//!
//! | module | its one job |
//! |---|---|
//! | [`window`] | owns the state; reads changes, draws, executes commands |
//! | [`chats`] | the chats and the jobs that answer them |
//! | [`ui`] | the views |
//! | [`store`] | reads and writes the disk, on its own thread |
//! | [`relay`] | the relay's jobs, and orders for them |
//! | [`server`], [`catalog`] | the server and its models |
//! | [`command`], [`shortcuts`] | the commands, and their keys |
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
