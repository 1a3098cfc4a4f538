//! The terminal screen, which connects keys, text and the device.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustix::event::{PollFd, PollFlags, Timespec};

use super::answer::Answer;
use super::burst::Burst;
use super::editor::{Edit, Editor};
use super::flow::Flow;
use super::history::History;
use super::keys::{Decoder, Key};
use super::layout::{self, Size, UpperRows};
use super::painter::{Block, Painter};
use super::palette::{self, Palette};
use super::rows::{Row, text_column};
use super::signals::Signals;
use super::text::{Color, Line, Style, solid};
use super::transcript::Transcript;
use super::tty::Tty;
use super::window::Window;
use super::{Config, external};
use crate::term::screen::{Complete, Input, Screen, Status, Tone};
use towline_app::settings::{Shades, Theme};

/// Bytes that follow an Escape within this time belong to it.
const ESCAPE_TIMEOUT: Duration = Duration::from_millis(50);
/// How long the terminal may take for the remaining output before it is restored anyway.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Asks for the colour of the background.
const BACKGROUND_REQUEST: &[u8] = b"\x1b]11;?\x1b\\";
const STATUS_REQUEST: &[u8] = b"\x1b[5n";
/// Maximum size for the clipboard; terminals limit it.
const CLIPBOARD_BYTES: usize = 512 << 10;
/// Maximum amount of unwritten output to which a frame with typed text is added.
const ECHO_BACKLOG_BYTES: usize = 1 << 10;

/// A terminal with a live prompt below the transcript. Dropping it restores the terminal.
#[derive(Debug)]
pub struct Terminal {
    tty: Tty,
    signals: Signals,
    decoder: Decoder,
    escape_ends: Option<Instant>,
    burst: Burst,
    editor: Editor,
    answer: Answer,
    transcript: Transcript,
    status: Option<Status>,
    prompt: String,
    upper: UpperRows,
    painter: Painter,
    shades: Shades,
    flow: Flow,
    window: Window,
    /// The row of the cursor when the terminal reported its width.
    cursor_row: Option<usize>,
    size: Size,
    /// Bytes that the terminal has not accepted yet.
    out: Vec<u8>,
    /// Whether the rows above the input may have changed.
    text_is_due: bool,
    /// Whether the input may have changed.
    echo_is_due: bool,
    is_gone: bool,
}

impl Terminal {
    /// Takes the terminal.
    pub fn open(config: Config, complete: Box<dyn Complete>) -> io::Result<Self> {
        let signals = Signals::new()?;
        let tty = Tty::open()?;
        let size = tty.size();
        let theme = if config.no_color { Theme::None } else { config.theme };
        let is_light = std::env::var("COLORFGBG").is_ok_and(|set| palette::is_light_by(&set));
        let palette = Palette::of(theme, is_light, &config.shades);
        let mut answer = Answer::default();
        answer.unfold(config.unfold_thinking);
        answer.folded("Ctrl-O shows it");
        answer.columns(size.columns);
        Ok(Self {
            tty,
            signals,
            decoder: Decoder::default(),
            escape_ends: None,
            burst: Burst::default(),
            editor: Editor::new(History::open(config.history), complete),
            answer,
            transcript: Transcript::default(),
            status: None,
            prompt: String::new(),
            upper: UpperRows::default(),
            painter: Painter::new(palette, reflows(), size.columns),
            shades: config.shades,
            flow: Flow::new(),
            window: Window::default(),
            cursor_row: None,
            size,
            // The answer arrives like a key, before the answer to the first frame's request.
            out: if theme == Theme::Auto && !is_console() { BACKGROUND_REQUEST.to_vec() } else { vec![] },
            text_is_due: true,
            echo_is_due: true,
            is_gone: false,
        })
    }

    fn lines(&mut self, lines: Vec<Line>) {
        for line in lines {
            self.transcript.push(line);
        }
        self.text_is_due = true;
    }

