//! Starts the program and reads its output.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A test step that takes longer never ends.
pub const SOON: Duration = Duration::from_secs(30);

/// The program with arguments and an empty environment.
pub fn towline<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towline"));
    command.args(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
    // No test writes to the home folder of its user.
    command.env_clear().env("HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/home")).stdin(Stdio::null());
    command
}

/// `run` against a server.
pub fn run(url: &str, more: &[&str]) -> Command {
    towline(["run", "--host", url, "-m", "m"].into_iter().chain(more.iter().copied()).chain(["hi"]))
}

/// The output of a program and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Standard output as JSON lines.
    pub fn lines(&self) -> Vec<Value> {
        let parse =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The last JSON line.
    pub fn end(&self) -> Value {
        let end = self.lines().pop().unwrap_or_else(|| panic!("no lines: {self:?}"));
        assert_eq!(end["event"], "end", "{self:?}");
        end
    }
}

/// Runs a program to its end.
pub fn ended(command: &mut Command) -> Ended {
    Live::start(command).finish()
}

/// Runs a program with this text on standard input.
pub fn ended_with_input(command: &mut Command, input: &[u8]) -> Ended {
    let mut live = Live::start(command.stdin(Stdio::piped()));
    let mut stdin = live.child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    live.finish()
}

/// A program that is running.
pub struct Live {
    pub child: Child,
    stdout: Option<Gathered>,
    stderr: Gathered,
}

impl Live {
    /// Starts a program and collects its output.
    pub fn start(command: &mut Command) -> Live {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Some(Gathered::new(child.stdout.take().unwrap()));
        let stderr = Gathered::new(child.stderr.take().unwrap());
        Live { child, stdout, stderr }
    }

    /// Starts a program whose standard output the test reads itself.
    pub fn start_with_stdout(command: &mut Command, stdout: Stdio) -> Live {
        let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Gathered::new(child.stderr.take().unwrap());
        Live { child, stdout: None, stderr }
    }

    /// Waits until standard output contains a text.
    pub fn expect(&mut self, text: &str) {
        self.stdout.as_mut().unwrap().expect(text);
    }

    /// Standard output so far.
    pub fn stdout_text(&self) -> String {
        self.stdout.as_ref().unwrap().text()
    }

    /// Waits until standard error contains a text.
    pub fn expect_error(&mut self, text: &str) {
        self.stderr.expect(text);
    }
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Ended {
        let stdout = self.stdout.as_mut().map(Gathered::rest).unwrap_or_default();
        let stderr = self.stderr.rest();
        let deadline = Instant::now() + SOON;
        // Its standard output and standard error are closed, so it ends now; std has no wait with a limit.
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Ended { code: status.code(), stdout, stderr };
            }
            assert!(Instant::now() < deadline, "it does not end: {stdout:?} {stderr:?}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Output as it arrives.
pub struct Gathered {
    pieces: Receiver<Vec<u8>>,
    bytes: Vec<u8>,
}

impl Gathered {
    pub fn new(mut from: impl Read + Send + 'static) -> Gathered {
        let (sender, pieces) = sync_channel(1024);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // A pseudoterminal ends with an error.
            while let Ok(count @ 1..) = from.read(&mut piece) {
                if sender.send(piece[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Gathered { pieces, bytes: Vec::new() }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn expect(&mut self, text: &str) {
        self.until(|seen| seen.text().contains(text), &format!("{text:?}"));
    }

    pub fn until(&mut self, enough: impl Fn(&Gathered) -> bool, what: &str) {
        let deadline = Instant::now() + SOON;
        while !enough(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.bytes.extend(piece),
                Err(error) => panic!("{what} did not come ({error}): {:?}", self.text()),
            }
        }
    }

    pub fn rest(&mut self) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            match self.pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(piece) => self.bytes.extend(piece),
                Err(RecvTimeoutError::Disconnected) => return self.text(),
                Err(RecvTimeoutError::Timeout) => panic!("the output does not end: {:?}", self.text()),
            }
        }
    }
}
