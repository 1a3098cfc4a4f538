//! Prompt, window and relay, each killed at a moment that chance chooses: nothing that was written is lost, nothing is there twice,
//! and nobody has to repair anything.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use towline_app::chat::Answered;
use towline_testkit::{Pace, Routes, Script, Server, fakemodel, records::ollama};

use crate::faces::{Person, SOON, begin, kill, until};
use crate::pty::Pty;
use crate::stage::Stage;

/// Where the window that is to be killed finds its person, and what it asks.
const FOLDER: &str = "TOWLINE_TEST_FOLDER";
const URL: &str = "TOWLINE_TEST_URL";
const QUESTION: &str = "TOWLINE_TEST_QUESTION";
/// So many pieces of each answer, so many a second.
const PIECES: usize = 60;
const PACE: f64 = 200.0;

fn piece(number: usize) -> String {
    format!("piece {number}, 海水\n")
}

fn whole() -> String {
    (0..PIECES).map(piece).collect()
}

fn paced() -> Server {
    let pieces: Vec<String> = (0..PIECES).map(|number| ollama::chat_text(&piece(number))).collect();
    let script = Script::ndjson_open([""; 0]).paced_lines(pieces, Pace::per_second(PACE));
    let json = |text: &str| Script::respond(200, "application/json", text);
    Server::start(
        Routes::new()
            .path("/api/chat", script.line(ollama::chat_done("stop", PIECES as u64)).end_chunks())
            .path("/api/version", json(r#"{"version":"1"}"#))
            .path("/api/tags", json(r#"{"models":[{"name":"m","size":700}]}"#))
            .path("/api/ps", json(r#"{"models":[]}"#)),
    )
}

fn variable(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

/// Numbers that look random, and are the same for a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A window of a process of its own, which asks, and ends when it has the answer. Other tests start it to kill it.
#[test]
fn a_window_has_the_whole_answer() {
    let own = std::env::var_os(FOLDER).is_none().then(|| Person::with(paced()));
    let (folder, url, question) = match &own {
        Some(person) => (person.folder.path().to_owned(), person.model.url(), "alone".to_owned()),
        None => {
            let variable = |name| std::env::var(name).expect("it is said");
            (PathBuf::from(variable(FOLDER)), variable(URL), variable(QUESTION))
        }
    };
    let mut stage = Stage::new(fakemodel::plan(), crate::stage::Begin { url: Some(url), ..begin(&folder) });
    stage.until("a server", |stage| stage.window(|window| window.server.client().is_some()));
    stage.ask(&question);
    stage.until("the answer", |stage| crate::faces::shown(stage, &question) == whole());
}

enum Victim {
    Prompt(Box<Pty>),
    Window(std::process::Child),
}

impl Victim {
    fn prompt(person: &Person, question: &str) -> Self {
        let mut pty = person.prompt();
        pty.press(&format!("{question}\r"));
        Self::Prompt(Box::new(pty))
    }

    fn window(person: &Person, question: &str) -> Self {
        // It is to begin a conversation, rather than to show the last.
        std::fs::remove_file(person.folder.path().join("data/towline/window.json")).ok();
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command
            .args(["kills::a_window_has_the_whole_answer", "--exact"])
            .env(FOLDER, person.folder.path())
            .env(URL, person.model.url())
            .env(QUESTION, question)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self::Window(command.spawn().expect("it starts"))
    }

    fn kill(self) {
        match self {
            Self::Prompt(mut pty) => {
                kill(pty.pid());
                pty.end();
            }
            Self::Window(mut child) => {
                child.kill().expect("it runs");
                child.wait().expect("it has ended");
            }
        }
    }
}

#[test]
fn whatever_is_killed_nothing_is_lost_or_there_twice() {
    let person = Person::with(paced());
    let seed = variable("TOWLINE_SEED", 1);
    let mut random = Numbers(seed);
    for round in 0..variable("TOWLINE_KILLS", 4) {
        let question = format!("question {round}");
        let name = format!("question-{round}");
        let in_window = random.below(2) == 0;
        let victim = if in_window { Victim::window } else { Victim::prompt };
        let kills_relay = round % 3 == 2;
        let after = random.below(PIECES as u64 - 5);
        let victim = victim(&person, &question);
        let end = Instant::now() + SOON;
        // What is not written when its program is killed, nobody knows of.
        while person.job(&name).is_none_or(|job| job.records < after)
            || person.remembered(&question).is_empty()
        {
            assert!(
                Instant::now() < end,
                "seed {seed}, round {round}, in_window {in_window}: it does not begin"
            );
            std::thread::yield_now();
        }
        let what = format!(
            "seed {seed}, round {round}: in_window {in_window}, kills_relay {kills_relay}, after {after}"
        );
        if kills_relay {
            person.kill_relay();
            victim.kill();
            // The next command starts it again; the answer says how it ended.
            person.types(&["jobs"]);
        } else {
            victim.kill();
        }
        until(&what, || match person.remembered(&question).as_slice() {
            [(Answered::Whole, text)] => *text == whole(),
            [(Answered::Truncated, text)] => kills_relay && whole().starts_with(text.as_str()),
            _ => false,
        });
    }
}
