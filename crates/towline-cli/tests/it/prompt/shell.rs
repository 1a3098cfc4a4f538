//! The prompt as a job of a shell.

use rustix::process::Signal;
use towline_testkit::Server;

use super::{chats, command, ended, prompt, stalled};
use crate::program::{SOON, ended_with_input, towline};
use crate::pty::Pty;

/// A shell that starts the prompt; its home is the folder.
fn in_shell(server: &Server) -> (Pty, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut pty = Pty::session(&format!(
        "export HOME={}; PS1='shell$ ' exec bash --norc --noprofile -i",
        home.path().display()
    ));
    pty.expect_row("shell$");
    pty.press(&format!("{} --direct --host {} -m m\r", env!("CARGO_BIN_EXE_towline"), server.url()));
    pty.expect_row("m>");
    (pty, home)
}

#[test]
fn suspend_gives_the_terminal_to_the_shell_and_takes_it_back() {
    let server = stalled();
    let (mut pty, _home) = in_shell(&server);
    assert!(pty.is_raw());
    // The first time with the verb while a stream is in front, the second time with the key.
    pty.press("what?\r");
    pty.expect("some text");
    for (stop, seen) in [(":suspend\r", "m streaming"), ("\x1a", "m>")] {
        pty.press(stop);
        pty.until("the shell", |pty| pty.text().contains("Stopped") && pty.cursor_row() == "shell$");
        pty.press("clear; stty -a | grep -c -- -icanon; echo he''re\r");
        // The shell itself is in raw mode while it edits a line, so ask for the modes that a program gets.
        pty.expect("0\nhere\n");
        pty.press("fg\r");
        pty.expect(seen);
        pty.press("x");
        pty.expect_row("m> x");
        assert!(pty.is_raw() && pty.screen.screen().bracketed_paste());
        pty.press("\x15");
        server.open("go");
        pty.until("the end of the stream", |pty| !pty.text().contains("streaming"));
    }
    pty.press("exit\r");
    pty.expect_row("shell$");
    pty.press("stty -a | grep -c -- -icanon; echo status $?\r");
    pty.expect("0\nstatus 1\n");
}

#[test]
fn stopped_from_outside_it_comes_back() {
    let server = stalled();
    let (mut pty, _home) = in_shell(&server);
    pty.press("what?\r");
    pty.expect("some text");
    for signal in ["STOP", "TSTP"] {
        let script = format!("kill -{signal:?} $(ps -o pid= --ppid {})", pty.pid());
        assert!(std::process::Command::new("sh").args(["-c", &script]).status().unwrap().success());
        // A program that was stopped at once has not read the terminal's replies; the shell gets them, before its prompt
        // or after it.
        pty.until("the shell", |pty| pty.text().contains("Stopped") && pty.cursor_row().contains("shell$"));
        pty.press("\x15clear; fg\r");
        pty.expect("m streaming");
        pty.press("half");
        pty.expect_row("m> half");
        assert!(pty.is_raw());
        pty.press("\x15");
        pty.expect_row("m>");
    }
    server.open("go");
    pty.expect("more");
}

#[test]
fn a_signal_ends_it_and_the_shell_has_its_terminal() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 143)] {
        let server = stalled();
        let (mut pty, _home) = prompt(&server);
        pty.press("one\r");
        pty.expect("some text");
        pty.press("half typed");
        pty.signal(signal);
        assert_eq!(ended(&mut pty), Some(code), "{signal:?}");
        assert!(server.wait_for_close(0, SOON).is_some());
    }
}

#[test]
fn a_session_survives_a_kill_in_the_middle_of_an_answer() {
    let server = stalled();
    let home = tempfile::tempdir().unwrap();
    let mut pty = Pty::start(command(&server, home.path()).args(["--session", "work"]));
    pty.expect_row("m>");
    pty.press("what?\r");
    pty.expect("some text");
    // The next frame writes it.
    let search =
        || ended_with_input(towline(["history", "search", "some text"]).env("HOME", home.path()), b"");
    assert!(std::iter::repeat_with(search).take(200).any(|found| found.code == Some(0)));
    pty.signal(Signal::KILL);
    assert_eq!(pty.end().code(), None);

    let mut pty = Pty::start(command(&server, home.path()).args(["--session", "work"]));
    pty.expect_row("m>");
    pty.expect("what?");
    pty.expect("some text");
    server.open("go");
    pty.press(":continue\r");
    pty.expect("more");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    let sent = chats(&server).pop().unwrap();
    assert_eq!(sent["messages"][1]["content"], "some text\n", "{sent}");
}
