//! The structure of an answer's text: Markdown as blocks that never change once they are closed, and their
//! content.
//!
//! | file | its one job |
//! |---|---|
//! | `blocks` | text that grows, split into blocks |
//! | `lines` | determines which block a line of Markdown begins or continues |
//! | `markdown` | one block as pieces to draw |
//! | `protect` | protects text that Markdown would treat as markup and omit |
//! | [`code`] | classifies the parts of a line of code |
//!
//! This module is independent of any screen, and omits nothing that a model wrote.

mod blocks;
pub mod code;
mod lines;
mod markdown;
mod protect;

pub use blocks::{Block, Document, Fenced, MAX_BLOCK_BYTES, MAX_BLOCK_LINES, MAX_LINE_BYTES, Shape};
pub use markdown::{Align, Depth, MAX_COLUMNS, MAX_INDENT, Piece, Rich, Style};

/// The text of a file in front of a question: its name, and a fence that the text cannot close.
pub fn attached(name: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0).max(2);
    let fence = "`".repeat(longest + 1);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{name}:\n{fence}\n{text}{end}{fence}\n\n")
}
