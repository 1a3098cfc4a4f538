//! The prompt, as people and scripts use it.

mod chat;
mod hostile;
mod jobs;
mod own;
mod plain;
mod relay;
#[cfg(target_os = "linux")]
mod shell;
mod terminal;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::program::towline;
use crate::pty::Pty;

/// `towline` with the model `m` of a server.
fn command(server: &Server, home: &Path) -> Command {
    let mut command = towline(["--direct", "--host", &server.url(), "-m", "m"]);
    command.env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// A prompt on a terminal, with its own home folder.
fn prompt(server: &Server) -> (Pty, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut pty = Pty::start(&mut command(server, home.path()));
    pty.expect_row("m>");
    (pty, home)
}

/// Waits for the end; the terminal's modes must be restored.
fn ended(pty: &mut Pty) -> Option<i32> {
    let code = pty.end().code();
    assert!(!pty.is_raw() && !pty.screen.screen().bracketed_paste());
    code
}

/// The model `m` sends some text and continues when the gate `go` opens.
fn stalled() -> Server {
    let script = Script::ndjson_open([ollama::chat_text("some text\n")]);
    let script =
        script.wait("go").lines([ollama::chat_text("more\n"), ollama::chat_done("stop", 2)]).end_chunks();
    Server::start(Routes::new().path("/api/chat", script).path("/api/tags", Script::error(404, "none")))
}

/// The questions, in order, without requests for the server's lists, which can come at any time.
fn chats(server: &Server) -> Vec<Value> {
    let requests = server.requests().into_iter().filter(|request| request.path() == "/api/chat");
    requests.map(|request| request.json().unwrap()).collect()
}
