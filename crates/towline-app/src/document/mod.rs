//! What an answer's text is made of: Markdown as blocks that never change once they are closed, and what is in them.
//!
//! | file | its one job |
//! |---|---|
//! | `blocks` | text that grows, split into blocks |
//! | `lines` | what one line of Markdown begins or continues |
//! | `markdown` | one block as pieces to draw |
//! | `protect` | what Markdown would take for its own, and leave out, is kept from it |
//! | [`code`] | what the parts of a line of code are |
//!
//! Knows no screen. Nothing that a model wrote is left out.

mod blocks;
pub mod code;
mod lines;
mod markdown;
mod protect;

pub use blocks::{Block, Document, Fenced, MAX_BLOCK_BYTES, MAX_BLOCK_LINES, MAX_LINE_BYTES, Shape};
pub use markdown::{Align, Depth, MAX_COLUMNS, MAX_INDENT, Piece, Rich, Style};

/// A file's text as it stands before a question: its name, and a fence that the text cannot close.
pub fn attached(name: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0).max(2);
    let fence = "`".repeat(longest + 1);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{name}:\n{fence}\n{text}{end}{fence}\n\n")
}
