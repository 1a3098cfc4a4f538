//! The prompt on a real pseudoterminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::program::{SOON, towline};

/// A terminal that answers what it is asked, and its prompt.
struct Terminal {
    child: Child,
    keys: File,
    slave: File,
    shown: Arc<(Mutex<vt100::Parser>, Condvar)>,
    _home: tempfile::TempDir,
}

impl Terminal {
    fn start(server: &Server) -> Terminal {
        let home = tempfile::tempdir().unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let (slave, keys) = (File::from(pty.slave), File::from(pty.master));
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command = towline(["--host", &server.url(), "-m", "m"]);
        command.env("TERM", "xterm-256color").env("HOME", home.path());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let shown = Arc::new((Mutex::new(vt100::Parser::new(24, 80, 0)), Condvar::new()));
        let (mut output, mut answers) = (keys.try_clone().unwrap(), keys.try_clone().unwrap());
        let screen = Arc::clone(&shown);
        std::thread::spawn(move || {
            let (mut bytes, mut tail) = ([0; 4096], Vec::new());
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                screen.0.lock().unwrap().process(&bytes[..count]);
                screen.1.notify_all();
                tail.extend_from_slice(&bytes[..count]);
                // "Are you there?", also when it came in two pieces.
                while let Some(at) = tail.windows(4).position(|four| four == b"\x1b[5n") {
                    tail.drain(..at + 4);
                    if answers.write_all(b"\x1b[0n").is_err() {
                        return;
                    }
                }
                tail.drain(..tail.len().saturating_sub(3));
            }
        });
        Terminal { child, keys, slave, shown, _home: home }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen shows a text.
    fn see(&self, text: &str) {
        self.until(text, |contents| contents.contains(text));
    }

    fn until(&self, what: &str, fits: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + SOON;
        let mut screen = self.shown.0.lock().unwrap();
        while !fits(&screen.screen().contents()) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what:?} is not on the screen:\n{}", screen.screen().contents());
            screen = self.shown.1.wait_timeout(screen, left).unwrap().0;
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for the end; the terminal must be as it was.
    fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let flags = tcgetattr(&self.slave).unwrap().local_flags;
                assert!(
                    flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG),
                    "{flags:?}"
                );
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn stalled() -> Server {
    let script = Script::ndjson_open([ollama::chat_text("some text\n")]);
    let script =
        script.wait("go").lines([ollama::chat_text("more\n"), ollama::chat_done("stop", 2)]).end_chunks();
    Server::start(Routes::new().path("/api/chat", script).path("/api/tags", Script::error(404, "none")))
}

#[test]
fn a_stream_goes_behind_and_comes_back_and_is_cancelled() {
    let server = stalled();
    let mut terminal = Terminal::start(&server);
    terminal.see("m> ");
    terminal.press("what is it?\r");
    terminal.see("some text");
    terminal.see("m streaming");
    terminal.press("half typed");
    terminal.see("half typed");
    terminal.press("\x1a");
    terminal.see("[1]+  Running                 m  \"what is it?\" &");
    terminal.see("1 running");
    terminal.until("the half-typed line", |contents| contents.trim_end().ends_with("m> half typed"));
    terminal.press("\x15fg\r");
    terminal.see("m> fg\nm  \"what is it?\"\n");
    terminal.see("m streaming");
    terminal.press("\x03");
    terminal.see("Cancelled; 10 characters are kept");
    terminal.press("exit\r");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn notices_come_before_the_next_prompt_and_exit_takes_two() {
    let server = stalled();
    let mut terminal = Terminal::start(&server);
    terminal.see("m> ");
    terminal.press("one &\r");
    terminal.see("[1] m  \"one\"");
    server.open("go");
    terminal.see("1 done");
    terminal.press("\r");
    terminal.see("[1]+  Done                    m  \"one\"");
    let silent =
        Server::start(Routes::new().path("/api/chat", Script::ndjson_open([ollama::chat_text("x")]).stall()));
    let mut other = Terminal::start(&silent);
    other.see("m> ");
    other.press("two &\r");
    other.see("1 running");
    other.press("\x04");
    other.see("There are running jobs.");
    other.press("\x04");
    assert_eq!(other.ended(), Some(0));
    assert!(silent.wait_for_close(0, SOON).is_some());
    terminal.press("\x04");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn a_signal_ends_it_and_the_terminal_is_as_it_was() {
    let server = stalled();
    let mut terminal = Terminal::start(&server);
    terminal.see("m> ");
    terminal.press("one\r");
    terminal.see("some text");
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.ended(), Some(143));
}
