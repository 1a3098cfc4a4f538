//! A simulated terminal: a pseudoterminal with a model of the screen, which answers status requests and can
//! be slow.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// The timeout of every wait of a test.
const SOON: Duration = Duration::from_secs(60);
const SCROLLBACK_ROWS: usize = 20_000;
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

/// Counts the program's queries and attempts.
#[derive(Debug, Default)]
pub struct Asked {
    pub status_requests: usize,
    /// The position of the cursor, row and column, at each query without an answer yet.
    positions: Vec<(u16, u16)>,
    pub titles: usize,
    pub clipboard: usize,
    pub bells: usize,
}

impl vt100::Callbacks for Asked {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.bells += 1;
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, _title: &[u8]) {
        self.titles += 1;
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _kind: &[u8], _data: &[u8]) {
        self.clipboard += 1;
    }

    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        _: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        last: char,
    ) {
        if last == 'n' && params == [&[5][..]] {
            self.status_requests += 1;
        }
        if last == 'n' && params == [&[6][..]] {
            self.positions.push(screen.cursor_position());
        }
    }
}

/// A program on a terminal of 80 columns and 24 rows. Dropping it kills the program.
pub struct Pty {
    master: File,
    child: Child,
    pub screen: vt100::Parser<Asked>,
    /// Whether status requests are answered.
    pub answers: bool,
    answered: usize,
    columns: u16,
    rows: u16,
    /// The width of the window from the program's next query on.
    next_columns: Option<u16>,
    /// The terminal's speed in bytes per second.
    rate: Option<f64>,
    rate_since: Instant,
    taken: f64,
    /// All that the program wrote.
    pub raw: Vec<u8>,
    is_over: bool,
}

fn size(value: u16) -> NonZeroU16 {
    NonZeroU16::new(value).unwrap()
}

