//! The memory of `towline run`: the conversation that it continues, and the history that records its answer.

use std::time::Duration;

use towline::api::Role;
use towline::{ChatRequest, Event, Outcome};
use towline_app::chat::{AnswerId, Conversation, Settings, session};
use towline_app::history::{Chat, ChatId, History, Limits, Writer};
use towline_app::settings::{Config, Remember};

use crate::args::RunArgs;
use crate::exit::failure::Failure;
use crate::output;
use crate::server::places;

/// How long a command waits for the disk at its end.
const LAST_WRITE: Duration = Duration::from_secs(3);

/// The conversation of one `towline run`.
#[derive(Debug, Default)]
pub struct Memory {
    conversation: Conversation,
    /// The conversation in the history that is continued.
    resumed: Option<ChatId>,
    /// Its settings before this question.
    former: Settings,
    is_written: bool,
    limits: Limits,
    answer: Option<AnswerId>,
    writer: Option<(Writer, Chat)>,
}

impl Memory {
    /// The conversation that `-c` names, or a new one. It is written to the history unless the answer goes to a program.
    ///
    /// # Errors
    /// If there is no conversation to continue.
    pub fn of(args: &RunArgs, config: &Config) -> Result<Self, Failure> {
        let is_for_people = output::stdout_is_terminal() && !args.json;
        let is_wished = match config.history {
            Remember::Nothing => false,
            Remember::People => args.resume.is_some() || is_for_people,
            Remember::All => true,
        };
        let is_written = is_wished && !args.no_history;
        let limits = config.history_limits;
        let Some(name) = &args.resume else { return Ok(Self { is_written, limits, ..Self::default() }) };
        let none =
            || Failure::usage_with("there is no conversation to continue", "leave out -c to start one");
        let mut history = History::open(&places::history().ok_or_else(none)?)?;
        let chat = match name {
            Some(name) => history.find(name)?,
            None => history.last()?.ok_or_else(none)?,
        };
        let conversation = history.load(chat)?;
        Ok(Self { conversation, resumed: Some(chat), is_written, limits, ..Self::default() })
    }

    /// The last model of the conversation, if any.
    pub fn model(&self) -> Option<&str> {
        self.conversation.last().map(|turn| turn.answer().model.as_str())
    }

    /// Adds a request's question to the conversation, and returns the request to send.
    pub fn ask(&mut self, model: &str, request: ChatRequest) -> ChatRequest {
        let Some(question) = request.messages.iter().rfind(|message| message.role == Role::User) else {
            return request;
        };
        let settings = &mut self.conversation.settings;
        self.former.clone_from(settings);
        model.clone_into(&mut settings.model);
        settings.options.0.extend(request.options.0.clone());
        settings.think = request.think.clone().or(settings.think.take());
        settings.format = request.format.clone().or(settings.format.take());
        let system = request.messages.iter().find(|message| message.role == Role::System);
        settings.system = system.map(|message| message.content.clone()).or(settings.system.take());
        let answer = self.conversation.ask(model, question.clone());
        self.answer = Some(answer);
        if self.is_written {
            self.begin(answer);
        }
        match self.conversation.request(answer) {
            Some(ChatRequest { messages, options, think, format, .. }) => {
                ChatRequest { messages, options, think, format, ..request }
            }
            None => request,
        }
    }

    fn begin(&mut self, answer: AnswerId) {
        let started = places::history().ok_or_else(|| "there is no home folder".to_owned());
        let started =
            started.and_then(|path| Writer::start(&path, self.limits).map_err(|error| error.to_string()));
        let mut writer = match started {
            Ok(writer) => writer,
            Err(why) => return output::warning(&format!("this answer is not in the history: {why}")),
        };
        let chat = match self.resumed {
            Some(chat) => writer.resume(chat),
            None => writer.begin(None),
        };
        let mut lines = session::settings(&self.conversation.settings);
        lines.extend(self.conversation.turn(answer.turn).map(session::question));
        writer.append(chat, lines);
        self.writer = Some((writer, chat));
    }

    /// Adds a piece of the answer.
    pub fn receive(&mut self, event: &Event) {
        let Some(answer) = self.answer else { return };
        self.conversation.receive(answer, event);
        if let Some((writer, chat)) = &self.writer
            && let Some(line) = session::piece(answer, event)
        {
            writer.append(*chat, line);
        }
    }

    /// Writes nothing, because the relay that runs the answer has no access to this user's history.
    pub fn without_history(self) -> Self {
        Self { is_written: false, ..self }
    }

    /// Leaves the answer to the own relay, whose process records it. Returns its place, once its question is
    /// written; `None` if the answer is not recorded.
    pub fn detach(&mut self) -> Option<(ChatId, AnswerId)> {
        let (answer, (writer, chat)) = self.answer.zip(self.writer.take())?;
        let written = writer.when_written(chat);
        // Once this writer has ended, another program can write the rest.
        if let Err(why) = writer.finish(LAST_WRITE) {
            output::warning(&format!("this answer is not in the history: {why}"));
            return None;
        }
        Some((written.wait(Duration::ZERO)?, answer))
    }

    /// Removes the question of an answer that the relay did not accept.
    pub fn withdraw(&self, (chat, answer): (ChatId, AnswerId)) {
        let former = self.resumed.map(|_| &self.former);
        let withdrawn = places::history().map(|path| History::open(&path)?.withdraw(chat, answer, former));
        if let Some(Err(why)) = withdrawn {
            output::warning(&format!("a question that was not asked is still in the history: {why}"));
        }
    }

    /// Records the end of the answer. Waits briefly for the disk, and reports a failed write.
    pub fn end(mut self, outcome: &Outcome) {
        let (Some(answer), Some((writer, chat))) = (self.answer, self.writer) else { return };
        let is_kept = self.conversation.end(answer, outcome);
        let end = self.conversation.answer(answer).filter(|_| is_kept).map(session::end);
        writer.append(chat, end.unwrap_or_else(|| session::remove_answer(answer)));
        if let Err(why) = writer.finish(LAST_WRITE) {
            output::warning(&format!("a part of this answer is not in the history: {why}"));
        }
    }
}
