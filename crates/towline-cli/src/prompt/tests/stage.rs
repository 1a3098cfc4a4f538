//! A screen that plays a script and remembers its output.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use towline::{Client, Engine, EngineConfig};
use towline_app::chat::{Conversation, Settings};
use towline_app::history::Limits;
use towline_testkit::Server as FakeServer;

use crate::exit::Exit;
use crate::prompt::complete::CompletionData;
use crate::prompt::relay::AnswerBackend;
use crate::prompt::session::Session;
use crate::prompt::state::{Prompt, Setup};
use crate::server::{Server, ServerKind};
use crate::term::screen::{Input, Screen, Status, Tone};
use towline_app::servers::{Environment, ServerSource, ServerSpec};
use towline_app::settings::Config;

/// A test that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// The next action.
pub(super) enum Step<'a> {
    /// Submits a line.
    Type(&'a str),
    /// Sends another input.
    Press(Input),
    /// Waits until the transcript shows this, after the text that earlier steps saw.
    See(&'a str),
    /// Waits until the status row shows this; `[]` if nothing is in front.
    Status(&'a str),
    /// Runs code of the test.
    Do(Box<dyn FnOnce() + 'a>),
}

pub(super) const CTRL_C: Step<'static> = Step::Press(Input::Interrupt);
pub(super) const CTRL_Z: Step<'static> = Step::Press(Input::Background);
pub(super) const CTRL_D: Step<'static> = Step::Press(Input::Eof);

struct Stage<'a> {
    steps: VecDeque<Step<'a>>,
    began: Instant,
    shown: String,
    seen: usize,
    status: String,
    prefilled: Option<String>,
    copied: Option<String>,
    editor: Option<&'a str>,
    suspended: u32,
    failed: Option<String>,
}

impl Stage<'_> {
    fn line(&mut self, line: &str) {
        if !self.shown.is_empty() && !self.shown.ends_with('\n') {
            self.shown.push('\n');
        }
        self.shown.push_str(line);
        self.shown.push('\n');
    }
}

impl Screen for Stage<'_> {
    fn wait(&mut self, wake: BorrowedFd<'_>, until: Option<Instant>) -> io::Result<Vec<Input>> {
        loop {
            let Some(step) = self.steps.pop_front() else { break };
            match step {
                Step::Type(line) => return Ok(vec![Input::Submit(line.to_owned())]),
                Step::Press(input) => return Ok(vec![input]),
                Step::See(text) => match self.shown[self.seen..].find(text) {
                    Some(at) => self.seen += at + text.len(),
                    None => {
                        self.steps.push_front(Step::See(text));
                        break;
                    }
                },
                Step::Status(text) => {
                    if !self.status.contains(text) {
                        self.steps.push_front(Step::Status(text));
                        break;
                    }
                }
                Step::Do(act) => act(),
            }
        }
        let late = self.began + LIMIT;
        let now = Instant::now();
        if now >= late {
            let wanted = match self.steps.front() {
                Some(Step::See(text) | Step::Status(text)) => format!("still waits for {text:?}"),
                Some(Step::Type(_) | Step::Press(_) | Step::Do(_)) | None => "did not end".to_owned(),
            };
            self.failed = Some(wanted);
            return Err(io::ErrorKind::TimedOut.into());
        }
        let left = until.map_or(late, |until| until.min(late)).saturating_duration_since(now);
        let limit = Timespec::try_from(left).ok();
        poll(&mut [PollFd::from_borrowed_fd(wake, PollFlags::IN)], limit.as_ref())?;
        Ok(Vec::new())
    }

    fn print(&mut self, tone: Tone, text: &str) {
        for line in text.split('\n') {
            match tone {
                Tone::Plain | Tone::Good => self.line(line),
                Tone::Dim => self.line(&format!("~ {line}")),
                Tone::Bad => self.line(&format!("! {line}")),
                Tone::Echo => self.line(&format!("$ {line}")),
            }
        }
    }

    fn begin_answer(&mut self, label: Option<&str>) {
        self.line(&format!("<{}>", label.unwrap_or_default()));
    }

    fn answer(&mut self, text: &str) {
        self.shown.push_str(text);
    }

    fn thinking(&mut self, text: &str) {
        self.shown.push_str(&format!("({text})"));
    }

    fn end_answer(&mut self) {
        self.line("</>");
    }

    fn status(&mut self, status: Option<Status>) {
        let status = status.unwrap_or_default();
        self.status = format!("[{}] {} | {}", status.front, status.trouble, status.others);
    }

    fn prompt(&mut self, prompt: &str) {
        self.line(&format!("prompt {prompt}"));
    }

    fn prefill(&mut self, text: &str) {
        self.line(&format!("prefill {text}"));
        self.prefilled = Some(text.to_owned());
    }

    fn edit_in_editor(&mut self, text: &str) -> io::Result<String> {
        self.line(&format!("editor {text}"));
        self.editor.map(str::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.suspended += 1;
        self.line("suspended");
        Ok(())
    }

    fn copy(&mut self, text: &str) {
        self.copied = Some(text.to_owned());
    }

    fn backlog_bytes(&self) -> usize {
        0
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The setup of the prompt for a test.
pub(super) struct Scene {
    pub(super) config: Config,
    pub(super) folder: Option<PathBuf>,
    pub(super) editor: Option<&'static str>,
    pub(super) interactive: bool,
    /// Whether the steps end the prompt themselves.
    pub(super) leaves: bool,
}

impl Default for Scene {
    fn default() -> Self {
        Self { config: Config::default(), folder: None, editor: None, interactive: true, leaves: false }
    }
}

/// The screen at the end.
pub(super) struct Played {
    pub(super) shown: String,
    pub(super) exit: Exit,
    pub(super) copied: Option<String>,
    pub(super) suspended: u32,
}

/// Plays steps until the prompt ends; types `exit` if no step ended it.
pub(super) fn play<'a>(
    server: &FakeServer,
    scene: Scene,
    steps: impl IntoIterator<Item = Step<'a>>,
) -> Played {
    let mut steps: VecDeque<Step<'a>> = steps.into_iter().collect();
    let leaves = scene.leaves;
    if !leaves {
        steps.push_back(Step::Press(Input::Terminate));
    }
    let mut stage = Stage {
        steps,
        began: Instant::now(),
        shown: String::new(),
        seen: 0,
        status: String::new(),
        prefilled: None,
        copied: None,
        editor: scene.editor,
        suspended: 0,
        failed: None,
    };
    let client = Client::new(&server.url()).unwrap();
    let known = CompletionData::default();
    let settings = Settings { model: "m".into(), ..Settings::default() };
    let setup = Setup {
        engine: Engine::start(EngineConfig::default()).unwrap(),
        asked: AnswerBackend {
            server: Arc::new(Server { client, kind: ServerKind::Found(ServerSource::Argument) }),
            relay: None,
            spec: ServerSpec::default(),
            environment: Environment::default(),
        },
        config: scene.config,
        conversation: Conversation::new(settings),
        session: Session::new(scene.folder.map(|folder| folder.join("history.db")), Limits::default()),
        known: Arc::new(Mutex::new(known)),
        interactive: scene.interactive,
    };
    let mut prompt = Prompt::new(&mut stage, setup);
    let ended = prompt.run();
    assert_eq!(prompt.session.finish(), None, "everything is written");
    drop(prompt);
    if std::env::var_os("SHOW").is_some() {
        println!("{}", stage.shown);
    }
    if let Some(failed) = &stage.failed {
        panic!("the prompt {failed}; status: {}\n{}", stage.status, stage.shown);
    }
    assert!(stage.steps.is_empty(), "it ended before its script did:\n{}", stage.shown);
    Played { exit: ended.unwrap(), shown: stage.shown, copied: stage.copied, suspended: stage.suspended }
}
