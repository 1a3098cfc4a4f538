//! Background tasks: work that would block the prompt (files, the server's lists) runs on the engine, and its
//! result is applied when it arrives.

use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use towline::api::Format;
use towline::engine::Task;
use towline::relay::Job;
use towline_app::chat::Answered;
use towline_app::history::{History, SearchHit};
use towline_app::settings::templates::Template;

use super::command::Waiting;
use super::relay::AnswerBackend;
use super::session::Opened;
use super::state::{Attached, Prompt};
use crate::server::UNARY_TIMEOUTS;
use crate::server::hint;
use crate::server::models::{self, Choice, Chosen};
use crate::term::screen::Tone;

/// Maximum number of conversations whose names are completed.
const NAMES: usize = 500;

/// A running background task.
#[derive(Debug)]
struct BackgroundTask {
    /// The verb it is for.
    verb: &'static str,
    task: Task<Result<Done, String>>,
    /// Lines that are typed in the meantime wait for it.
    blocks: bool,
}

/// The running background tasks.
#[derive(Debug, Default)]
pub struct BackgroundTasks(Vec<BackgroundTask>);

/// The result of a background task.
#[derive(Debug)]
pub enum Done {
    /// The chosen model, or that the choice is unclear.
    Chosen(Choice),
    /// The models of the server.
    Models {
        names: Vec<String>,
        shown: bool,
    },
    Attached(Attached, String),
    Schema(Value, String),
    /// A conversation to continue.
    Loaded(Opened),
    /// Conversations to list.
    Found(Vec<SearchHit>),
    /// The names of the most recent conversations, and the errors of session files.
    Remembered(Vec<String>, Vec<String>),
    /// A line for each job of the relay to show, and the names of all of them.
    RelayJobs(Vec<String>, Vec<String>),
    /// The server and relay for answers from now on, and why they differ from the wanted ones.
    Asked(Box<AnswerBackend>, Option<String>),
    /// Answers on a relay to wait for.
    ToWait(Vec<Job>, Waiting),
    /// An answer of this prompt, with its name on the relay.
    Named(Box<Job>),
    /// An answer on a relay to read.
    ToRead(Box<Job>),
    /// A template, and the text typed after its name.
    Template(Box<Template>, String),
    /// A model, and the size of its context in tokens.
    Context(String, u64),
    /// A description of a model.
    Shown(String),
    /// Only a message.
    Said(String),
    Nothing,
}

