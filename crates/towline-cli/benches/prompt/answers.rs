//! Answers at a fixed rate, with words of 1 to 9 characters, some of them wide.

use towline_testkit::records::ollama;
use towline_testkit::{Body, Pace, Routes, Script, Server};

const WORDS: [&str; 9] = ["word", "a", "longer", "你好", "émigré", "stream", "終わり", "x", "tokens"];
/// Longer than any measurement.
const LONG_SECONDS: usize = 60;

/// Numbered lines, so that each one can be found.
pub(crate) fn numbered(lines: usize) -> Vec<String> {
    let words = |line: usize| (0..6).map(move |word| WORDS[(line + word) % WORDS.len()]);
    (0..lines)
        .map(|line| format!("line-{line:04} {} end", words(line).collect::<Vec<_>>().join(" ")))
        .collect()
}

/// An answer of lines, one word per record.
pub(crate) fn paced(lines: &[String], per_second: usize) -> Script {
    let text = lines.join("\n") + "\n";
    let words: Vec<&str> = text.split_inclusive([' ', '\n']).collect();
    let records = words.iter().map(|word| ollama::chat_text(word));
    let records = records.chain([ollama::chat_done("stop", words.len() as u64)]);
    Script::request()
        .head(200, "application/x-ndjson", Body::Chunked)
        .paced_lines(records, Pace::per_second(per_second as f64))
        .end_chunks()
}

/// A server whose models `slow` and `fast` give long answers, at 500 and 5,000 tokens a second.
pub(crate) fn endless() -> Server {
    let answer = |per_second| paced(&numbered(per_second * LONG_SECONDS / 8), per_second);
    Server::start(Routes::new().model("slow", answer(500)).model("fast", answer(5_000)))
}
