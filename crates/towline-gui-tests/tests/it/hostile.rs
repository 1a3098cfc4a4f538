//! Answers that are made to hurt. Counts, not times: nothing that is laid out grows with the answer.

use towline_testkit::{Routes, Script, records::ollama};

use crate::stage::{Begin, Stage};

/// The most text that any one piece on screen may hold, in bytes: a block and what is open behind it.
const MAX_LAID_OUT: usize = 16 << 10;

fn show(answer: &str) -> Stage {
    let pieces =
        answer.as_bytes().chunks(64 << 10).map(|piece| ollama::chat_text(&String::from_utf8_lossy(piece)));
    let script = Script::ndjson(pieces.chain([ollama::chat_done("stop", 1)]));
    let mut stage = Stage::new(Routes::new().path("/api/chat", script), Begin::default());
    stage.ask_to_end("be evil");
    stage.harness.run_steps(2);
    stage
}

fn check(answer: &str) {
    let stage = show(answer);
    let kept = stage.window(|window| {
        window.chat().and_then(|chat| chat.conversation.last()).map(|turn| turn.answer().answer.content.len())
    });
    assert_eq!(kept, Some(answer.len()), "nothing is lost");
    let labels = stage.labels();
    let largest = labels.iter().map(String::len).max().unwrap_or(0);
    assert!(largest <= MAX_LAID_OUT, "{largest} bytes in one piece");
    let all: usize = labels.iter().map(String::len).sum();
    assert!(all <= 8 * MAX_LAID_OUT, "{all} bytes on screen");
}

#[test]
fn one_line_of_a_megabyte() {
    check(&"x".repeat(1 << 20));
}

#[test]
fn a_hundred_thousand_levels() {
    check(&"- ".repeat(100_000));
    check(&"> ".repeat(100_000));
}

#[test]
fn a_fence_without_end() {
    check(&format!("```\n{}", "let x = \"y\";\n".repeat(50_000)));
}

#[test]
fn a_table_without_end() {
    check(&format!("| a | b |\n|---|---|\n{}", "| 1 | 2 |\n".repeat(20_000)));
}

#[test]
fn brackets_and_stars_without_end() {
    check(&"[".repeat(200_000));
    check(&"*a _b ".repeat(40_000));
}

#[test]
fn controls_are_shown_as_such() {
    let stage = show("safe\u{202e}efas \u{1b}[2J");
    assert!(stage.shows("safe<U+202E>efas ^[[2J"), "{:?}", stage.labels());
}
