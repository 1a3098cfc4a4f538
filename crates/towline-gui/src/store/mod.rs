//! What is kept on disk, and the one thread that waits for it.
//!
//! | file | its one job |
//! |---|---|
//! | `disk` | the thread: takes orders, sends reports |
//! | `sessions` | the chats' files, which the prompt reads and writes too |
//! | `state` | size, theme, pins: what the window remembers of itself |

mod disk;
mod sessions;
mod state;

pub use disk::{Disk, MAX_ORDERS, Order, Report};
pub use sessions::{Entry, Loaded, folder};
pub use state::{State, Theme};
