//! One house: what is begun in one face is seen in all, controlled from another, and found again when a face or the relay was
//! killed.
//!
//! The prompt, the commands and the relay are the real program; the window is on a stage, as in the other tests.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use towline::client::Endpoint;
use towline::relay::{Control, Filter, Job, RelayVersion};
use towline::{Client, Config};
use towline_app::chat::Answered;
use towline_app::history::History;
use towline_gui::relay::{Relay, short};
use towline_gui::window::Window;
use towline_testkit::{Routes, Script, Server, records::ollama};

use crate::pty::Pty;
use crate::stage::{Begin, Stage};

const PARTS: [&str; 3] = ["Once upon\n", "a time, 海水\n", "naïve ends.\n"];
/// What is waited for comes sooner, or the test fails.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A model that says the first part, then each further one when its gate is opened.
fn story() -> Server {
    let script = Script::ndjson_open([ollama::chat_text(PARTS[0])]);
    let script = script.wait("more").lines([ollama::chat_text(PARTS[1])]);
    let script = script.wait("go").lines([ollama::chat_text(PARTS[2]), ollama::chat_done("stop", 3)]);
    let json = |text: &str| Script::respond(200, "application/json", text);
    Server::start(
        Routes::new()
            .path("/api/chat", script.end_chunks())
            .path("/api/version", json(r#"{"version":"1"}"#))
            .path("/api/tags", json(r#"{"models":[{"name":"m","size":700}]}"#))
            .path("/api/ps", json(r#"{"models":[]}"#)),
    )
}

/// Somebody with a home, a model server and the program.
pub(crate) struct Person {
    pub(crate) folder: TempDir,
    pub(crate) model: Arc<Server>,
    /// The program, with this person's surroundings.
    program: PathBuf,
}

impl Person {
    pub(crate) fn with(model: Server) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let model = Arc::new(model);
        let own = std::env::current_exe().expect("a path");
        let towline = own.ancestors().nth(2).map(|built| built.join("towline")).expect("a folder");
        assert!(towline.is_file(), "{} is missing: cargo build -p towline-cli makes it", towline.display());
        let (home, url) = (folder.path().display(), model.url());
        let path = std::env::var("PATH").expect("a path");
        let script = format!(
            "#!/bin/sh\nexec env -i TERM=\"$TERM\" PATH='{path}' HOME='{home}' XDG_RUNTIME_DIR='{home}' \
             XDG_DATA_HOME='{home}/data' XDG_STATE_HOME='{home}/state' OLLAMA_HOST='{url}' '{}' \"$@\"\n",
            towline.display()
        );
        let program = program(folder.path());
        std::fs::write(&program, script).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("allowed");
        Self { folder, model, program }
    }

    /// What the program says to these arguments in a shell.
    pub(crate) fn types(&self, arguments: &[&str]) -> String {
        let output =
            Command::new(&self.program).args(arguments).stdin(Stdio::null()).output().expect("it starts");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    pub(crate) fn prompt(&self) -> Pty {
        self.prompt_in(&[])
    }

    fn prompt_in(&self, more: &[&str]) -> Pty {
        let mut pty = Pty::start(Command::new(&self.program).args(["-m", "m"]).args(more));
        pty.expect("help lists");
        pty
    }

    fn window(&self) -> Stage {
        let mut stage = Stage::on(Arc::clone(&self.model), begin(self.folder.path()));
        if !stage.window(|window| std::mem::replace(&mut window.state.shows_jobs, true)) {
            stage.harness.run_steps(1);
        }
        stage
    }

    fn control<T>(&self, ask: impl AsyncFnOnce(Control) -> T) -> T {
        let socket = Endpoint::unix(self.folder.path().join("towline/relay.sock"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let control = Client::with_config(socket, Config::default()).expect("an address").relay();
        runtime.block_on(ask(control))
    }

    /// The answer of this name on the relay, where that has it.
    pub(crate) fn job(&self, name: &str) -> Option<Job> {
        self.control(async |control| control.find(name).await).ok()
    }

    fn state(&self, name: &str) -> String {
        self.job(name).map(|job| job.state.to_string()).unwrap_or_default()
    }

    fn id(&self, name: &str) -> String {
        self.job(name).expect("it is there").id
    }

    /// The relay that answers.
    fn relay(&self) -> Option<RelayVersion> {
        self.control(async |control| control.version().await).ok()
    }

    /// Ends the relay's process at once; which it was.
    pub(crate) fn kill_relay(&self) -> u32 {
        let known = self.relay().expect("it answers");
        kill(known.pid);
        known.pid
    }

    /// The texts of the answers to a question, as the history has them, and how they ended.
    pub(crate) fn remembered(&self, question: &str) -> Vec<(Answered, String)> {
        let mut history = History::open(&data(self.folder.path()).join("history.db")).expect("a history");
        let chats = history.list(100).expect("a list");
        let Some(chat) = chats.iter().find(|chat| chat.title == question) else { return Vec::new() };
        let chat = history.load(chat.id).expect("the conversation");
        // A question of which nothing came yet has no turn.
        let answers = chat.turns().iter().flat_map(|turn| turn.variants());
        answers.map(|answer| (answer.answered, answer.answer.content.clone())).collect()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.control(async |control| {
            for job in control.list(&Filter::default()).await.unwrap_or_default() {
                control.cancel(&job.id, "the test is over").await.ok();
            }
            control.shutdown().await.ok();
        });
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data/towline")
}

/// The program, with the surroundings of the person with this folder.
fn program(folder: &Path) -> PathBuf {
    folder.join("program")
}

/// What the window of the person with this folder begins with.
pub(crate) fn begin(folder: &Path) -> Begin {
    Begin {
        folder: Some(data(folder)),
        model: "m",
        size: [1_500.0, 900.0],
        relay: Some(folder.to_owned()),
        program: program(folder),
        on_relay: true,
        ..Begin::default()
    }
}

pub(crate) fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).expect("a process"), Signal::KILL).expect("it runs");
}

pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "timed out waiting for {what}");
        std::thread::yield_now();
    }
}

/// The text of the answer to a question in the window.
pub(crate) fn shown(stage: &Stage, question: &str) -> String {
    stage.window(|window| {
        let turns = window.chats.iter().flat_map(|chat| chat.conversation.turns());
        let turn = turns.into_iter().find(|turn| turn.question.content == question);
        turn.map(|turn| turn.answer().answer.content.clone()).unwrap_or_default()
    })
}

#[test]
fn a_relay_that_is_killed_again_and_again_comes_back_for_the_window() {
    let person = Person::with(story());
    let mut stage = person.window();
    stage.ask("first");
    stage.until_shown("Once upon");
    for round in 0..3 {
        let killed = person.kill_relay();
        stage.until(&format!("another relay after {round}"), |_| {
            person.relay().is_some_and(|known| known.pid != killed)
        });
        let knows = |window: &mut Window| window.relay.as_ref().is_some_and(Relay::is_here);
        stage.until("the window knows it", |stage| stage.window(knows));
    }
    stage.until_shown("interrupted");
    person.model.open("more");
    person.model.open("go");
    stage.click("Retry answer");
    stage.until("the answer", |stage| shown(stage, "first") == PARTS.concat());
}

#[test]
fn what_is_begun_in_one_face_is_at_home_in_all() {
    let person = Person::with(story());
    // Begun in each.
    person.types(&["run", "-d", "-m", "m", "from the shell"]);
    let mut stage = person.window();
    stage.ask("from the window");
    stage.until_shown("Once upon");
    let mut pty = person.prompt();
    pty.press("from the prompt &\r");
    pty.expect("1 running");
    until("the prompt's answer", || person.job("from-the-prompt").is_some());

    // Seen in all.
    let jobs = person.types(&["jobs", "--json"]);
    let jobs: Vec<Value> = jobs.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut seen: Vec<(&str, &str)> = jobs
        .iter()
        .map(|job| (job["asked_by"].as_str().expect("a face"), job["name"].as_str().expect("a name")))
        .collect();
    seen.sort_unstable();
    let all = [("command", "from-the-shell"), ("prompt", "from-the-prompt"), ("window", "from-the-window")];
    assert_eq!(seen, all);
    pty.press("jobs\r");
    pty.expect("relay  from-the-window  streaming");
    pty.expect("relay  from-the-shell  streaming");
    stage.until_shown("from-the-shell");
    stage.until_shown("from-the-prompt");

    // Controlled from another.
    pty.press(":pause from-the-window\r");
    stage.until_shown("paused");
    person.types(&["unpause", "from-the-window"]);
    until("the window's answer", || person.state("from-the-window") == "streaming");
    let of_shell = format!("relay job {}", short(&person.id("from-the-shell")));
    stage.click(&format!("Pause {of_shell}"));
    stage.until("pausing", |_| person.state("from-the-shell") == "paused");
    pty.press(":unpause from-the-shell\r");
    until("the shell's answer", || person.state("from-the-shell") == "streaming");
    person.types(&["timeout", "from-the-prompt", "1h"]);
    assert!(person.job("from-the-prompt").is_some_and(|job| job.deadline_s.is_some()));
    person.types(&["run", "-d", "-m", "m", "too much"]);
    stage.click(&format!("Stop relay job {}", short(&person.id("too-much"))));
    stage.until("its end", |_| person.state("too-much") == "cancelled");

    // Killed and closed: the answers continue, and are found again where they belong, live.
    kill(pty.pid());
    pty.end();
    drop(stage);
    for name in ["from-the-shell", "from-the-window", "from-the-prompt"] {
        assert_eq!(person.state(name), "streaming", "{name}");
    }
    let mut stage = person.window();
    let questions = ["from the window", "from the prompt"];
    stage.until("both", |stage| questions.iter().all(|question| shown(stage, question) == PARTS[0]));
    person.model.open("more");
    let two = PARTS[..2].concat();
    stage.until("more of both", |stage| questions.iter().all(|question| shown(stage, question) == two));

    // The relay is killed, and started again: what it ran is interrupted, and asked again.
    person.kill_relay();
    stage.until_shown("interrupted");
    person.model.open("go");
    person.types(&["retry", "from-the-shell"]);
    person.types(&["wait", "from-the-shell-2"]);
    let whole = PARTS.concat();
    assert_eq!(person.types(&["log", "from-the-shell-2"]).trim_end(), whole.trim_end());
    assert_eq!(person.state("from-the-shell"), "interrupted");
    for question in questions {
        let cut = person.remembered(question);
        assert_eq!(cut, [(Answered::Truncated, two.clone())], "{question}");
    }
    drop(stage);
    let mut pty = person.prompt_in(&["-S", "from-the-window"]);
    pty.press("retry\r");
    pty.expect("naïve ends.");
    pty.press("exit\r");
    assert!(pty.end().success());

    // The same bytes everywhere.
    until("the second answer", || person.remembered("from the window").len() == 2);
    let answers = person.remembered("from the window");
    assert_eq!(answers, [(Answered::Truncated, two), (Answered::Whole, whole.clone())]);
    let mut stage = person.window();
    stage.until("the window has it too", |stage| shown(stage, "from the window") == whole);
}
