//! What a person sees, through a real pseudoterminal.

use std::process::Command;

use rustix::process::Signal;
use serde_json::json;
use towline_testkit::records::ollama::{
    chat, chat_done, chat_text, chat_thinking, chat_tool_call, progress, status,
};
use towline_testkit::{Routes, Script, Server, http};

use crate::program::{SOON, run, towline};
use crate::pty::Pty;

/// Runs a program to its end on a terminal.
fn ended(command: &mut Command) -> (Option<i32>, String, Pty) {
    let mut pty = Pty::start(command);
    let code = pty.end().code();
    (code, pty.text(), pty)
}

#[test]
fn an_answer_ends_with_a_line_end() {
    let server = Server::start(Script::ndjson([chat_text("Hello"), chat_done("stop", 1)]));
    let (code, text, pty) = ended(&mut run(&server.url(), &[]));
    assert_eq!((code, text.as_str()), (Some(0), "Hello"));
    assert_eq!(pty.screen.screen().cursor_position(), (1, 0));
}

#[test]
fn tokens_are_shown_as_they_arrive() {
    let server = Server::start(
        Script::ndjson_open([chat_text("Hel")]).wait("go").lines([chat_text("lo"), chat_done("stop", 2)]),
    );
    let mut pty = Pty::start(&mut run(&server.url(), &[]));
    pty.expect("Hel");
    server.open("go");
    pty.end();
    assert_eq!(pty.text(), "Hello");
}

#[test]
fn an_answer_is_rendered_as_the_prompt_does_it() {
    let words = "word ".repeat(29);
    let answer = format!("# Title\n\n- **bold** {words}\n\n```sh\nls *.log\n```\n");
    let records: Vec<String> = answer.split_inclusive(' ').map(chat_text).collect();
    let server = Server::start(Script::ndjson(records.into_iter().chain([chat_done("stop", 2)])));
    let (code, text, pty) = ended(&mut run(&server.url(), &[]));
    let shown = format!(
        "Title\n\n• bold{}\n  {}\n\n```sh\nls *.log\n```",
        " word".repeat(14),
        "word ".repeat(14) + "word"
    );
    assert_eq!((code, text.as_str()), (Some(0), shown.as_str()));
    assert!(pty.screen.screen().cell(2, 2).unwrap().bold());
    let (_, text, _) = ended(&mut run(&server.url(), &["--plain"]));
    assert!(text.starts_with("# Title\n\n- **bold** word"), "{text}");
}

#[test]
fn thinking_is_folded_and_plainly_shown() {
    let records = [chat_thinking("Hm, a river."), chat_text("Water."), chat_done("stop", 2)];
    let server = Server::start(
        Script::ndjson_open([records[0].clone()]).wait("go").lines(records[1..].to_vec()).end_chunks(),
    );
    let mut pty = Pty::start(&mut run(&server.url(), &[]));
    pty.expect("thinking…\nHm, a river.");
    server.open("go");
    pty.end();
    let text = pty.text();
    assert!(text.starts_with("thought for ") && text.ends_with("(--plain shows it)\n\nWater."), "{text}");
}

#[test]
fn plain_thinking_is_dim_and_set_apart() {
    let records =
        [chat_thinking("Hm, a "), chat_thinking("river."), chat_text("Water."), chat_done("stop", 2)];
    let server = Server::start(Script::ndjson(records.clone()));
    let (_, text, pty) = ended(&mut run(&server.url(), &["--plain"]));
    assert_eq!(text, "thinking…\nHm, a river.\n… done thinking\n\nWater.");
    assert!(pty.screen.screen().cell(1, 0).unwrap().dim());
    assert!(!pty.screen.screen().cell(4, 0).unwrap().dim());
    let (_, text, pty) = ended(run(&server.url(), &["--plain"]).env("NO_COLOR", "1"));
    assert_eq!(text, "thinking…\nHm, a river.\n… done thinking\n\nWater.");
    assert!(!pty.screen.screen().cell(1, 0).unwrap().dim());
}

#[test]
fn a_tool_call_stands_on_a_line_of_its_own() {
    let call = chat_tool_call("1", "weather", json!({ "city": "Ulm\u{1b}[2J" }));
    let server = Server::start(Script::ndjson([chat_text("Let me see"), call, chat_done("stop", 2)]));
    let (_, text, _) = ended(&mut run(&server.url(), &[]));
    assert_eq!(text, "Let me see\ntool call: weather {\"city\":\"Ulm\\u001b[2J\"}");
}

