//! The relay that runs the prompt's answers: it is started when it is needed, and unfinished answers are read
//! from it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use towline::Engine;
use towline::client::{Api, Timeouts};
use towline::engine::{JobOptions, StreamSpec};
use towline::relay::{Filter, Start};
use towline_app::chat::{AnswerId, Reading};
use towline_app::history::{ChatId, History};
use towline_app::servers::{Answering, Environment, Reached, RunTarget, ServerSource, ServerSpec};
use towline_app::settings::Config;

use super::background_task::Done;
use super::command::{Bare, Colon, Command, Line};
use super::item::Item;
use super::state::{Foreground, Prompt};
use crate::args::PromptArgs;
use crate::exit::failure::Failure;
use crate::server::UNARY_TIMEOUTS;
use crate::server::{Need, Server, ServerKind};

/// How long to wait before retrying to start a relay.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Where the answers of a prompt should run.
fn wanted(
    args: &PromptArgs,
    config: &Config,
    environment: &Environment,
    names_server: bool,
    interactive: bool,
) -> RunTarget {
    match &args.relay {
        _ if args.direct => RunTarget::Here,
        Some(Some(named)) => RunTarget::At(named.clone()),
        Some(None) => environment.relay.clone().map_or(RunTarget::Own { is_named: true }, RunTarget::At),
        // A script leaves nothing behind.
        None if !interactive => RunTarget::Here,
        None => RunTarget::by_default(&config.relay, environment, names_server),
    }
}

/// The server and the relay that answer.
#[derive(Debug)]
pub struct AnswerBackend {
    pub server: Arc<Server>,
    /// The relay that runs the answers; `None` if they run in this process.
    pub relay: Option<Arc<Reached>>,
    /// The specification of the server, for when there is no relay.
    pub spec: ServerSpec,
    pub environment: Environment,
}

impl AnswerBackend {
    /// Finds the server and the relay from the arguments, the configuration and the environment; and why
    /// answers run in this process if a relay was wanted.
    pub async fn find(
        args: PromptArgs,
        config: Config,
        environment: Environment,
        interactive: bool,
    ) -> Result<(Self, Option<String>), Failure> {
        let own = ServerSpec::from(&args.server);
        let (spec, resolved) = own.resolved(&environment).await?;
        let wanted = wanted(&args, &config, &resolved, spec.host.is_some(), interactive);
        Self::of(Answering::find(&wanted, &spec, &resolved, "prompt").await?, own, environment).await
    }

    async fn of(
        answering: Answering,
        spec: ServerSpec,
        environment: Environment,
    ) -> Result<(Self, Option<String>), Failure> {
        match answering {
            Answering::Relay { reached, shown } => {
                let kind = match reached.place.own {
                    Some(_) => ServerKind::OwnRelay(shown),
                    None => ServerKind::Found(ServerSource::Relay),
                };
                let server = Server { client: reached.client.clone(), kind };
                let (server, relay) = (Arc::new(server), Some(Arc::new(reached)));
                Ok((Self { server, relay, spec, environment }, None))
            }
            Answering::Here { server, why } => {
                let server = Server::or_builtin(server, Timeouts::default(), Api::Auto, Need::Any).await?;
                let message = why.map(|why| format!("answers run in this process, and end with it: {why}"));
                Ok((Self { server: Arc::new(server), relay: None, spec, environment }, message))
            }
        }
    }
}

/// A failure on one line.
fn one_line(failure: Failure) -> String {
    match failure {
        Failure::Usage(complaint) | Failure::Request(complaint, _) | Failure::Local(complaint) => {
            complaint.hints.into_iter().fold(complaint.message, |message, hint| format!("{message}; {hint}"))
        }
        failure @ (Failure::Output(_) | Failure::Stopped(_)) => failure.to_string(),
    }
}

