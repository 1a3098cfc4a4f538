//! The only code that writes to standard output and standard error.
//!
//! Standard output is written at once or, by a view that controls flushing, as soon as no more input is
//! ready; so every piece is visible when it arrives. A closed pipe is an ordinary ending. Errors of standard
//! error are ignored, because they cannot be reported.

pub mod description;
pub mod json;
#[cfg(feature = "relay")]
pub mod qr;
pub mod stats;
pub mod table;
pub mod view;

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::watch;

use towline_app::text::safe::{self, Visible};

/// Standard output could not be written.
#[derive(Debug)]
pub enum WriteError {
    /// Its reader has closed it.
    Closed,
    /// Another reason, for example a full disk.
    Failed(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Failed(error) }
    }
}

/// The style of text on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As usual.
    Plain,
    /// Less important.
    Dim,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "\u{1b}[0m",
            Self::Dim => "\u{1b}[2m",
        }
    }
}

/// Standard output.
#[derive(Debug)]
pub struct Out {
    /// Unbuffered; `None` if standard output is closed.
    file: Option<File>,
    terminal: bool,
    color: bool,
    visible: Visible,
    at_line_start: bool,
    /// The text that waits for [`Out::flush`]; `None` if everything is written at once.
    held: Option<String>,
}

/// On a terminal with fewer columns, nothing is drawn.
const DRAWN_COLUMNS: usize = 10;
/// Maximum size of the held text, in bytes.
const HELD_BYTES: usize = 64 << 10;

impl Out {
    /// The current standard output.
    pub fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            file: unbuffered().ok(),
            terminal,
            color: terminal && colors(),
            visible: Visible::default(),
            at_line_start: true,
            held: None,
        }
    }

    /// The same, but text is held until [`flush`](Self::flush), or until there is much of it.
    pub fn held() -> Self {
        Self { held: Some(String::new()), ..Self::new() }
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes untrusted text: unchanged into a pipe or file, made safe on a terminal.
    pub fn text(&mut self, text: &str) -> Result<(), WriteError> {
        if !self.terminal {
            return self.write(text);
        }
        let shown = self.visible.piece(text).into_owned();
        self.write(&shown)
    }

    /// Writes the part of the last piece that [`text`](Self::text) held back.
    pub fn finish_text(&mut self) -> Result<(), WriteError> {
        let rest = self.visible.finish();
        self.write(rest)
    }

    /// Writes untrusted bytes: unchanged into a pipe or file, made safe on a terminal.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if self.terminal {
            return self.text(&String::from_utf8_lossy(bytes));
        }
        self.flush()?;
        self.write_now(bytes)
    }

    /// Writes our own text and control sequences.
    pub fn write(&mut self, text: &str) -> Result<(), WriteError> {
        let Some(last) = text.as_bytes().last() else { return Ok(()) };
        self.at_line_start = *last == b'\n';
        let Some(held) = &mut self.held else { return self.write_now(text.as_bytes()) };
        held.push_str(text);
        if held.len() > HELD_BYTES { self.flush() } else { Ok(()) }
    }

    /// Draws on a terminal, at once.
    pub fn control(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if bytes.is_empty() { Ok(()) } else { self.write_now(bytes) }
    }

    /// Writes the held text.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let Some(mut held) = self.held.take_if(|held| !held.is_empty()) else { return Ok(()) };
        self.write_now(held.as_bytes())?;
        held.clear();
        self.held = Some(held);
        Ok(())
    }

    fn write_now(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        match &mut self.file {
            Some(file) => Ok(write_all(file, bytes)?),
            None => Err(WriteError::Closed),
        }
    }

    /// Starts or ends a style; does nothing without colours.
    pub fn style(&mut self, style: Style) -> Result<(), WriteError> {
        if !self.color {
            return Ok(());
        }
        let at_line_start = self.at_line_start;
        self.write(style.code())?;
        self.at_line_start = at_line_start;
        Ok(())
    }

    /// Writes a line that may contain untrusted text.
    pub fn line(&mut self, line: &str) -> Result<(), WriteError> {
        let mut line = if self.terminal { safe::text(line).into_owned() } else { line.to_owned() };
        line.push('\n');
        self.write(&line)
    }

    /// Starts a new line, unless at the start of one.
    pub fn end_line(&mut self) -> Result<(), WriteError> {
        if self.at_line_start { Ok(()) } else { self.write("\n") }
    }
}

