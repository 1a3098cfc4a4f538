//! The responsiveness of the prompt: `cargo bench -p towline-cli --bench prompt [-- SECTION…]`.
//!
//! Sections: `keys`, `lines`, `control`; by default all. The program runs on a pseudoterminal that answers like
//! a terminal, beside bash on another. Each figure is printed with its limit.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that reports, or stops")]

mod answers;
mod control;
mod figures;
mod keys;
mod lines;
#[expect(dead_code, unreachable_pub, reason = "the tests use all of it")]
#[path = "../../tests/it/pty.rs"]
mod pty;

use std::process::Command;

use pty::Pty;
use towline_testkit::Server;

fn main() {
    let sections: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let wanted = |section: &str| sections.is_empty() || sections.iter().any(|name| name == section);
    figures::print_machine();
    if wanted("keys") {
        keys::run();
    }
    if wanted("lines") {
        lines::run();
    }
    if wanted("control") {
        control::run();
    }
}

/// A prompt with a model of the server, in its own home folder.
fn prompt(server: &Server, model: &str) -> (Pty, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_towline"));
    command.args(["--direct", "--host", &server.url(), "-m", model]).env_clear().env("HOME", home.path());
    let mut pty = Pty::start(&mut command);
    pty.expect_row(&format!("{model}>"));
    (pty, home)
}
