//! Answers that try to control the terminal.

use serde_json::json;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use super::{ended, prompt};
use crate::pty::Pty;

/// Clear, move, reset, query, set the title, copy, ring, change the writing direction, hide.
const HOSTILE: &str = "a\u{1b}[2J\u{1b}[1;1Hb\u{1b}]0;title\u{7}\u{1b}]52;c;aGk=\u{7}\u{1b}]8;;http://x\u{1b}\\\
    \u{1b}P+q\u{1b}\\\u{9b}31m\u{9d}2;t\u{9c}\u{1b}c\u{1b}[6n\u{1b}[?1049h\u{202e}\u{2066}\0\u{8}\r\u{85}\u{2028}z";

/// Checks that the terminal got no control sequence, except those of the prompt itself.
fn assert_harmless(pty: &Pty) {
    let asked = pty.screen.callbacks();
    assert_eq!((asked.titles, asked.clipboard, asked.bells), (0, 0, 0));
    assert!(!pty.screen.screen().alternate_screen());
    let written = String::from_utf8(pty.raw.clone()).unwrap();
    // The prompt queries the colour of the background once.
    let written = written.replacen("\u{1b}]11;?\u{1b}\\", "", 1);
    // And, before a frame, the width of the window.
    let written = written.replace("\u{1b}[9999G\u{1b}[6n", "");
    for acts in ["\u{1b}]", "\u{1b}P", "\u{1b}c", "\u{1b}[6n", "\u{1b}[2J", "\u{1b}[1;1H", "\u{1b}[?1049h"] {
        assert!(!written.contains(acts), "{acts:?} was sent");
    }
    let hides = |c: &char| matches!(*c, '\0' | '\u{7}' | '\u{8}' | '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}');
    assert_eq!(written.chars().find(hides), None);
}

#[test]
fn a_hostile_answer_cannot_act() {
    let answer = Script::ndjson([
        ollama::chat_thinking(HOSTILE),
        ollama::chat_text("before\n"),
        ollama::chat_text(HOSTILE),
        ollama::chat_text("\n| x | y |\n|---|---|\n| "),
        ollama::chat_text(HOSTILE),
        ollama::chat_text(" | 2 |\n\n```rust\n"),
        ollama::chat_text(HOSTILE),
        ollama::chat_text("\n```\n"),
        ollama::chat_tool_call("1", HOSTILE, json!({ HOSTILE: HOSTILE })),
        ollama::chat_done("stop", 2),
    ]);
    let server = Server::start(Routes::new().path_each("/api/chat", [answer, Script::error(500, HOSTILE)]));
    let (mut pty, _home) = prompt(&server);
    pty.press("ask\r");
    pty.expect("the model asks for");
    pty.press("\x0f");
    pty.expect("│ a^[[2J^[[1;1Hb^[]0;title^G");
    pty.enter("m>", &[":export md", ":unfold", "jobs -l", "ask &"]);
    pty.expect("1 ended");
    pty.press("\r");
    pty.expect("Failed");
    pty.press(&format!("\x1b[200~{}\x1b[201~", HOSTILE.replace("\u{1b}", "")));
    pty.until("the pasted text", |pty| pty.cursor_row().ends_with('z'));
    pty.press("\x03typed");
    pty.expect_row("m> typed");
    assert!(pty.lines().iter().any(|line| line == "before"));
    assert_harmless(&pty);
    pty.press("\x15exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn a_line_of_a_megabyte_leaves_the_prompt_alive() {
    const BYTES: usize = 1 << 20;
    let answer = Script::ndjson([ollama::chat_text(&"x".repeat(BYTES)), ollama::chat_done("stop", 2)]);
    let server = Server::start(Routes::new().path("/api/chat", answer));
    let (mut pty, _home) = prompt(&server);
    pty.press("ask\r");
    pty.press("typed");
    pty.expect_row("m> typed");
    pty.until("all of it", |pty| !pty.text().contains("streaming") && pty.text().contains("xxx"));
    pty.press("\x15exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    let lines = pty.lines();
    let answer = lines.iter().filter(|line| !line.contains("exit"));
    assert_eq!(answer.map(|line| line.matches('x').count()).sum::<usize>(), BYTES);
}

#[test]
fn what_a_server_calls_itself_is_shown_and_not_obeyed() {
    let tags = json!({ "models": [{ "name": HOSTILE, "size": 1, "digest": HOSTILE }] }).to_string();
    let server = Server::start(
        Routes::new()
            .path("/api/tags", Script::respond(200, "application/json", tags))
            .path("/api/chat", Script::error(404, HOSTILE)),
    );
    let (mut pty, _home) = prompt(&server);
    pty.press(":models\r");
    pty.expect("^[[2J");
    pty.press(":model \t\t");
    pty.press("\x15ask\r");
    pty.expect("Failed: ");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    assert_harmless(&pty);
}