    /// Draws pending updates, as far as the terminal accepts them.
    fn draw(&mut self, now: Instant) -> io::Result<()> {
        self.flow.expire(now);
        self.tty.write(&mut self.out)?;
        self.update_size(now);
        let has_text = self.text_is_due || !self.transcript.is_empty();
        if has_text && self.out.is_empty() && self.flow.takes_text(now) {
            if self.flow.asks_ahead(self.window.is_doubtful()) {
                self.painter.ask_width(&mut self.out);
                return self.send(now, false);
            }
            let parts = self.transcript.take(self.size.columns, self.flow.budget_bytes());
            let input = self.input();
            let pending = if self.transcript.is_empty() { self.answer.pending() } else { vec![] };
            self.upper = UpperRows::new(&pending, self.status.as_ref(), self.size, input.rows.len());
            let block = below(&self.upper.rows, input);
            self.painter.paint(&parts, &block, &mut self.out);
            self.text_is_due = false;
            self.echo_is_due = false;
            self.send(now, true)?;
        } else if self.echo_is_due && self.out.len() < ECHO_BACKLOG_BYTES && self.flow.takes_echo() {
            let input = self.input();
            let room = self.size.rows.saturating_sub(1 + input.rows.len());
            self.upper.clip(room);
            let block = below(&self.upper.rows, input);
            self.painter.paint(&[], &block, &mut self.out);
            self.echo_is_due = false;
            self.send(now, false)?;
        }
        Ok(())
    }

    fn send(&mut self, now: Instant, with_text: bool) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        if self.flow.send(now, with_text) {
            self.out.extend_from_slice(STATUS_REQUEST);
        }
        self.tty.write(&mut self.out)
    }

    fn input(&self) -> Block {
        let room = self.size.rows.saturating_sub(2).max(1);
        layout::input(&self.prompt, &self.editor.view(), self.size, room)
    }

    /// Reads the size before each frame, since the signal may come later.
    fn update_size(&mut self, now: Instant) {
        let size = self.window.size(self.tty.size(), now);
        if size != self.size {
            self.size = size;
            self.answer.columns(size.columns);
            let lost = self.painter.resized(size.columns, self.cursor_row.take(), &mut self.out);
            let lost = lost.iter().filter(|(row, _)| *row < self.upper.pending);
            self.answer.left_screen(lost.map(|(_, row)| solid(&row.line.text())).sum());
            self.upper = UpperRows::default();
            self.text_is_due = true;
        }
    }

    /// When to wake up without input.
    fn next_deadline(&self) -> Option<Instant> {
        let wants = self.text_is_due || self.echo_is_due || !self.transcript.is_empty();
        let frame = if wants { self.flow.next_change() } else { None };
        [frame, self.escape_ends, self.burst.deadline()].into_iter().flatten().min()
    }

    /// Reads and handles keys.
    fn read(&mut self, now: Instant, inputs: &mut Vec<Input>) {
        let mut bytes = [0; 4 << 10];
        let mut keys = vec![];
        // The rest is read next time, so that a paste of megabytes does not block drawing.
        for _ in 0..16 {
            match self.tty.read(&mut bytes) {
                None => break,
                Some(0) => {
                    if !self.is_gone {
                        self.is_gone = true;
                        inputs.push(Input::Terminate);
                    }
                    break;
                }
                Some(read) => self.decoder.feed(&bytes[..read], &mut keys),
            }
        }
        self.escape_ends = match self.escape_ends {
            Some(ends) if self.decoder.is_waiting() => Some(ends),
            Some(_) | None => self.decoder.is_waiting().then(|| now + ESCAPE_TIMEOUT),
        };
        if self.escape_ends.is_some_and(|ends| ends <= now) {
            self.decoder.expire(&mut keys);
            self.escape_ends = None;
        }
        let mut pressed: Vec<Key> = self.burst.expire(now).into_iter().collect();
        for key in keys {
            self.burst.take(key, now, &mut pressed);
        }
        for key in pressed {
            self.press(key, now, inputs);
        }
    }

    fn press(&mut self, key: Key, now: Instant, inputs: &mut Vec<Input>) {
        if key == Key::Acknowledged {
            self.flow.acknowledge(now);
            return;
        }
        if let Key::Position { row, columns } = key {
            self.window.set_reported_columns(columns);
            self.cursor_row = Some(row);
            return;
        }
        if let Key::Background(parts) = key {
            self.painter.repaint(Palette::of(Theme::Auto, palette::is_light(parts), &self.shades));
            return;
        }
        self.echo_is_due = true;
        match self.editor.press(key) {
            Edit::Changed => {}
            Edit::Submit(line) => inputs.push(Input::Submit(line)),
            Edit::Interrupt => inputs.push(Input::Interrupt),
            Edit::Escape => inputs.push(Input::Escape),
            Edit::Background => inputs.push(Input::Background),
            Edit::Eof => inputs.push(Input::Eof),
            Edit::ClearScreen => {
                self.painter.forget();
                self.out.extend_from_slice(b"\x1b[H\x1b[2J");
                self.text_is_due = true;
            }
            Edit::OpenEditor => {
                let text = self.editor.text().to_owned();
                match self.edit_in_editor(&text) {
                    Ok(text) => self.editor.set(&text),
                    Err(error) => self.print(Tone::Bad, &format!("the editor cannot be used: {error}")),
                }
            }
            Edit::Unfold => {
                let thought = self.answer.thought();
                self.lines(thought);
            }
        }
    }

    /// Erases the block, waits until the terminal has processed everything, and restores it.
    fn release(&mut self) {
        self.painter.erase(&mut self.out);
        self.painter.forget();
        if self.flow.send(Instant::now(), false) {
            self.out.extend_from_slice(STATUS_REQUEST);
        }
        // A reply that arrives after the shell has the terminal again would be typed into the shell.
        let ends = Instant::now() + CLOSE_TIMEOUT;
        let mut ignored = vec![];
        while (self.flow.is_awaiting() || !self.out.is_empty()) && !self.is_gone {
            let now = Instant::now();
            self.flow.expire(now);
            if now >= ends || self.tty.write(&mut self.out).is_err() {
                break;
            }
            let wanted = if self.out.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            let mut watched = [PollFd::new(&self.tty, wanted)];
            let until = self.flow.next_change().map_or(ends, |change| change.min(ends));
            if poll(&mut watched, Some(until)).is_err() {
                break;
            }
            self.read(Instant::now(), &mut ignored);
        }
        self.flow.forget();
        self.out.clear();
        super::restore();
    }

    /// Takes over the terminal again after it was restored.
    fn enter(&mut self) -> io::Result<()> {
        self.tty.enter_raw()?;
        self.painter.forget();
        self.window = Window::default();
        self.size = self.tty.size();
        let _none_is_shown = self.painter.resized(self.size.columns, None, &mut self.out);
        self.answer.columns(self.size.columns);
        self.upper = UpperRows::default();
        self.text_is_due = true;
        self.echo_is_due = true;
        Ok(())
    }

    fn take_signals(&mut self, inputs: &mut Vec<Input>) -> io::Result<()> {
        let came = self.signals.take();
        if came.interrupt {
            inputs.push(Input::Interrupt);
        }
        if came.terminate {
            inputs.push(Input::Terminate);
        }
        if came.stop {
            self.suspend()?;
            inputs.push(Input::Redraw);
        } else if came.resumed {
            // Stopped from outside: the shell has set its own modes in the meantime.
            self.flow.forget();
            self.enter()?;
            inputs.push(Input::Redraw);
        } else if came.resized {
            self.text_is_due = true;
            inputs.push(Input::Redraw);
        }
        Ok(())
    }
}

