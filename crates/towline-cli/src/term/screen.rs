//! What the prompt's logic and its terminal say to each other.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// Something the person did, or the terminal underwent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A line (or several, when written as several) was submitted.
    Submit(String),
    /// Ctrl-C or SIGINT. The screen clears the line, unless something is in front that it is for.
    Interrupt,
    /// Escape, by itself. The line stays.
    Escape,
    /// Ctrl-Z. The half-typed line stays.
    Background,
    /// Ctrl-D at an empty line.
    Eof,
    /// SIGTERM, SIGHUP or SIGQUIT, or the terminal is gone.
    Terminate,
    /// The process was stopped and continued, or the window changed: draw everything again.
    Redraw,
}

/// One line of text with its meaning; the screen chooses colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// What the program says by itself: notices, tables, help.
    Plain,
    /// Of little weight.
    Dim,
    /// Something went well.
    Good,
    /// Something is wrong.
    Bad,
    /// What the person typed, repeated in the transcript.
    Echo,
}

/// The row above the prompt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The front stream, for example `gemma3 streaming 214 tok 41.2 tok/s`; empty when there is none.
    pub front: String,
    /// The others, for example `2 running, 1 queued`; empty when there are none.
    pub others: String,
    /// The front stream's trouble, for example `stalled 12 s`.
    pub trouble: String,
}

/// Where the prompt is shown: a terminal, plain lines, or a test.
pub trait Screen {
    /// Waits for input, for `wake` to become readable, or until `until`; draws what is due meanwhile. Never blocks on
    /// the terminal's output.
    fn wait(&mut self, wake: BorrowedFd<'_>, until: Option<Instant>) -> io::Result<Vec<Input>>;
    /// Appends whole lines to the transcript.
    fn print(&mut self, tone: Tone, text: &str);
    /// An answer begins; `label` names the model or job when it is not the conversation's own.
    fn begin_answer(&mut self, label: Option<&str>);
    /// A piece of the answer, markdown, as it came.
    fn answer(&mut self, text: &str);
    /// A piece of the model's thinking, as it came.
    fn thinking(&mut self, text: &str);
    /// The answer is complete or broken off: what was pending is committed.
    fn end_answer(&mut self);
    /// Shows this status row from now on; `None` for no row.
    fn status(&mut self, status: Option<Status>);
    /// Shows this prompt from now on, for example `gemma3> `.
    fn prompt(&mut self, prompt: &str);
    /// Puts text into the line being edited (for `edit` and `retry`), replacing it.
    fn prefill(&mut self, text: &str);
    /// Opens `$EDITOR` on the text and returns what was saved; the terminal is given back meanwhile.
    fn edit_in_editor(&mut self, text: &str) -> io::Result<String>;
    /// Gives the terminal back to the shell and stops the process; returns when it is continued.
    fn suspend(&mut self) -> io::Result<()>;
    /// Copies text to the clipboard of the terminal (OSC 52), for `:copy`.
    fn copy(&mut self, text: &str);
    /// Whether bytes wait for the terminal so long that text should be left out with a notice.
    fn backlog_bytes(&self) -> usize;
    /// Draws everything, restores the terminal.
    fn close(&mut self) -> io::Result<()>;
}

/// Completes the word at the cursor; asked by the screen on Tab and for hints.
pub trait Complete: Send {
    /// Replacements for `line[start..cursor]`, best first, and `start`.
    fn complete(&self, line: &str, cursor: usize) -> (usize, Vec<String>);
    /// The rest of the line as history suggests it, shown dimmed.
    fn hint(&self, line: &str) -> Option<String>;
}
