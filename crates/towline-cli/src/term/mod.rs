//! The terminal: reads keys, and shows a transcript with a live block below it. It knows nothing about models
//! and jobs.
//!
//! | module | its one job |
//! |---|---|
//! | [`tty`], [`signals`] | the device: raw mode that is always undone, signals that can be polled |
//! | [`keys`], [`burst`] | decode bytes into keys; keys of an unmarked paste submit nothing |
//! | [`editor`], [`buffer`], [`history`] | turn keys into a line |
//! | [`text`] | styled text that is safe to show, measured in columns |
//! | [`screen`] | the interface between the prompt and its terminal |
//! | [`markdown`] | streamed Markdown to styled text |
//! | [`answer`] | a model's output to lines |
//! | [`rows`] | lines wrapped into rows, where the terminal would wrap or between words |
//! | [`transcript`] | pending lines, which are taken row by row |
//! | [`layout`] | the visible state to rows |
//! | [`palette`] | the colours of a theme, for a dark or a light background |
//! | [`painter`] | rows to the fewest bytes |
//! | [`window`] | the size of the window |
//! | [`flow`] | flow control for the terminal |
//! | [`terminal`], [`plain`] | the two screens |
//! | [`live`] | an answer without a prompt below it |
//! | [`external`] | the user's editor |

mod answer;
mod buffer;
mod burst;
mod editor;
pub mod external;
mod flow;
mod history;
mod keys;
mod layout;
pub mod live;
pub mod markdown;
mod painter;
pub mod palette;
mod plain;
pub mod rows;
pub mod screen;
mod signals;
mod terminal;
pub mod text;
mod transcript;
mod tty;
mod window;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

pub use layout::Size;
pub use plain::PlainLines;
pub use terminal::{Terminal, reflows};
pub use tty::restore;

use crate::term::screen::{Complete, Screen};
use towline_app::settings::{Shades, Theme};

/// The configuration of the screen.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The file for submitted lines; `None` for no file.
    pub history: Option<PathBuf>,
    /// Whether to use no colours, as `NO_COLOR` asks.
    pub no_color: bool,
    /// The background that colours are chosen for.
    pub theme: Theme,
    /// Other shades of the colours.
    pub shades: Shades,
    /// Whether thinking stays on the screen when it is complete.
    pub unfold_thinking: bool,
}

/// The screen for this process: a terminal if standard input and output are one that can move its cursor,
/// plain lines otherwise.
pub fn open(config: Config, complete: Box<dyn Complete>) -> io::Result<Box<dyn Screen>> {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb {
        Ok(Box::new(Terminal::open(config, complete)?))
    } else {
        Ok(Box::new(PlainLines::new()?))
    }
}