impl Screen for Terminal {
    fn wait(&mut self, wake: BorrowedFd<'_>, until: Option<Instant>) -> io::Result<Vec<Input>> {
        let mut inputs = vec![];
        loop {
            let now = Instant::now();
            if let Err(error) = self.draw(now) {
                if std::mem::replace(&mut self.is_gone, true) {
                    return Err(error);
                }
                inputs.push(Input::Terminate);
            }
            if !inputs.is_empty() || until.is_some_and(|until| until <= now) {
                return Ok(inputs);
            }
            let wanted = if self.out.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            let mut watched = [
                PollFd::new(&self.tty, wanted),
                PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(wake, PollFlags::IN),
            ];
            let deadline = [until, self.next_deadline()].into_iter().flatten().min();
            poll(&mut watched, deadline)?;
            let [_, signals, wake] = watched.map(|watched| !watched.revents().is_empty());
            if signals {
                self.take_signals(&mut inputs)?;
            }
            self.read(Instant::now(), &mut inputs);
            if wake {
                self.draw(Instant::now())?;
                return Ok(inputs);
            }
        }
    }

    fn print(&mut self, tone: Tone, text: &str) {
        let style = match tone {
            Tone::Plain => Style::PLAIN,
            Tone::Dim => Style::DIM,
            Tone::Good => Style::color(Color::Green),
            Tone::Bad => Style::color(Color::Red),
            Tone::Echo => Style::BOLD,
        };
        // The terminal wraps typed text, so that it can be copied unchanged; the program's own output is
        // wrapped for reading.
        let shown = |line| match tone {
            Tone::Echo => Line::styled(line, style),
            Tone::Plain | Tone::Dim | Tone::Good | Tone::Bad => {
                let hanging = " ".repeat(text_column(line));
                Line::styled(line, style).in_words(Line::styled(&hanging, Style::PLAIN))
            }
        };
        self.lines(text.split('\n').map(shown).collect());
    }

