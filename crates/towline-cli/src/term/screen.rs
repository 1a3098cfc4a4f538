//! The interface between the prompt's logic and its terminal.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// An action of the user, or an event of the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A line was submitted (or several, if written as several).
    Submit(String),
    /// Ctrl-C or SIGINT. The screen clears the line, unless Ctrl-C ends something in the foreground.
    Interrupt,
    /// Escape by itself. The line stays.
    Escape,
    /// Ctrl-Z. The half-typed line stays.
    Background,
    /// Ctrl-D at an empty line.
    Eof,
    /// SIGTERM, SIGHUP or SIGQUIT, or the terminal is gone.
    Terminate,
    /// The process was stopped and continued, or the window changed: redraw everything.
    Redraw,
}

/// The meaning of a line of text; the screen chooses the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// The program's own output: notices, tables, help.
    Plain,
    /// Less important.
    Dim,
    /// Something went well.
    Good,
    /// Something went wrong.
    Bad,
    /// The user's input, repeated in the transcript.
    Echo,
}

/// The row above the prompt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The foreground stream, for example `gemma3 streaming 214 tok 41.2 tok/s`; empty if there is none.
    pub front: String,
    /// The other jobs, for example `2 running, 1 queued`; empty if there are none.
    pub others: String,
    /// The foreground stream's problem, for example `stalled 12 s`.
    pub trouble: String,
}

/// Where the prompt is shown: a terminal, plain lines, or a test.
pub trait Screen {
    /// Waits for input, for `wake` to become readable, or until `until`; draws pending updates meanwhile.
    /// Never blocks on the terminal's output.
    fn wait(&mut self, wake: BorrowedFd<'_>, until: Option<Instant>) -> io::Result<Vec<Input>>;
    /// Appends whole lines to the transcript.
    fn print(&mut self, tone: Tone, text: &str);
    /// Begins an answer; `label` names the model or job if it is not the conversation's own.
    fn begin_answer(&mut self, label: Option<&str>);
    /// Adds a piece of the answer, as Markdown.
    fn answer(&mut self, text: &str);
    /// Adds a piece of the model's thinking.
    fn thinking(&mut self, text: &str);
    /// Ends the answer, complete or not: pending text is written.
    fn end_answer(&mut self);
    /// Shows this status row from now on; `None` for no row.
    fn status(&mut self, status: Option<Status>);
    /// Shows this prompt from now on, for example `gemma3> `.
    fn prompt(&mut self, prompt: &str);
    /// Puts text into the line being edited (for `edit` and `retry`), replacing it.
    fn prefill(&mut self, text: &str);
    /// Opens `$EDITOR` on the text and returns the saved text; the terminal is restored meanwhile.
    fn edit_in_editor(&mut self, text: &str) -> io::Result<String>;
    /// Returns the terminal to the shell and stops the process; returns when the process is continued.
    fn suspend(&mut self) -> io::Result<()>;
    /// Copies text to the terminal's clipboard (OSC 52), for `:copy`.
    fn copy(&mut self, text: &str);
    /// The number of bytes that the screen has not shown yet.
    fn backlog_bytes(&self) -> usize;
    /// Draws everything and restores the terminal.
    fn close(&mut self) -> io::Result<()>;
}

/// Completes the word at the cursor; the screen calls it on Tab and for hints.
pub trait Complete: Send {
    /// Replacements for `line[start..cursor]`, best first, and `start`.
    fn complete(&self, line: &str, cursor: usize) -> (usize, Vec<String>);
    /// The rest of the line that the history suggests; it is shown dimmed.
    fn hint(&self, line: &str) -> Option<String>;
}
