//! What is kept on disk, and the one thread that waits for it.
//!
//! | file | its one job |
//! |---|---|
//! | `disk` | the thread: takes orders, sends reports |
//! | `shelf` | the history, which the prompt reads and writes too; files |
//! | `state` | size, theme: what the window remembers of itself |

mod disk;
mod shelf;
mod state;

pub use disk::{Disk, MAX_ORDERS, Order, Report};
pub use shelf::{Listed, MAX_LISTED, Which, path};
pub use state::{State, Theme};
