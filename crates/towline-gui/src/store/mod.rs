//! The files on disk, and the one thread that waits for them.
//!
//! | file | its one job |
//! |---|---|
//! | `disk` | the thread: takes orders |
//! | `history_store` | the history, which the prompt also reads and writes; files |
//! | `state` | the window's own state, such as size and theme |

mod disk;
mod history_store;
mod state;

pub use disk::Disk;
pub use history_store::{ChatRef, HistoryList, HistoryStore, MAX_LISTED, attachment, import, path, write};
pub use state::{State, Theme};