impl Default for Out {
    fn default() -> Self {
        Self::new()
    }
}

/// A second handle on standard output, without the buffer of the first.
fn unbuffered() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Writes everything. Waits if another program has made standard output non-blocking.
fn write_all(file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for(file, PollFlags::OUT)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits for events, and for errors in any case.
fn wait_for(file: &File, events: PollFlags) -> io::Result<()> {
    loop {
        match poll(&mut [PollFd::new(file, events)], None) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until the reader of standard output closes it; never returns if that cannot be detected.
///
/// # Cancel safety
/// Safe: nothing is lost.
pub async fn closed() {
    static CLOSED: OnceLock<watch::Receiver<bool>> = OnceLock::new();
    let mut closed = CLOSED.get_or_init(watch_closed).clone();
    if closed.wait_for(|closed| *closed).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Starts a thread that watches standard output. A closed terminal sends SIGHUP, and a file has no reader.
fn watch_closed() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    if !io::stdout().is_terminal()
        && let Ok(file) = unbuffered()
    {
        let watch = move || {
            if wait_for(&file, PollFlags::empty()).is_ok() {
                sender.send_replace(true);
            }
        };
        // Without the thread a closed pipe is noticed at the next write.
        drop(std::thread::Builder::new().name("towline-closed".into()).spawn(watch));
    }
    receiver
}

/// Whether colours are wanted: not with `NO_COLOR`, not on a dumb terminal.
pub fn colors() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// The columns of the terminal on standard output; `None` if it is not a terminal or does not report them.
pub fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// The columns of the terminal on standard error; 80 if unknown.
pub fn stderr_width() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
}

/// The columns and rows of the terminal on standard output; 80 × 24 if unknown.
pub fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok();
    let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    size.filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or((80, 24))
}

/// Whether standard output is a terminal that can move its cursor.
pub fn stdout_can_be_drawn_on() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    stdout_is_terminal() && !is_dumb && size().0 >= DRAWN_COLUMNS
}

/// Whether standard error is a terminal that can rewrite a line.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes to standard error, unchanged.
pub fn stderr(text: &str) {
    // If standard error cannot be written, there is no way to say so.
    let _gone = io::stderr().write_all(text.as_bytes());
}

/// Starts a new line if a terminal has echoed `^C`, or shows a pipe's text, to which nothing should be
/// appended.
pub fn stderr_break() {
    if io::stderr().is_terminal() && !io::stdout().is_terminal() {
        stderr("\n");
    }
}

/// A line on standard error.
pub fn stderr_line(line: &str) {
    stderr(&format!("{}\n", safe::text(line)));
}

/// Prints a note.
pub fn note(message: &str) {
    labelled(Label::Note, message);
}

/// Prints a warning.
pub fn warning(message: &str) {
    labelled(Label::Warning, message);
}

/// Prints an error.
pub fn error(message: &str) {
    labelled(Label::Error, message);
}

/// Prints a hint.
pub fn hint(message: &str) {
    labelled(Label::Hint, message);
}

#[derive(Debug, Clone, Copy)]
enum Label {
    Note,
    Warning,
    Error,
    Hint,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Hint => "hint",
        })
    }
}

fn labelled(label: Label, message: &str) {
    let message = safe::text(message);
    let text = if io::stderr().is_terminal() && colors() {
        let color = match label {
            Label::Note => "\u{1b}[1m",
            Label::Warning => "\u{1b}[1;33m",
            Label::Error => "\u{1b}[1;31m",
            Label::Hint => "\u{1b}[1;36m",
        };
        format!("{color}{label}:\u{1b}[0m {message}\n")
    } else {
        format!("{label}: {message}\n")
    };
    stderr(&text);
}
