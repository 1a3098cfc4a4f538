//! The terminal: keys in, a transcript with a live block below it out. It knows nothing of models and jobs.
//!
//! | module | its one job |
//! |---|---|
//! | [`tty`], [`signals`] | the device: raw mode that is always undone, signals that can be waited for |
//! | [`keys`], [`burst`] | bytes become keys; those of a paste that is not marked send nothing |
//! | [`editor`], [`buffer`], [`history`] | keys become a line |
//! | [`text`] | styled text that is safe to show, measured in columns |
//! | [`screen`] | what the prompt and its terminal say to each other |
//! | [`markdown`] | Markdown as it comes becomes styled text |
//! | [`answer`] | what a model says becomes lines |
//! | [`rows`] | lines cut into rows, where the terminal would or between words |
//! | [`transcript`] | lines on their way, handed out row by row |
//! | [`layout`] | what is to be seen becomes rows |
//! | [`palette`] | the colours of a theme, for a dark or a light background |
//! | [`painter`] | rows become the fewest bytes |
//! | [`window`] | which size the window has |
//! | [`flow`] | when the terminal may be given more |
//! | [`terminal`], [`plain`] | the two screens |
//! | [`live`] | an answer without a prompt below it |
//! | [`external`] | the person's own editor |

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

/// How the prompt behaves.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where submitted lines are remembered; nowhere when `None`.
    pub history: Option<PathBuf>,
    /// Whether colours are left out, as `NO_COLOR` asks.
    pub no_color: bool,
    /// For which background colours are chosen.
    pub theme: Theme,
    /// Other shades of them.
    pub shades: Shades,
    /// Whether thinking stays on the screen when it is done.
    pub unfold_thinking: bool,
}

/// The screen for this process: a terminal when standard input and output are one that can move its cursor, plain
/// lines otherwise.
pub fn open(config: Config, complete: Box<dyn Complete>) -> io::Result<Box<dyn Screen>> {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb {
        Ok(Box::new(Terminal::open(config, complete)?))
    } else {
        Ok(Box::new(PlainLines::new()?))
    }
}