impl Prompt<'_> {
    /// Whether the relay must be started before this line. If so, requests the start, and the line
    /// waits.
    pub fn waits_for_relay(&mut self, line: &Line) -> bool {
        let Some(relay) = self.asked.relay.clone().filter(|relay| asks(line) && relay.is_gone()) else {
            return false;
        };
        let (spec, environment) = (self.asked.spec.clone(), self.asked.environment.clone());
        self.in_background("relay", true, async move {
            let Err(error) = relay.ensure().await else { return Ok(Done::Nothing) };
            let here = Answering::in_process(&spec, &environment, Some(error.to_string())).await;
            let asked = AnswerBackend::of(here.map_err(|error| error.to_string())?, spec, environment).await;
            asked.map(|(asked, message)| Done::Asked(Box::new(asked), message)).map_err(one_line)
        });
        true
    }

    /// Restarts the user's own relay if it ended while it ran answers of this prompt: it reports how they
    /// ended.
    pub fn keep_relay(&mut self) {
        let is_away = |item: &Item| item.job().is_some_and(towline::Job::is_away);
        if self.is_doing("relay") || !self.jobs.listed().any(|entry| is_away(&entry.item)) {
            return;
        }
        let Some(relay) = self.asked.relay.clone().filter(|relay| relay.is_gone()) else { return };
        self.in_background("relay", false, async move {
            while relay.ensure().await.is_err() {
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            Ok(Done::Nothing)
        });
    }

    /// Changes where answers run.
    pub fn ask_at(&mut self, asked: AnswerBackend, message: Option<String>) {
        self.asked = asked;
        if let Some(message) = message {
            self.print_error(&message);
        }
    }

    /// Reads the unfinished answers from the relay that this prompt records. Those of the last turn come to
    /// the foreground, one after the other.
    pub fn resume_answers(&mut self, taken: &[String]) {
        if self.asked.relay.is_none() {
            return;
        }
        let last = self.chat.last().map(|turn| turn.id);
        let is_taken = |id: &String| taken.contains(id);
        let answers = self
            .chat
            .answers()
            .filter(|answer| answer.detached_at_relay().is_some_and(|at| is_taken(&at.id)));
        let answers: Vec<AnswerId> = answers.map(|answer| answer.id).collect();
        for id in answers {
            let in_front = Some(id.turn) == last;
            let Some((relay, reading)) = Reading::resumed(&mut self.chat, id) else { continue };
            let Some((turn, answer)) = self.chat.turn(id.turn).zip(self.chat.answer(id)) else { continue };
            let (model, question) = (answer.model.clone(), turn.question_of(answer));
            let (job, text) = (self.attach(&relay, &model), question.content.clone());
            let item = Item::resumed(reading, &model, question, job);
            let number = self.jobs.add(&model, &text, item);
            if in_front && !matches!(self.front, Foreground::Job(_)) {
                self.follow(number, None);
            } else if in_front {
                if let Some(entry) = self.jobs.get_mut(number) {
                    entry.item.in_front = true;
                    self.next_fronts.push_back(entry.key);
                }
            } else {
                self.jobs.touch(number);
                self.show_job(number);
            }
        }
    }

    /// A job that reads the relay's stream with this id.
    pub fn attach(&self, id: &str, name: &str) -> towline::Job {
        let prepared = StreamSpec::attach(&self.asked.server.client, id, Start::Beginning);
        self.engine.submit(prepared, JobOptions { name: Some(name.to_owned()), ..JobOptions::default() })
    }
}

/// Whether a line asks a model.
fn asks(line: &Line) -> bool {
    match line {
        Line::Ask(_)
        | Line::Command(
            Command::Bare(Bare::Retry(_) | Bare::Edit(_))
            | Command::Colon(Colon::Continue(_) | Colon::Pull { .. }),
        ) => true,
        Line::Empty | Line::Wrong(_) | Line::Command(_) => false,
    }
}

/// The conversations with answers that a relay still runs although the program that asked for them is gone,
/// most recently written first. Empty if the relay or the history cannot be read.
pub fn detached_chats(engine: &Engine, relay: &Reached, path: &Path) -> Vec<ChatId> {
    let control = relay.client.with_request_config(|config| config.timeouts = UNARY_TIMEOUTS).relay();
    let filter = Filter { running: Some(true), ..Filter::default() };
    let looking = engine.spawn("left", async move { control.list(&filter).await });
    let Some(running) = looking.wait().ok().and_then(Result::ok).and_then(Result::ok) else {
        return Vec::new();
    };
    let found = History::open(path).and_then(|mut history| {
        for job in &running {
            history.link(job)?;
        }
        history.without_writer()
    });
    let mut chats = Vec::new();
    for (chat, id) in found.unwrap_or_default() {
        if running.iter().any(|job| job.id == id) && !chats.contains(&chat) {
            chats.push(chat);
        }
    }
    chats
}
