//! The prompt's state, and small operations that all verbs use.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use towline::Engine;
use towline::engine::Reader;
use towline_app::chat::{AnswerId, Conversation};
use towline_app::settings::Config;

use super::background_task::BackgroundTasks;
use super::complete::CompletionData;
use super::item::{Item, Kind};
use super::jobs::Jobs;
use super::notice;
use super::relay::AnswerBackend;
use super::run::Course;
use super::session::Session;
use super::spec::Spec;
use crate::exit::Exit;
use crate::output;
use crate::term::screen::{Screen, Tone};

/// The prompt's parameters.
#[derive(Debug)]
pub struct Setup {
    pub engine: Engine,
    pub asked: AnswerBackend,
    pub config: Config,
    pub conversation: Conversation,
    pub session: Session,
    pub known: Arc<Mutex<CompletionData>>,
    /// Whether a user is at the terminal.
    pub interactive: bool,
}

/// The prompt.
pub struct Prompt<'s> {
    pub screen: &'s mut dyn Screen,
    pub engine: Engine,
    pub asked: AnswerBackend,
    pub config: Config,
    pub chat: Conversation,
    pub session: Session,
    pub known: Arc<Mutex<CompletionData>>,
    pub interactive: bool,
    pub jobs: Jobs<Item>,
    pub front: Foreground,
    /// The keys of the jobs that come to the foreground next, one after the other.
    pub next_fronts: VecDeque<u64>,
    pub course: Course,
    pub background_tasks: BackgroundTasks,
    /// The attachments of the next question.
    pub attached: Vec<Attached>,
    /// The model whose context size the server has reported, and that size in tokens.
    pub reported_context: Option<(String, u64)>,
    /// The model that was most recently missing.
    pub missing: Option<String>,
    /// The key of the last answer in the foreground.
    pub last: Option<u64>,
    /// The exit code for the shell: the first that was not success.
    pub exit: Exit,
    pub shown_prompt: String,
}

/// The foreground.
#[derive(Debug)]
pub enum Foreground {
    Idle,
    /// A job: Ctrl-C cancels it.
    Job(Followed),
    /// A job's log: Ctrl-C only stops following it.
    Log(Followed),
    /// `wait`.
    Wait(Wait),
}

/// A followed job.
#[derive(Debug)]
pub struct Followed {
    /// Its key.
    pub key: u64,
    pub number: u32,
    /// Reads what has not been shown yet; `None` while the job waits to be started.
    pub reader: Option<Reader>,
    /// Whether the answer has been started on the screen.
    pub begun: bool,
    /// The label above the answer.
    pub label: Option<String>,
    /// The incomplete last line of a command's output.
    pub partial: String,
}

/// What `wait` waits for.
#[derive(Debug)]
pub struct Wait {
    /// Keys of jobs.
    pub keys: Vec<u64>,
    pub first: bool,
    pub until: Option<Instant>,
}

/// An attachment of the next question.
#[derive(Debug)]
pub enum Attached {
    Image { bytes: Vec<u8> },
    Text { name: String, text: String },
}

impl<'s> Prompt<'s> {
    pub fn new(screen: &'s mut dyn Screen, setup: Setup) -> Self {
        Self {
            screen,
            engine: setup.engine,
            asked: setup.asked,
            config: setup.config,
            chat: setup.conversation,
            session: setup.session,
            known: setup.known,
            interactive: setup.interactive,
            jobs: Jobs::default(),
            front: Foreground::Idle,
            next_fronts: VecDeque::new(),
            course: Course::default(),
            background_tasks: BackgroundTasks::default(),
            attached: Vec::new(),
            reported_context: None,
            missing: None,
            last: None,
            exit: Exit::Completed,
            shown_prompt: String::new(),
        }
    }

    /// Shows a message. Without a user at the terminal, only results go to standard output.
    pub fn print(&mut self, tone: Tone, text: &str) {
        match tone {
            Tone::Dim | Tone::Good | Tone::Bad if !self.interactive => output::stderr_line(text),
            Tone::Echo if !self.interactive => {}
            Tone::Plain | Tone::Dim | Tone::Good | Tone::Bad | Tone::Echo => self.screen.print(tone, text),
        }
    }

