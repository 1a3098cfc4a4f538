//! Events, which a stream yields before its end, and the records from which they were read.

pub use towline_core::event::{Event, Image, PartialToolCall, Progress, TokenLogprob, ToolCall, Usage};
pub use towline_core::records::{Record, RecordKind, Records};
pub use towline_core::span::Span;
pub use towline_core::stream::Phase;