    fn begin_answer(&mut self, label: Option<&str>) {
        let mut lines = vec![];
        self.answer.begin(label, &mut lines);
        self.lines(lines);
    }

    fn answer(&mut self, text: &str) {
        let mut lines = vec![];
        self.answer.text(text, &mut lines);
        self.lines(lines);
    }

    fn thinking(&mut self, text: &str) {
        self.answer.think(text);
        self.text_is_due = true;
    }

    fn end_answer(&mut self) {
        let mut lines = vec![];
        self.answer.end(&mut lines);
        self.lines(lines);
    }

    fn status(&mut self, status: Option<Status>) {
        if self.status != status {
            self.editor.keep_line(status.as_ref().is_some_and(|status| !status.front.is_empty()));
            self.status = status;
            self.text_is_due = true;
        }
    }

    fn prompt(&mut self, prompt: &str) {
        if self.prompt != prompt {
            prompt.clone_into(&mut self.prompt);
            self.echo_is_due = true;
        }
    }

    fn prefill(&mut self, text: &str) {
        self.editor.set(text);
        self.echo_is_due = true;
    }

    fn edit_in_editor(&mut self, text: &str) -> io::Result<String> {
        self.release();
        let edited = external::edit(text);
        self.signals.forget_interrupt();
        self.enter()?;
        edited
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.release();
        let _before = self.signals.take();
        let stopped = stop_process();
        if stopped.is_ok() {
            self.signals.wait_for_resume();
        }
        self.enter()?;
        stopped
    }

    fn copy(&mut self, text: &str) {
        let text = &text[..text.floor_char_boundary(CLIPBOARD_BYTES)];
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        self.out.extend_from_slice(format!("\x1b]52;c;{encoded}\x07").as_bytes());
    }

    fn backlog_bytes(&self) -> usize {
        self.transcript.bytes() + self.out.len()
    }

    fn close(&mut self) -> io::Result<()> {
        let mut lines = vec![];
        self.answer.end(&mut lines);
        self.lines(lines);
        self.status = None;
        let mut inputs = vec![];
        while !self.is_gone && (!self.transcript.is_empty() || !self.out.is_empty()) {
            let before = self.backlog_bytes();
            let progress_ends = Instant::now() + CLOSE_TIMEOUT;
            while self.backlog_bytes() == before && before > 0 && !self.is_gone {
                let now = Instant::now();
                if now >= progress_ends || self.draw(now).is_err() {
                    self.release();
                    return Ok(());
                }
                let wanted = if self.out.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
                let mut watched = [PollFd::new(&self.tty, wanted)];
                let until = self.flow.next_change().map_or(progress_ends, |change| change.min(progress_ends));
                poll(&mut watched, Some(until))?;
                self.read(Instant::now(), &mut inputs);
                // The user can skip the rest with Ctrl-C.
                if inputs.iter().any(|input| matches!(input, Input::Interrupt | Input::Terminate)) {
                    self.release();
                    return Ok(());
                }
            }
        }
        self.release();
        Ok(())
    }
}

/// The rows above the input, and the input.
fn below(upper: &[Row], input: Block) -> Block {
    let mut rows = upper.to_vec();
    let cursor_row = rows.len() + input.cursor_row;
    rows.extend(input.rows);
    Block { rows, cursor_row, cursor_column: input.cursor_column }
}

/// Whether this terminal reflows a long row when the window becomes narrower. Most do.
pub fn reflows() -> bool {
    let is_xterm = std::env::var_os("XTERM_VERSION").is_some() && std::env::var_os("TMUX").is_none();
    !is_xterm && !is_console()
}

/// Whether this is the Linux console, which supports neither reflow nor requests.
fn is_console() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "linux")
}

/// Waits for one of these descriptors, or until this time.
pub(super) fn poll(watched: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<()> {
    let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
    let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
    match rustix::event::poll(watched, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Stops this process and the processes started with it, as Ctrl-Z does; returns when it is continued.
pub(super) fn stop_process() -> io::Result<()> {
    let group = rustix::process::getpgrp();
    if rustix::process::getsid(None)? == group {
        return Err(io::Error::other("there is no shell to return to"));
    }
    Ok(rustix::process::kill_process_group(group, rustix::process::Signal::STOP)?)
}
