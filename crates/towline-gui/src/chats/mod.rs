//! The chats and their running answers, without drawing or waiting.
//!
//! | file | its one job |
//! |---|---|
//! | `chat` | one chat: its conversation, its answers, and its draft |
//! | `answer` | one answer for drawing, and how it ended |
//! | `ask` | turns questions into jobs |
//! | `drain` | reads the new events of jobs into the chats |
//! | `relayed` | answers that a relay runs: detached, resumed, adopted |
//! | `attachment` | attachments of questions |
//! | `loaded`, `export` | a loaded chat; a chat as a file |

mod answer;
mod ask;
mod attachment;
mod chat;
mod drain;
mod export;
mod loaded;
mod relayed;

pub use answer::{Answer, Note, Progressing, counted, progressing, tokens};
pub use ask::{Asking, MAX_COMPARED};
pub use attachment::Attachment;
pub use chat::{Chat, ChatKey, Contents, RunningAnswer, STALLED_SECONDS};
pub use drain::{Drain, Drained, drain};
pub use export::ExportForm;
pub use loaded::Loaded;
