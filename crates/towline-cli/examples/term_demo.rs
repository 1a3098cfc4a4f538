//! Plays an answer into the prompt, at N tokens a second, for tests and measurements of the terminal layer.
//!
//! `term_demo [TOKENS_PER_SECOND] [LINES] [FILE]`: with a file, its text is the answer.
//! Lines typed: `go` plays, `table`, `hostile`, `think` play other answers, `panic` panics, `suspend` stops, `quit`
//! leaves; anything else is repeated.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "the prompt uses all of it")]

#[path = "../src/term/mod.rs"]
mod term;

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use term::screen::{Complete, Input, Screen, Status, Tone};

/// Completes a few words.
struct Words;

const WORDS: [&str; 5] = ["hostile", "history", "hello world", "think", "table"];

impl Complete for Words {
    fn complete(&self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let start = line[..cursor].rfind(' ').map_or(0, |at| at + 1);
        let word = &line[start..cursor];
        let found = WORDS.iter().filter(|known| known.starts_with(word));
        (start, found.map(|known| (*known).to_owned()).collect())
    }

    fn hint(&self, line: &str) -> Option<String> {
        WORDS.iter().find_map(|known| known.strip_prefix(line)).map(str::to_owned)
    }
}

/// Words of 1–9 characters as tokens, some of them wide, at a fixed rate.
struct Player {
    tokens: Vec<String>,
    next: usize,
    began: Instant,
    per_second: f64,
}

impl Player {
    fn new(text: &str, per_second: f64) -> Self {
        let tokens = text.split_inclusive([' ', '\n']).map(str::to_owned).collect();
        Self { tokens, next: 0, began: Instant::now(), per_second }
    }

    /// The tokens so far.
    fn due(&mut self) -> String {
        let count = (self.began.elapsed().as_secs_f64() * self.per_second) as usize;
        let end = count.min(self.tokens.len()).max(self.next);
        let text = self.tokens[self.next..end].concat();
        self.next = end;
        text
    }

    fn is_over(&self) -> bool {
        self.next == self.tokens.len()
    }
}

/// Numbered lines, so that each one can be found.
fn numbered(lines: usize) -> String {
    let words = ["word", "a", "longer", "你好", "émigré", "stream", "終わり", "x", "tokens"];
    let mut text = String::new();
    for line in 0..lines {
        text.push_str(&format!("line-{line:04} "));
        for word in 0..6 {
            text.push_str(words[(line + word) % words.len()]);
            text.push(' ');
        }
        text.push_str("end\n");
    }
    text
}

const TABLE: &str = "# Heading\n\nSome **bold**, *italic*, `code` and a [link](https://example.org/).\n\n\
| model | 名前 | tok/s |\n|:--|:-:|--:|\n| gemma3 | 你好 | 41.2 |\n| 👩‍👩‍👧 family | é | 7 |\n\n\
- one\n  - nested\n- [x] done\n\n> quoted *text*\n\n---\n\n```rust\nfn main() { println!(\"hi\"); } // note\n```\n\nThe end.\n";

const HOSTILE: &str = "a\u{1b}[2Jb\u{1b}]0;title\u{7}c\u{9b}31md\u{202e}e\0f\u{1b}]52;c;aGk=\u{7}g\u{8}h\u{1b}[5n\u{1b}c\u{85}i\rj\nsafe\n";

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let per_second: f64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(50.0);
    let lines = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(20);
    let file = arguments.next().map(std::fs::read_to_string).transpose()?;
    let long = file.unwrap_or_else(|| numbered(lines));

    let config = term::Config {
        history: std::env::var_os("TERM_DEMO_HISTORY").map(Into::into),
        no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
        ..term::Config::default()
    };
    let mut screen = term::open(config, Box::new(Words))?;
    let result = run(screen.as_mut(), &long, per_second);
    screen.close()?;
    result
}

fn run(screen: &mut dyn Screen, long: &str, per_second: f64) -> io::Result<()> {
    let (wake, mut waker) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    let mut player: Option<Player> = None;
    let mut thinking = None;
    screen.prompt("demo> ");
    screen.print(Tone::Dim, "ready");
    loop {
        let until = player.as_ref().map(|_| Instant::now() + Duration::from_millis(1));
        for input in screen.wait(wake.as_fd(), until)? {
            match input {
                Input::Submit(line) => {
                    screen.print(Tone::Echo, &format!("demo> {line}"));
                    match line.as_str() {
                        "go" => player = Some(Player::new(long, per_second)),
                        "table" => player = Some(Player::new(TABLE, per_second)),
                        "hostile" => player = Some(Player::new(HOSTILE, per_second)),
                        "think" => {
                            thinking = Some(Player::new("first thought\nsecond thought\n", per_second));
                            player = Some(Player::new("considered\n", per_second));
                        }
                        "panic" => panic!("asked to"),
                        "suspend" => screen.suspend()?,
                        "copy" => screen.copy("copied"),
                        "wake" => waker.write_all(b"x")?,
                        "quit" => return Ok(()),
                        line => {
                            screen.print(Tone::Good, &format!("said {line:?}"));
                            continue;
                        }
                    }
                    screen.begin_answer(None);
                }
                Input::Interrupt | Input::Escape => {
                    if player.take().is_some() {
                        screen.end_answer();
                        screen.status(None);
                        screen.print(Tone::Bad, "Cancelled");
                    } else {
                        screen.print(Tone::Dim, "interrupt");
                    }
                }
                Input::Background => screen.print(Tone::Plain, "[1]+  Running"),
                Input::Eof => {
                    screen.print(Tone::Plain, "bye");
                    return Ok(());
                }
                Input::Terminate => return Ok(()),
                Input::Redraw => {}
            }
        }
        let Some(playing) = &mut player else { continue };
        if let Some(thoughts) = &mut thinking {
            screen.thinking(&thoughts.due());
            if thoughts.is_over() {
                thinking = None;
                playing.began = Instant::now();
            }
            continue;
        }
        screen.answer(&playing.due());
        let tenths = (playing.began.elapsed().as_secs_f64() * 10.0) as u64;
        screen.status(Some(Status {
            front: format!("model streaming {} tok {}.{} s", playing.next, tenths / 10, tenths % 10),
            others: "2 running".into(),
            trouble: String::new(),
        }));
        if playing.is_over() {
            screen.end_answer();
            screen.status(None);
            screen.print(Tone::Plain, "Done");
            player = None;
        }
    }
}
