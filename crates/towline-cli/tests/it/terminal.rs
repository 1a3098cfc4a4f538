//! What a person sees, through a real pseudoterminal.

use std::fs::File;
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;
use serde_json::json;
use towline_testkit::records::ollama::{
    chat_done, chat_text, chat_thinking, chat_tool_call, progress, status,
};
use towline_testkit::{Script, Server};

use crate::program::{Gathered, SOON, run, towline};

const ROWS: std::num::NonZeroU16 = std::num::NonZeroU16::new(24).unwrap();
const COLUMNS: std::num::NonZeroU16 = std::num::NonZeroU16::new(80).unwrap();

/// A program on a terminal of that size.
struct Screen {
    child: std::process::Child,
    output: Gathered,
}

impl Screen {
    fn start(command: &mut Command) -> Screen {
        let size = Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let slave = File::from(pty.slave);
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child =
            command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        drop(slave);
        Screen { child, output: Gathered::new(File::from(pty.master)) }
    }

    fn seen(&self) -> vt100::Parser {
        let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
        terminal.process(self.output.bytes());
        terminal
    }

    /// The lines on the screen.
    fn text(&self) -> String {
        let rows: Vec<String> =
            self.seen().screen().rows(0, 80).map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned()
    }

    /// Waits until a text stands on the screen.
    fn expect(&mut self, text: &str) {
        let shows = |output: &Gathered| {
            let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
            terminal.process(output.bytes());
            terminal.screen().contents().contains(text)
        };
        self.output.until(shows, &format!("{text:?} on the screen"));
    }

    fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    fn finish(mut self) -> (Option<i32>, String, vt100::Parser) {
        self.output.rest();
        let code = self.child.wait().unwrap().code();
        (code, self.text(), self.seen())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn an_answer_ends_with_a_line_end() {
    let server = Server::start(Script::ndjson([chat_text("Hello"), chat_done("stop", 1)]));
    let (code, text, screen) = Screen::start(&mut run(&server.url(), &[])).finish();
    assert_eq!((code, text.as_str()), (Some(0), "Hello"));
    assert_eq!(screen.screen().cursor_position(), (1, 0));
}

#[test]
fn tokens_are_seen_as_they_come() {
    let server = Server::start(
        Script::ndjson_open([chat_text("Hel")]).wait("go").lines([chat_text("lo"), chat_done("stop", 2)]),
    );
    let mut screen = Screen::start(&mut run(&server.url(), &[]));
    screen.expect("Hel");
    server.open("go");
    assert_eq!(screen.finish().1, "Hello");
}

#[test]
fn thinking_is_dim_and_set_apart() {
    let records =
        [chat_thinking("Hm, a "), chat_thinking("river."), chat_text("Water."), chat_done("stop", 2)];
    let server = Server::start(Script::ndjson(records.clone()));
    let (_, text, screen) = Screen::start(&mut run(&server.url(), &[])).finish();
    assert_eq!(text, "thinking…\nHm, a river.\n… done thinking\n\nWater.");
    assert!(screen.screen().cell(1, 0).unwrap().dim());
    assert!(!screen.screen().cell(4, 0).unwrap().dim());
    let (_, text, screen) = Screen::start(run(&server.url(), &[]).env("NO_COLOR", "1")).finish();
    assert_eq!(text, "thinking…\nHm, a river.\n… done thinking\n\nWater.");
    assert!(!screen.screen().cell(1, 0).unwrap().dim());
}

#[test]
fn a_tool_call_stands_on_a_line_of_its_own() {
    let call = chat_tool_call("1", "weather", json!({ "city": "Ulm\u{1b}[2J" }));
    let server = Server::start(Script::ndjson([chat_text("Let me see"), call, chat_done("stop", 2)]));
    let (_, text, _) = Screen::start(&mut run(&server.url(), &[])).finish();
    assert_eq!(text, "Let me see\ntool call: weather {\"city\":\"Ulm\\u001b[2J\"}");
}

#[test]
fn hostile_text_is_shown_and_not_obeyed() {
    let hostile = "a\u{1b}[2Jb\u{1b}]0;owned\u{7}c\u{9b}31md\re\u{8}\u{1b}[1;1Hf";
    let shown = "a^[[2Jb^[]0;owned^Gc<U+009B>31md^Me^H^[[1;1Hf";
    let server = Server::start(Script::ndjson([chat_text(hostile), chat_done("stop", 1)]));
    let screen = Screen::start(&mut run(&server.url(), &[]));
    let (_, text, terminal) = screen.finish();
    assert_eq!(text, shown);
    assert!(terminal.screen().cell(0, 30).is_some_and(|cell| cell.fgcolor() == vt100::Color::Default));

    let server = Server::start(Script::error(500, "x\u{1b}[2Jy"));
    let (_, text, _) = Screen::start(&mut run(&server.url(), &[])).finish();
    assert!(text.starts_with("error: x") && text.contains("[2Jy"), "{text}");

    let tags = json!({ "models": [{ "name": "evil\u{1b}[2J\u{9b}H", "size": 1, "digest": "d\u{1b}[H" }] })
        .to_string();
    let server = Server::start(Script::respond(200, "application/json", tags));
    for option in [&[][..], &["--json"][..]] {
        let arguments = ["list", "--host", &server.url()].map(str::to_owned);
        let options = option.iter().map(|&option| option.to_owned());
        let mut screen = Screen::start(&mut towline(arguments.into_iter().chain(options)));
        screen.output.rest();
        assert!(!screen.output.text().contains(['\u{1b}', '\u{9b}']), "{:?}", screen.output.text());
    }
}

#[test]
fn hostile_text_into_a_pipe_is_exact() {
    let hostile = "a\u{1b}[2Jb\r\n\u{9b}é\0";
    let server = Server::start(Script::ndjson([chat_text(hostile), chat_done("stop", 1)]));
    assert_eq!(crate::program::ended(&mut run(&server.url(), &[])).stdout, hostile);
}

#[test]
fn the_wait_is_shown_and_then_gone() {
    let server = Server::start(
        Script::ndjson_open(Vec::<String>::new())
            .wait("go")
            .lines([chat_text("Hello"), chat_done("stop", 1)]),
    );
    let mut screen = Screen::start(&mut run(&server.url(), &[]));
    screen.expect("waiting for the first token of m");
    server.open("go");
    assert_eq!(screen.finish().1, "Hello");
}

#[test]
fn a_signal_says_what_was_kept() {
    let server = Server::start(Script::ndjson_open([chat_text("Hello")]).stall());
    let mut screen = Screen::start(&mut run(&server.url(), &[]));
    screen.expect("Hello");
    screen.signal(Signal::SIGINT);
    let (code, text, _) = screen.finish();
    assert_eq!(
        (code, text.as_str()),
        (Some(130), "Hello\nnote: interrupted; kept 5 characters of the answer (1 record)")
    );
    assert!(server.wait_for_close(0, SOON).is_some());
}

#[test]
fn a_pull_has_bars() {
    let (a, b) = (format!("sha256:{}", "a".repeat(64)), format!("sha256:{}", "b".repeat(64)));
    let server = Server::start(
        Script::ndjson_open([
            status("pulling manifest"),
            progress(&a, 0, 4_000_000_000),
            progress(&a, 2_000_000_000, 4_000_000_000),
            progress(&b, 1_000, 1_000),
        ])
        .wait("go")
        .lines([
            progress(&a, 4_000_000_000, 4_000_000_000),
            status("verifying sha256 digest"),
            status("success"),
        ]),
    );
    let mut screen = Screen::start(&mut towline(["pull", "--host", &server.url(), "m"]));
    screen.expect("50 %");
    screen.expect("2.00 GB/4.00 GB");
    server.open("go");
    let (code, text, _) = screen.finish();
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert_eq!(lines[0].trim_end(), "pulling manifest");
    assert!(
        lines[1].starts_with("pulling aaaa") && lines[1].contains("100 %") && lines[1].contains("4.00 GB"),
        "{text}"
    );
    assert!(lines[2].starts_with("pulling bbbb") && lines[2].contains("100 %"), "{text}");
    assert_eq!(lines[4].trim_end(), "success");
}