fn winsize(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn wait(watched: &mut [PollFd<'_>], milliseconds: u16) {
    let nanoseconds = i64::from(milliseconds % 1000) * 1_000_000;
    let limit = Timespec { tv_sec: (milliseconds / 1000).into(), tv_nsec: nanoseconds };
    let _interrupted = poll(watched, Some(&limit));
}

impl Pty {
    /// Runs a program whose standard streams are this terminal.
    pub fn start(command: &mut Command) -> Pty {
        Pty::sized(command, COLUMNS, ROWS)
    }

    /// The same, on a terminal with another size.
    pub fn sized(command: &mut Command, columns: u16, rows: u16) -> Pty {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(ptsname(&master, vec![]).unwrap(), flags, Mode::empty()).unwrap();
        let (slave, master) = (File::from(slave), File::from(master));
        tcsetwinsize(&master, winsize(columns, rows)).unwrap();
        rustix::io::ioctl_fionbio(&master, true).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        command.env("TERM", "xterm-256color").env("XTERM_VERSION", "the model of the screen does not reflow");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        // The test's own copies of this end would keep the terminal open.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Pty {
            master,
            child,
            screen: vt100::Parser::new_with_callbacks(
                size(rows),
                size(columns),
                SCROLLBACK_ROWS,
                Asked::default(),
            ),
            answers: true,
            answered: 0,
            columns,
            rows,
            next_columns: None,
            rate: None,
            rate_since: Instant::now(),
            taken: 0.0,
            raw: Vec::new(),
            is_over: false,
        }
    }

    /// Runs a shell command as the leader of its own session, with this as the controlling terminal.
    #[cfg(target_os = "linux")]
    pub fn session(script: &str) -> Pty {
        let controlling = "exec <>\"$(tty)\" >&0 2>&1";
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", &format!("{controlling}; {script}")]);
        Pty::start(command.env_remove("TMUX").env_remove("NO_COLOR"))
    }

    pub fn throttle(&mut self, bytes_per_second: f64) {
        self.rate = Some(bytes_per_second);
        self.rate_since = Instant::now();
        self.taken = 0.0;
    }

    pub fn press(&mut self, keys: &str) {
        let mut rest = keys.as_bytes();
        while !rest.is_empty() {
            match (&self.master).write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.turn(10);
                }
                Err(error) => panic!("the terminal takes no keys: {error}"),
            }
        }
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.columns = columns;
        self.rows = rows;
        self.screen.screen_mut().set_size(size(rows), size(columns));
        tcsetwinsize(&self.master, winsize(columns, rows)).unwrap();
    }

    /// Changes the width of the window at the program's next query, and wraps its contents again, as
    /// most terminals do. The kernel learns of it afterwards.
    pub fn reflow_when_asked(&mut self, columns: u16) {
        self.next_columns = Some(columns);
        self.until("the question for the width", |pty| pty.next_columns.is_none());
        tcsetwinsize(&self.master, winsize(columns, self.rows)).unwrap();
    }

    fn reflow(&mut self, columns: u16) {
        let lines = self.lines();
        let mut screen = vt100::Parser::new_with_callbacks(
            size(self.rows),
            size(columns),
            SCROLLBACK_ROWS,
            std::mem::take(self.screen.callbacks_mut()),
        );
        // The cursor is after the last line, and the blank before it is not part of the line.
        let (_, column) = self.screen.screen().cursor_position();
        let text = lines.join("\r\n").trim_end().to_owned();
        screen.process(format!("{text}\x1b[{}G", column + 1).as_bytes());
        (self.screen, self.columns) = (screen, columns);
    }

    /// Reads the program's output; waits at most this long. `false` if there was none.
    pub fn turn(&mut self, milliseconds: u16) -> bool {
        let allowed = match self.rate {
            None => 1 << 16,
            Some(rate) => {
                let earned = self.rate_since.elapsed().as_secs_f64() * rate;
                // A line does not accumulate unused capacity.
                self.taken = self.taken.max(earned - rate * 0.01);
                (earned - self.taken) as usize
            }
        };
        if allowed == 0 {
            wait(&mut [], 1);
            return false;
        }
        wait(&mut [PollFd::new(&self.master, PollFlags::IN)], milliseconds);
        let mut bytes = vec![0; allowed.min(1 << 16)];
        match (&self.master).read(&mut bytes) {
            Ok(read @ 1..) => {
                self.raw.extend_from_slice(&bytes[..read]);
                self.taken += read as f64;
                self.screen.process(&bytes[..read]);
                let positions = std::mem::take(&mut self.screen.callbacks_mut().positions);
                let answered = if self.answers { positions } else { vec![] };
                for (row, column) in answered {
                    let position = match self.next_columns.take() {
                        Some(columns) => {
                            self.reflow(columns);
                            (self.screen.screen().cursor_position().0, columns)
                        }
                        None => (row, column + 1),
                    };
                    self.press(&format!("\x1b[{};{}R", position.0 + 1, position.1));
                }
                let asked = self.screen.callbacks().status_requests;
                while self.answers && self.answered < asked {
                    self.answered += 1;
                    self.press("\x1b[0n");
                }
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => false,
            // The last program has closed the terminal.
            Ok(_) | Err(_) => {
                self.is_over = true;
                false
            }
        }
    }

    /// Reads the program's output until a condition is true.
    pub fn until(&mut self, what: &str, mut is_seen: impl FnMut(&mut Pty) -> bool) {
        let ends = Instant::now() + SOON;
        while !is_seen(self) {
            assert!(Instant::now() < ends && !self.is_over, "not seen: {what}\n{}", self.text());
            self.turn(100);
        }
    }

    /// Reads the program's output until it has read all of the terminal's replies; the shell would read the rest.
    pub fn settle(&mut self) {
        let name = ptsname(&self.master, vec![]).unwrap();
        let device = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        self.until("all is read", |pty| !pty.turn(20) && rustix::io::ioctl_fionread(&device).unwrap() == 0);
    }

    /// Waits until the screen shows a text.
    pub fn expect(&mut self, text: &str) {
        self.until(text, |pty| pty.text().contains(text));
    }

    /// Waits until the row of the cursor is this, up to blanks at its end.
    pub fn expect_row(&mut self, row: &str) {
        self.until(row, |pty| pty.cursor_row() == row);
    }

    /// Types lines at a prompt, each after the prompt has taken the one before: several at once would be a paste.
    pub fn enter(&mut self, prompt: &str, lines: &[&str]) {
        for line in lines {
            self.press(&format!("{line}\r"));
            let echoed = format!("{prompt} {line}");
            self.until(&echoed, |pty| {
                pty.cursor_row() == prompt && pty.lines().iter().any(|line| line.contains(&echoed))
            });
        }
    }

    /// The row of the cursor.
    pub fn cursor_row(&self) -> String {
        let (row, _) = self.screen.screen().cursor_position();
        self.screen.screen().rows(0, self.columns).nth(row.into()).unwrap_or_default().trim_end().to_owned()
    }

    /// The screen.
    pub fn text(&self) -> String {
        let rows = self.screen.screen().rows(0, self.columns);
        rows.map(|row| row.trim_end().to_owned()).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    /// Scrollback and screen as lines: rows that were wrapped are one line.
    pub fn lines(&mut self) -> Vec<String> {
        let columns = self.columns;
        let screen = self.screen.screen_mut();
        screen.set_scrollback(usize::MAX);
        let above = screen.scrollback();
        let mut rows = vec![];
        for offset in (1..=above).rev() {
            screen.set_scrollback(offset);
            rows.push((screen.rows(0, columns).next().unwrap_or_default(), screen.row_wrapped(0)));
        }
        screen.set_scrollback(0);
        let shown: Vec<_> = screen.rows(0, columns).collect();
        for (at, row) in (0..self.rows).zip(shown) {
            rows.push((row, screen.row_wrapped(at)));
        }
        let mut lines = vec![String::new()];
        for (row, is_wrapped) in rows {
            if let Some(line) = lines.last_mut() {
                line.push_str(if is_wrapped { &row } else { row.trim_end() });
            }
            if !is_wrapped {
                lines.push(String::new());
            }
        }
        lines
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether keys reach the program one by one; in a shell's terminal they do not.
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.master).unwrap().local_modes;
        let cooked = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        assert!(modes.contains(cooked) || !modes.intersects(cooked), "half raw: {modes:?}");
        !modes.contains(cooked)
    }

    /// Waits for the program's end, and reads its remaining output.
    pub fn end(&mut self) -> ExitStatus {
        let ends = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.rate = None;
                while self.turn(0) {}
                return status;
            }
            assert!(Instant::now() < ends, "the program does not end\n{}", self.text());
            self.turn(20);
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
