//! The screen if standard input or output is not a terminal: lines in, lines out, no control codes.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use towline_app::text::safe;

use super::signals::Signals;
use super::{external, terminal};
use crate::term::screen::{Input, Screen, Status, Tone};

/// Maximum length of an input line; longer lines are split.
const LINE_BYTES: usize = 16 << 20;

/// Lines in, lines out.
#[derive(Debug)]
pub struct PlainLines {
    signals: Signals,
    input: Vec<u8>,
    searched: usize,
    lines: VecDeque<Input>,
    is_ended: bool,
    in_line: bool,
    pending_return: bool,
}

impl PlainLines {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            signals: Signals::new()?,
            input: vec![],
            searched: 0,
            lines: VecDeque::new(),
            is_ended: false,
            in_line: false,
            pending_return: false,
        })
    }

    fn read(&mut self) {
        let mut bytes = [0; 16 << 10];
        // Not `stdin().read`: its buffer would hide bytes from `poll`.
        match rustix::io::read(rustix::stdio::stdin(), &mut bytes) {
            Ok(0) => {
                if !self.input.is_empty() {
                    let rest = std::mem::take(&mut self.input);
                    self.searched = 0;
                    self.submit(&rest);
                }
                self.is_ended = true;
                self.lines.push_back(Input::Eof);
            }
            Ok(read) => self.input.extend_from_slice(&bytes[..read]),
            Err(error) if error == rustix::io::Errno::INTR || error == rustix::io::Errno::AGAIN => {}
            Err(_) => {
                self.is_ended = true;
                self.lines.push_back(Input::Eof);
            }
        }
        while let Some(end) = self.input[self.searched..].iter().position(|&byte| byte == b'\n') {
            let rest = self.input.split_off(self.searched + end + 1);
            let line = std::mem::replace(&mut self.input, rest);
            self.searched = 0;
            self.submit(&line);
        }
        self.searched = self.input.len();
        if self.input.len() > LINE_BYTES {
            let line = std::mem::take(&mut self.input);
            self.searched = 0;
            self.submit(&line);
        }
    }

    fn submit(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.lines.push_back(Input::Submit(line.trim_end_matches(['\n', '\r']).to_owned()));
    }

    /// Errors are ignored: the reader may be gone, and the conversation ends when its input does.
    fn write(&mut self, text: &str) {
        if !text.is_empty() {
            self.in_line = !text.ends_with('\n');
            let _unread = io::stdout().write_all(text.as_bytes());
        }
    }

    fn end_line(&mut self) {
        if self.in_line {
            self.write("\n");
        }
    }
}

impl Screen for PlainLines {
    fn wait(&mut self, wake: BorrowedFd<'_>, until: Option<Instant>) -> io::Result<Vec<Input>> {
        let _unread = io::stdout().flush();
        if let Some(line) = self.lines.pop_front() {
            return Ok(vec![line]);
        }
        let stdin = rustix::stdio::stdin();
        let mut watched = vec![
            PollFd::from_borrowed_fd(wake, PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        if !self.is_ended {
            watched.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
        }
        terminal::poll(&mut watched, until)?;
        let is_ready = watched.get(2).is_some_and(|input| !input.revents().is_empty());
        drop(watched);
        let came = self.signals.take();
        if came.terminate {
            return Ok(vec![Input::Terminate]);
        }
        if came.interrupt {
            return Ok(vec![Input::Interrupt]);
        }
        if is_ready {
            self.read();
        }
        Ok(self.lines.pop_front().into_iter().collect())
    }

    fn print(&mut self, tone: Tone, text: &str) {
        self.end_line();
        match tone {
            Tone::Plain | Tone::Dim | Tone::Good | Tone::Bad => {
                for line in text.split('\n') {
                    self.write(&safe::row(line));
                    self.write("\n");
                }
            }
            // The user did not type it.
            Tone::Echo => {}
        }
    }

    fn begin_answer(&mut self, label: Option<&str>) {
        self.end_line();
        if let Some(label) = label {
            self.print(Tone::Plain, label);
        }
    }

    fn answer(&mut self, text: &str) {
        let mut shown = String::with_capacity(text.len());
        if std::mem::take(&mut self.pending_return) && !text.starts_with('\n') {
            shown.push_str("^M");
        }
        let text = match text.strip_suffix('\r') {
            Some(text) => {
                self.pending_return = true;
                text
            }
            None => text,
        };
        for (at, line) in text.replace("\r\n", "\n").split('\n').enumerate() {
            if at > 0 {
                shown.push('\n');
            }
            for (at, part) in line.split('\t').enumerate() {
                shown.push_str(if at > 0 { "\t" } else { "" });
                shown.push_str(&safe::row(part));
            }
        }
        self.write(&shown);
    }

    fn thinking(&mut self, _text: &str) {}

    fn end_answer(&mut self) {
        if std::mem::take(&mut self.pending_return) {
            self.write("^M");
        }
        self.end_line();
    }

    fn status(&mut self, _status: Option<Status>) {}

    fn prompt(&mut self, _prompt: &str) {}

    fn prefill(&mut self, _text: &str) {}

    fn edit_in_editor(&mut self, text: &str) -> io::Result<String> {
        external::edit(text)
    }

    fn suspend(&mut self) -> io::Result<()> {
        terminal::stop_process()
    }

    fn copy(&mut self, _text: &str) {}

    fn backlog_bytes(&self) -> usize {
        0
    }

    fn close(&mut self) -> io::Result<()> {
        self.end_line();
        io::stdout().flush()
    }
}
