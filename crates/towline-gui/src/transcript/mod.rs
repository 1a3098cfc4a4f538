//! What an answer's text looks like: blocks, what is in them, colours of code. Knows no screen.
//!
//! | file | its one job |
//! |---|---|
//! | `document` | text that grows, split into blocks that never change once they are closed |
//! | `lines` | what one line of Markdown begins or continues |
//! | `markdown` | one block as pieces to draw |
//! | `code` | colours of one line of code |
//! | `safe` | text without what would change how its surroundings are read |

pub mod code;
mod document;
mod lines;
pub mod markdown;
mod safe;

pub use document::{
    Block, Document, MAX_BLOCK_BYTES, MAX_BLOCK_LINES, MAX_LINE_BYTES, Shape, without_indent,
};
pub use safe::safe;
