//! What an answer's text looks like: blocks, and what is in them. Knows no screen.
//!
//! | file | its one job |
//! |---|---|
//! | `document` | text that grows, split into blocks that never change once they are closed |
//! | `lines` | what one line of Markdown begins or continues |
//! | `markdown` | one block as pieces to draw |
//! | `safe` | text without what would change how its surroundings are read |

mod document;
mod lines;
pub mod markdown;
mod safe;

pub use document::{
    Block, Document, MAX_BLOCK_BYTES, MAX_BLOCK_LINES, MAX_LINE_BYTES, Shape, without_indent,
};
pub use safe::safe;
