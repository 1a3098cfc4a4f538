//! The files on disk, and the one thread that waits for them.
//!
//! | file | its one job |
//! |---|---|
//! | `disk` | the thread: takes orders |
//! | `shelf` | the history, which the prompt also reads and writes; files |
//! | `state` | the window's own state, such as size and theme |

mod disk;
mod shelf;
mod state;

pub use disk::Disk;
pub use shelf::{Listed, MAX_LISTED, Shelf, Which, attachment, import, path, write};
pub use state::{State, Theme};
