//! Makes jobs of questions: in the foreground or background, to one model or to several.

use std::time::Duration;

use towline::api::PullRequest;
use towline::client::Resume;
use towline::engine::{JobOptions, StartAt, StreamSpec};
use towline::{ChatRequest, Message};
use towline_app::chat::{AnswerId, session};
use towline_app::document;
use towline_app::history;

use super::command::Ask;
use super::item::{Item, Kind};
use super::jobs::Entry;
use super::notice;
use super::state::{Attached, Followed, Foreground, Prompt};
use crate::term::screen::Tone;

/// A job to start.
pub struct Launch {
    pub kind: Kind,
    pub model: String,
    pub question: Message,
    /// The user's input.
    pub text: String,
    pub prepared: StreamSpec,
    pub behind: bool,
    pub group: Option<String>,
}

impl Prompt<'_> {
    /// Asks a question.
    pub fn ask(&mut self, ask: Ask) {
        let models = if ask.models.is_empty() { vec![self.chat.settings.model.clone()] } else { ask.models };
        if models.iter().any(String::is_empty) {
            self.print_error("no model is chosen; :model NAME chooses one, :models lists them");
            // The server may be available by now; the question is kept.
            if self.interactive {
                self.screen.prefill(&ask.text);
                self.learn_models();
            }
            return;
        }
        let question = self.with_attached(&ask.text);
        if models.contains(&self.chat.settings.model) {
            self.warn_of_context(&question.content);
        }
        let turn = self.chat.ask_all(&models, question);
        let Some(turn) = self.chat.turn(turn) else { return };
        let answers: Vec<AnswerId> = turn.variants().iter().map(|answer| answer.id).collect();
        let line = session::question(turn);
        self.write(&line);
        let group = (answers.len() > 1).then(|| format!("group {}", self.jobs.last_key()));
        for answer in answers {
            self.ask_for(answer, &ask.text, ask.behind, group.clone());
        }
    }

    /// The question with its attachments.
    fn with_attached(&mut self, text: &str) -> Message {
        let mut content = String::new();
        let mut images = Vec::new();
        for attached in std::mem::take(&mut self.attached) {
            match attached {
                Attached::Image { bytes } => images.push(bytes),
                Attached::Text { name, text } => content.push_str(&document::attached(&name, &text)),
            }
        }
        content.push_str(text);
        images.iter().fold(Message::user(content), |message, image| message.with_image(image))
    }

    /// Asks a model for an answer. It continues from what the conversation has of the answer.
    pub fn ask_for(&mut self, id: AnswerId, text: &str, behind: bool, group: Option<String>) {
        let (Some(request), Some(answer)) = (self.chat.request(id), self.chat.answer(id)) else { return };
        let (model, is_one_of_several) = (answer.model.clone(), group.is_some());
        let question = self.chat.turn(id.turn).map(|turn| turn.question_of(answer)).unwrap_or_default();
        let prepared = self.chat_stream(request, id);
        let (kind, text) = (Kind::Answer(id), text.to_owned());
        let number = self.launch(Launch { kind, model, question, text, prepared, behind, group });
        // In the foreground they are shown one after the other, although they run in parallel.
        if is_one_of_several
            && !behind
            && let Some(entry) = self.jobs.get_mut(number).filter(|entry| !entry.item.in_front)
        {
            entry.item.in_front = true;
            self.next_fronts.push_back(entry.key);
        }
    }

    pub fn chat_stream(&self, request: ChatRequest, id: AnswerId) -> StreamSpec {
        let client = history::for_answer(&self.asked.server.client, self.session.place(), id);
        let prepared = StreamSpec::chat(&client, request);
        match self.config.resume {
            0 => prepared,
            max => prepared.map(move |stream| stream.with_resume(Resume::Continue { max })),
        }
    }

    /// Pulls a model.
    pub fn pull(&mut self, model: &str, behind: bool) {
        let request = PullRequest { model: model.to_owned(), insecure: false };
        let prepared = StreamSpec::pull(&self.asked.server.client, request);
        let text = format!("pull {model}");
        let (kind, question, model) = (Kind::Pull, Message::default(), text.clone());
        self.launch(Launch { kind, model, question, text, prepared, behind, group: None });
    }

    /// Makes a job. The prompt follows it in the foreground, or announces it in the background as a shell
    /// does.
    pub fn launch(&mut self, launch: Launch) -> u32 {
        let deadline = match &launch.kind {
            Kind::Answer(_) => self.config.deadline,
            Kind::Elsewhere | Kind::Pull | Kind::Sink { .. } => None,
        };
        let labelled = launch.group.is_some() || launch.model != self.chat.settings.model;
        let options = JobOptions {
            name: Some(launch.model.clone()),
            group: launch.group,
            deadline,
            ..JobOptions::default()
        };
        let item = Item::held(launch.kind, &launch.model, launch.question, launch.prepared, options);
        let number = self.jobs.add(&launch.model, &launch.text, item);
        self.start_held();
        let label = labelled.then(|| launch.model.clone());
        if launch.behind {
            self.jobs.touch(number);
            self.announce(number);
        } else if !matches!(self.front, Foreground::Job(_)) {
            self.follow(number, label);
        }
        number
    }

    /// Makes a job of a task that already runs.
    pub fn launch_started(&mut self, item: Item, text: &str, in_front: bool) -> u32 {
        let name = item.model.clone();
        let number = self.jobs.add(&name, text, item);
        if in_front && !matches!(self.front, Foreground::Job(_)) {
            self.follow(number, None);
        } else {
            self.jobs.touch(number);
        }
        number
    }

    /// `[1] gemma3  "first words…"`.
    fn announce(&mut self, number: u32) {
        let Some(entry) = self.jobs.get(number) else { return };
        let held = if entry.item.is_held() { "  (queued)" } else { "" };
        let line = format!("[{number}] {}{held}", notice::title(entry));
        self.print(Tone::Plain, &line);
    }

    /// Brings a job to the foreground; the previous foreground job goes to the background.
    pub fn follow(&mut self, number: u32, label: Option<String>) {
        if matches!(self.front, Foreground::Job(_)) {
            self.front_behind();
        }
        self.jobs.untouch(number);
        let Some(Entry { key, item, .. }) = self.jobs.get_mut(number) else { return };
        item.in_front = true;
        let (key, reader) = (*key, item.job().map(|job| job.reader(StartAt::Beginning)));
        if item.is_answer() {
            self.last = Some(key);
        }
        self.front =
            Foreground::Job(Followed { key, number, reader, begun: false, label, partial: String::new() });
    }

    /// Starts held jobs, as far as the limit allows. The foreground job does not wait.
    pub fn start_held(&mut self) {
        if self.jobs.listed().all(|entry| !entry.item.is_held()) {
            return;
        }
        let limit = self.config.limit.unwrap_or(usize::MAX);
        let mut running = self.jobs.listed().filter(|entry| entry.item.is_running()).count();
        let mut waiting: Vec<(u64, u32)> = self
            .jobs
            .listed()
            .filter(|entry| entry.item.is_held())
            .map(|entry| (entry.key, entry.number))
            .collect();
        waiting.sort_unstable();
        let engine = self.engine.clone();
        for (_, number) in waiting {
            let Some(item) = self.item_mut(number) else { continue };
            let is_late = item.deadline_in() == Some(Duration::ZERO);
            if running < limit || item.in_front || is_late {
                item.start(&engine);
                running += 1;
            }
        }
    }
}
