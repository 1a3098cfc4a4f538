//! The history with many conversations: `cargo bench -p towline-app --bench history [-- CONVERSATIONS | FILE.db]`.
//!
//! Each conversation has two turns of about 150 words. The bench prints the times of lists and searches: the
//! median and the maximum of 20, and the median of the CPU time, which depends less on other programs. A
//! given file is measured as it is.

#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use towline::{Ending, Event, Message, Outcome};
use towline_app::chat::{Conversation, Settings, session};
use towline_app::history::{History, HistoryError, Limits};

const WORDS: [&str; 24] = [
    "river", "weir", "lock", "water", "stone", "bridge", "harbour", "stream", "engine", "deadline", "answer",
    "question", "window", "prompt", "relay", "token", "model", "memory", "search", "history", "frame",
    "glacier", "estuary", "delta",
];
const ROUNDS: usize = 20;
const LISTED: usize = 50;

/// Pseudorandom numbers, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn words(&mut self, count: usize) -> String {
        let word = |number: u64| WORDS[number as usize % WORDS.len()];
        let words: Vec<String> =
            (0..count).map(|_| format!("{}{}", word(self.next()), self.next() % 5_000)).collect();
        words.join(" ")
    }
}

fn conversation(number: usize, numbers: &mut Numbers) -> String {
    let mut chat = Conversation::new(Settings { model: "m".into(), ..Settings::default() });
    for turn in 0..2 {
        let rare = if number.is_multiple_of(10_000) { " 長江是一條河流 needle" } else { "" };
        let question = format!("chat {number} {turn} {}{rare}", numbers.words(12));
        let id = chat.ask("m", Message::user(question));
        chat.receive(id, &Event::Text(numbers.words(140)));
        chat.end(id, &Outcome::new(Ending::Completed(None)));
    }
    session::write(&chat, "2026-01-02T03:04:05Z")
}

fn timed(what: &str, mut once: impl FnMut() -> Result<usize, HistoryError>) -> Result<(), HistoryError> {
    let mut times: Vec<Duration> = Vec::new();
    let mut work: Vec<Duration> = Vec::new();
    let mut found = 0;
    for _ in 0..ROUNDS {
        let (began, worked) = (Instant::now(), processor_time());
        found = once()?;
        times.push(began.elapsed());
        work.push(processor_time().saturating_sub(worked));
    }
    times.sort();
    work.sort();
    println!(
        "{what:<44} {found:>6}   median {:>10.2?}   longest {:>10.2?}   processor {:>10.2?}",
        times[ROUNDS / 2],
        times[ROUNDS - 1],
        work[ROUNDS / 2]
    );
    Ok(())
}

/// The CPU time of this thread.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn main() -> Result<(), HistoryError> {
    let folder = tempfile::tempdir()?;
    if let Some(file) = std::env::args().find(|argument| argument.ends_with(".db")) {
        return measure(Path::new(&file));
    }
    let path = folder.path().join("history.db");
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    let began = Instant::now();
    let mut history = History::open(&path)?;
    let mut numbers = Numbers(1);
    for number in 0..count {
        history.import(&conversation(number, &mut numbers), Some(&format!("chat-{number}")))?;
    }
    println!("{count} conversations written in {:.1?}", began.elapsed());
    measure(&path)
}

fn measure(path: &Path) -> Result<(), HistoryError> {
    let began = Instant::now();
    let mut history = History::open(path)?;
    println!("{} MB, opened first in {:.1?}", path.metadata()?.len() / 1_000_000, began.elapsed());
    timed("open", || History::open(path).map(|_| 1))?;
    timed("list 50", || Ok(history.list(LISTED)?.len()))?;
    timed("list 2,000", || Ok(history.list(2_000)?.len()))?;
    for text in ["needle", "一條河流", "長江", "江", "river17", "river", "er", "e", "absent words", "zq", "z"]
    {
        timed(&format!("search {text:?}, at most 50"), || Ok(history.search(text, LISTED)?.len()))?;
    }
    timed("find the beginning of a name", || {
        history.find("chat-77777").or(history.find("chat-7")).map(|_| 1)
    })?;
    timed("what a relay has", || Ok(history.detached_at_relay()?.len()))?;
    timed("limits", || history.prune(Limits::default()))
}