    /// Reports that a command failed.
    pub fn print_error(&mut self, text: &str) {
        self.print(Tone::Bad, text);
        self.exit = self.exit.or(Exit::Failed);
    }

    pub fn known(&self) -> MutexGuard<'_, CompletionData> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn item(&self, number: u32) -> Option<&Item> {
        self.jobs.get(number).map(|entry| &entry.item)
    }

    pub fn item_mut(&mut self, number: u32) -> Option<&mut Item> {
        self.jobs.get_mut(number).map(|entry| &mut entry.item)
    }

    /// The listed job that a command names; reports an error if there is none. Without a jobspec, the current
    /// job.
    pub fn listed(&mut self, verb: &str, spec: Option<&Spec>) -> Option<u32> {
        self.resolved(verb, spec.unwrap_or(&Spec::Current), false).map(|(number, _)| number)
    }

    /// The key of the job that a command names; it may have ended. Without a jobspec, the last answer in the
    /// foreground, or else the current job.
    pub fn any(&mut self, verb: &str, spec: Option<&Spec>) -> Option<u64> {
        let last = self.last.filter(|last| spec.is_none() && self.jobs.of_key(*last).is_some());
        last.or_else(|| self.resolved(verb, spec.unwrap_or(&Spec::Current), true).map(|(_, key)| key))
    }

    fn resolved(&mut self, verb: &str, spec: &Spec, ended: bool) -> Option<(u32, u64)> {
        match self.jobs.resolve(spec, ended) {
            Ok(entry) => Some((entry.number, entry.key)),
            Err(error) => {
                let message = format!("{verb}: {error}");
                self.print_error(&message);
                None
            }
        }
    }

    /// Shows the state of a listed job.
    pub fn show_job(&mut self, number: u32) {
        let mark = self.jobs.mark(number);
        if let Some(line) = self.jobs.get(number).map(|entry| notice::notice(entry, mark)) {
            self.print(Tone::Plain, &line);
        }
    }

    /// Writes lines to the history. The first error is reported.
    pub fn write(&mut self, lines: &str) {
        if !lines.is_empty()
            && let Some(trouble) = self.session.append(lines, &self.chat.settings)
        {
            self.print(Tone::Bad, &trouble);
        }
    }

    /// Writes the settings to the history, if the conversation has begun.
    pub fn write_settings(&mut self) {
        if self.session.has_begun() {
            let line = towline_app::chat::session::settings(&self.chat.settings);
            self.write(&line);
        }
        self.show_prompt();
    }

    pub fn show_prompt(&mut self) {
        let model = &self.chat.settings.model;
        let prompt = if model.is_empty() { "> ".to_owned() } else { format!("{model}> ") };
        if prompt != self.shown_prompt {
            self.screen.prompt(&prompt);
            self.shown_prompt = prompt;
        }
    }

    /// The jobs that have not ended.
    pub fn live(&self) -> Vec<u32> {
        self.jobs.listed().filter(|entry| !entry.item.is_over()).map(|entry| entry.number).collect()
    }

    /// The answer of a job, if it is still in the conversation.
    pub fn answer_of(&self, item: &Item) -> Option<AnswerId> {
        match item.kind {
            Kind::Answer(id) => self.chat.answer(id).map(|answer| answer.id),
            Kind::Elsewhere | Kind::Pull | Kind::Sink { .. } => None,
        }
    }

    /// Called when a job's end was announced: it leaves the list. Answers and pulls stay available.
    pub fn report(&mut self, number: u32) {
        let stays = self.item(number).is_some_and(|item| match item.kind {
            Kind::Answer(_) | Kind::Elsewhere | Kind::Pull => true,
            Kind::Sink { .. } => false,
        });
        if stays {
            self.jobs.report(number);
        } else {
            self.jobs.forget(number);
        }
    }
}
