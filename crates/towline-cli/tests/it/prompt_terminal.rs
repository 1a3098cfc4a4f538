//! The prompt on a real pseudoterminal.

use nix::sys::signal::Signal;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::program::{SOON, towline};
use crate::pty::Pty;

/// A prompt on a terminal, with a home of its own.
fn prompt(server: &Server) -> (Pty, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut pty = Pty::start(towline(["--host", &server.url(), "-m", "m"]).env("HOME", home.path()));
    pty.expect("m>");
    (pty, home)
}

/// Waits for the end; the terminal must be as it was.
fn ended(pty: &mut Pty) -> Option<i32> {
    let code = pty.end().code();
    assert!(!pty.is_raw() && !pty.screen.screen().bracketed_paste());
    code
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
    let (mut pty, _home) = prompt(&server);
    pty.press("what is it?\r");
    pty.expect("some text");
    pty.expect("m streaming");
    pty.press("half typed");
    pty.expect("half typed");
    pty.press("\x1a");
    pty.expect("[1]+  Running                 m  \"what is it?\" &");
    pty.expect("1 running");
    pty.expect_row("m> half typed");
    pty.press("\x15fg\r");
    pty.expect("m> fg\nm  \"what is it?\"\n");
    pty.expect("m streaming");
    pty.press("\x03");
    pty.expect("Cancelled; 10 characters are kept");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn notices_come_before_the_next_prompt_and_exit_takes_two() {
    let server = stalled();
    let (mut pty, _home) = prompt(&server);
    pty.press("one &\r");
    pty.expect("[1] m  \"one\"");
    server.open("go");
    pty.expect("1 done");
    pty.press("\r");
    pty.expect("[1]+  Done                    m  \"one\"");
    let silent =
        Server::start(Routes::new().path("/api/chat", Script::ndjson_open([ollama::chat_text("x")]).stall()));
    let (mut other, _home) = prompt(&silent);
    other.press("two &\r");
    other.expect("1 running");
    other.press("\x04");
    other.expect("There are running jobs.");
    other.press("\x04");
    assert_eq!(ended(&mut other), Some(0));
    assert!(silent.wait_for_close(0, SOON).is_some());
    pty.press("\x04");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn a_signal_ends_it_and_the_terminal_is_as_it_was() {
    let server = stalled();
    let (mut pty, _home) = prompt(&server);
    pty.press("one\r");
    pty.expect("some text");
    pty.signal(Signal::SIGTERM);
    assert_eq!(ended(&mut pty), Some(143));
}