impl Prompt<'_> {
    /// Starts a background task.
    pub fn in_background(
        &mut self,
        verb: &'static str,
        blocks: bool,
        work: impl Future<Output = Result<Done, String>> + Send + 'static,
    ) {
        // Boxed, so that all tasks have one type: each further type adds 10 KB to the program.
        let work: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(work);
        let task = self.engine.spawn(verb, work);
        self.background_tasks.0.push(BackgroundTask { verb, task, blocks });
    }

    /// Starts a background task that blocks a thread briefly.
    pub fn blocking_task(
        &mut self,
        verb: &'static str,
        work: impl FnOnce() -> Result<Done, String> + Send + 'static,
    ) {
        let work: Box<dyn FnOnce() -> Result<Done, String> + Send> = Box::new(work);
        self.in_background(verb, true, async move {
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
        });
    }

    /// Whether lines must wait for a background task.
    pub fn is_blocked(&self) -> bool {
        self.background_tasks.0.iter().any(|one| one.blocks)
    }

    /// Whether a background task of this verb is running.
    pub fn is_doing(&self, verb: &str) -> bool {
        self.background_tasks.0.iter().any(|one| one.verb == verb)
    }

    /// Applies the results of finished tasks.
    pub fn apply_finished(&mut self) {
        let ended = |one: &mut BackgroundTask| one.task.job.outcome().is_some();
        let done: Vec<BackgroundTask> = self.background_tasks.0.extract_if(.., ended).collect();
        for one in done {
            match one.task.take_value() {
                Some(Ok(done)) => self.apply(done),
                Some(Err(error)) => self.print_error(&format!("{}: {error}", one.verb)),
                None => self.print_error(&format!("{}: cancelled", one.verb)),
            }
            self.engine.forget(one.task.job.id());
        }
    }

    fn apply(&mut self, done: Done) {
        match done {
            Done::Chosen(Choice::Model(Chosen { model, .. })) => {
                if self.chat.settings.model.is_empty() {
                    self.chat.settings.model = model;
                    self.write_settings();
                }
            }
            Done::Chosen(Choice::Unclear(complaint)) => {
                self.print(Tone::Bad, &complaint.message);
                self.print(Tone::Dim, "choose with :model NAME; :pull NAME fetches one");
            }
            Done::Models { names, shown } => {
                if shown {
                    let list = if names.is_empty() {
                        "the server has no models".to_owned()
                    } else {
                        names.join("\n")
                    };
                    self.print(Tone::Plain, &list);
                }
                self.known().models = names;
            }
            Done::Attached(attached, message) => {
                self.attached.push(attached);
                self.print(Tone::Dim, &message);
            }
            Done::Schema(schema, message) => {
                self.chat.settings.format = Some(Format::Schema(schema));
                self.write_settings();
                self.print(Tone::Dim, &message);
            }
            Done::Loaded(opened) => self.loaded(opened),
            Done::Found(found) => self.list_found(found),
            Done::Remembered(names, wrong) => {
                self.known().conversations = names;
                wrong.iter().for_each(|wrong| self.print(Tone::Bad, wrong));
            }
            Done::RelayJobs(lines, names) => {
                lines.iter().for_each(|line| self.print(Tone::Plain, line));
                self.known().answers = names;
            }
            Done::Asked(asked, message) => self.ask_at(*asked, message),
            Done::ToWait(jobs, waiting) => self.wait_at_relay(jobs, waiting),
            Done::Named(job) => self.named(&job),
            Done::ToRead(job) => self.read_elsewhere(&job),
            Done::Nothing => {}
            Done::Template(template, text) => self.use_template(*template, text),
            Done::Context(model, tokens) => self.reported_context = Some((model, tokens)),
            Done::Shown(text) => self.print(Tone::Plain, text.trim_end()),
            Done::Said(text) => self.print(Tone::Dim, &text),
        }
    }

    /// Asks which models exist, and chooses one if none was named.
    pub fn learn_models(&mut self) {
        if self.chat.settings.model.is_empty() {
            let (server, environment) = (self.asked.server.clone(), self.asked.environment.clone());
            self.in_background("model", true, async move {
                let choice = models::choose(None, &[], &environment, &server).await;
                choice.map(Done::Chosen).map_err(|error| {
                    let advice = hint::for_error(&error, &server, &environment, None);
                    advice.into_iter().fold(error.message, |message, advice| format!("{message}\n{advice}"))
                })
            });
        }
        if !self.interactive {
            return;
        }
        let server = self.asked.server.clone();
        self.in_background("models", false, async move {
            // Without an answer from the server, completion offers no models.
            let names = models::installed(&server, UNARY_TIMEOUTS).await.unwrap_or_default();
            Ok(Done::Models {
                names: names.iter().map(|model| models::typed(model).name).collect(),
                shown: false,
            })
        });
    }

    /// Imports session files of earlier versions, and reads which conversations exist.
    pub fn remember(&mut self) {
        let Some(path) = self.session.path().map(ToOwned::to_owned).filter(|_| self.interactive) else {
            return;
        };
        self.in_background("history", false, async move {
            let looking = move || {
                let mut history = History::open(&path)?;
                let imported = history.import_folder(&path.with_file_name("sessions"))?;
                let names = history.list(NAMES)?.into_iter().map(|chat| chat.name).collect();
                Ok::<_, towline_app::history::HistoryError>((names, imported.complaints()))
            };
            // A read error is reported when writing fails.
            let (names, wrong) =
                tokio::task::spawn_blocking(looking).await.ok().and_then(Result::ok).unwrap_or_default();
            Ok(Done::Remembered(names, wrong))
        });
    }

    fn loaded(&mut self, opened: Opened) {
        let (name, left) = (opened.name.clone(), opened.left.clone());
        let model = std::mem::take(&mut self.chat.settings.model);
        self.chat = self.session.adopt(opened);
        if self.chat.settings.model.is_empty() {
            self.chat.settings.model = model;
        }
        self.show_last_turn(&left);
        let count = turns(self.chat.turns().len());
        self.print(Tone::Dim, &format!("{name}: {count}"));
        self.show_prompt();
    }

    /// Reminds the user of where the conversation was; `left` holds the relay's ids of answers that are read
    /// from there.
    pub fn show_last_turn(&mut self, left: &[String]) {
        self.resume_answers(left);
        let Some(last) = self.chat.turns().last().filter(|_| self.interactive).cloned() else { return };
        let shown = last.side_by_side();
        for answer in &shown {
            let echoed = format!("{}> {}", answer.model, last.question_of(answer).content);
            self.print(Tone::Echo, &echoed);
            // An answer that is being read is shown as it arrives.
            if answer.answered == Answered::Pending {
                continue;
            }
            self.screen.begin_answer(None);
            self.screen.answer(&answer.answer.content);
            self.screen.end_answer();
            answer.answer.images.iter().for_each(|image| self.say_image(image));
        }
        if shown.iter().any(|answer| answer.answered.is_partial()) {
            self.print(Tone::Bad, "this answer is incomplete; :continue asks for the rest, retry asks again");
        }
    }
}

/// A number of turns, in words.
pub fn turns(count: usize) -> String {
    format!("{count} {}", if count == 1 { "turn" } else { "turns" })
}
