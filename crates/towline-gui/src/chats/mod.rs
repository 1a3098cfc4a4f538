//! The chats and what runs for them: no drawing, no waiting.
//!
//! | file | its one job |
//! |---|---|
//! | `chat` | one chat: what was said, its answers, what is being typed |
//! | `answer` | one answer as it is drawn, and how it ended |
//! | `ask` | questions become jobs |
//! | `drain` | what jobs have yielded comes into the chats |
//! | `relayed` | answers that a relay runs: detached, resumed, adopted |
//! | `attachment` | files that go with a question |
//! | `loaded`, `export` | a chat that was read; one as a file |

mod answer;
mod ask;
mod attachment;
mod chat;
mod drain;
mod export;
mod loaded;
mod relayed;

pub use answer::{Answer, Note, Progressing, progressing};
pub use ask::{Asking, MAX_COMPARED};
pub use attachment::Attachment;
pub use chat::{Chat, ChatKey, Contents, Live, STALLED_SECONDS};
pub use drain::{Drained, Looked, drain};
pub use export::ExportForm;
pub use loaded::Loaded;