#[test]
fn hostile_text_is_shown_and_not_obeyed() {
    let hostile = "a\u{1b}[2Jb\u{1b}]0;owned\u{7}c\u{9b}31md\re\u{8}\u{1b}[1;1Hf";
    let shown = "a^[[2Jb^[]0;owned^Gc<U+009B>31md^Me^H^[[1;1Hf";
    let server = Server::start(Script::ndjson([chat_text(hostile), chat_done("stop", 1)]));
    let (_, text, _) = ended(&mut run(&server.url(), &[]));
    assert_eq!(text, shown.replace("^M", "\n"), "a lone return ends a line of Markdown");
    let (_, text, pty) = ended(&mut run(&server.url(), &["--plain"]));
    assert_eq!(text, shown);
    assert!(pty.screen.screen().cell(0, 30).is_some_and(|cell| cell.fgcolor() == vt100::Color::Default));

    let server = Server::start(Script::error(500, "x\u{1b}[2Jy"));
    let (_, text, _) = ended(&mut run(&server.url(), &[]));
    assert!(text.starts_with("error: x") && text.contains("[2Jy"), "{text}");

    let tags = json!({ "models": [{ "name": "evil\u{1b}[2J\u{9b}H", "size": 1, "digest": "d\u{1b}[H" }] })
        .to_string();
    let server = Server::start(Script::respond(200, "application/json", tags));
    for option in [&[][..], &["--json"][..]] {
        let arguments = ["list", "--host", &server.url()].map(str::to_owned);
        let options = option.iter().map(|&option| option.to_owned());
        let (_, _, pty) = ended(&mut towline(arguments.into_iter().chain(options)));
        let written = String::from_utf8(pty.raw.clone()).unwrap();
        assert!(!written.contains(['\u{1b}', '\u{9b}']), "{written:?}");
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
    let mut pty = Pty::start(&mut run(&server.url(), &[]));
    pty.expect("waiting for the first token of m");
    server.open("go");
    pty.end();
    assert_eq!(pty.text(), "Hello");
}

#[test]
fn a_signal_says_what_was_kept() {
    let server = Server::start(Script::ndjson_open([chat_text("Hello")]).stall());
    let mut pty = Pty::start(&mut run(&server.url(), &[]));
    pty.expect("Hello");
    pty.signal(Signal::INT);
    let (code, text) = (pty.end().code(), pty.text());
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
    let mut pty = Pty::start(&mut towline(["pull", "--host", &server.url(), "m"]));
    pty.expect("50 %");
    pty.expect("2.00 GB/4.00 GB");
    server.open("go");
    let (code, text) = (pty.end().code(), pty.text());
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

#[test]
fn progress_is_narrower_than_the_terminal() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let part = |done: u64| progress(&digest, done, 4_000_000_000);
    for columns in [60, 40, 20] {
        let server = Server::start(
            Script::ndjson_open([status("pulling manifest"), part(2_000_000_000)])
                .wait("go")
                .lines([part(4_000_000_000), status("success")]),
        );
        let mut pty = Pty::sized(&mut towline(["pull", "--host", &server.url(), "m"]), columns, 24);
        pty.expect("50 %");
        server.open("go");
        assert_eq!(pty.end().code(), Some(0), "{}", pty.text());
        let text = pty.text();
        assert!(text.lines().all(|row| row.chars().count() < columns.into()), "at {columns}: {text}");
        assert_eq!(text.lines().count(), 3, "at {columns}: {text}");
    }
}

#[test]
fn a_missing_model_can_be_fetched_at_once() {
    let server = || {
        Server::start(
            Routes::new()
                .path("/api/tags", Script::respond(200, http::JSON, json!({ "models": [] }).to_string()))
                .path("/api/pull", Script::ndjson([status("pulling manifest"), status("success")]))
                .path_each(
                    "/api/chat",
                    [Script::error(404, "model 'm' not found"), Script::ndjson(chat(&["Hello"]))],
                ),
        )
    };
    let yes = server();
    let mut pty = Pty::start(&mut run(&yes.url(), &[]));
    pty.expect("has no model m. Fetch it? [y/N]");
    pty.press("y\r");
    assert_eq!(pty.end().code(), Some(0), "{}", pty.text());
    assert!(pty.text().ends_with("Hello"), "{}", pty.text());
    assert_eq!(yes.requests()[1].json().unwrap(), json!({ "model": "m", "stream": true }));
    let no = server();
    let mut pty = Pty::start(&mut run(&no.url(), &[]));
    pty.expect("[y/N]");
    pty.press("\r");
    assert_eq!(pty.end().code(), Some(1), "{}", pty.text());
    assert!(pty.text().contains("model 'm' not found"), "{}", pty.text());
}
