//! What comes of a stream before its end: events, and the records that they were read from.

pub use towline_core::event::{Event, Image, PartialToolCall, Progress, TokenLogprob, ToolCall, Usage};
pub use towline_core::records::{Record, RecordKind, Records};
pub use towline_core::span::Span;
pub use towline_core::stream::Phase;
