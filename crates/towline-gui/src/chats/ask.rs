//! Turns questions into jobs.

use towline::engine::{JobOptions, StartAt, StreamSpec};
use towline::{Client, Engine, Job, Message};
use towline_app::chat::{AnswerId, Answered, Reading, Selection, Turn, TurnId, Variant, session};
use towline_app::history::{InHistory, for_answer};

use super::attachment::question;
use super::{Answer, Chat, RunningAnswer};

/// Maximum number of models for one question.
pub const MAX_COMPARED: usize = 16;

/// The context for asking questions.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// What runs them.
    pub engine: &'a Engine,
    /// The server, or the relay in front of it.
    pub client: &'a Client,
    /// The place of the chat in the history, which the relay keeps with the answer.
    pub place: Option<InHistory>,
}

impl Chat {
    /// Sends the draft to the chat's model and to the compared models.
    ///
    /// # Errors
    /// What is missing, for people. Then nothing is changed.
    pub fn ask_draft(&mut self, asking: Asking<'_>) -> Result<(), &'static str> {
        if self.draft.trim().is_empty() && self.attached.is_empty() {
            return Err("there is nothing to ask");
        }
        let question = question(self.draft.trim_end(), &self.attached);
        self.ask(asking, &question)?;
        self.draft.clear();
        self.attached.clear();
        Ok(())
    }

    fn ask(&mut self, asking: Asking<'_>, question: &Message) -> Result<(), &'static str> {
        let own = self.conversation.settings.model.clone();
        if own.is_empty() {
            return Err("no model is chosen; Ctrl+M shows the models there are");
        }
        let others = self.compared.iter().filter(|model| **model != own).cloned();
        let models: Vec<String> = std::iter::once(own.clone()).chain(others).take(MAX_COMPARED).collect();
        self.remember_first(question);
        let group = (models.len() > 1).then(|| self.title());
        let turn = self.conversation.ask_all(&models, question.clone());
        self.write_question(turn);
        let turn = self.conversation.turn(turn);
        let answers: Vec<AnswerId> =
            turn.into_iter().flat_map(|turn| turn.variants()).map(|answer| answer.id).collect();
        for answer in answers {
            self.start(asking, answer, group.clone());
        }
        Ok(())
    }

    /// Asks for another answer to the same question: from the chosen model or, for side-by-side answers, from
    /// the same model. A running answer is cancelled and keeps its text.
    pub fn regenerate(&mut self, asking: Asking<'_>, id: AnswerId) {
        self.stop(id);
        let (Some(turn), Some(answer)) = (self.conversation.turn(id.turn), self.conversation.answer(id))
        else {
            return;
        };
        let chosen = &self.conversation.settings.model;
        let is_same = turn.shown == Selection::SideBySide || chosen.is_empty();
        let model = if is_same { answer.model.clone() } else { chosen.clone() };
        let words = answer.words.clone();
        if self.live(id).is_none() && is_lost(answer) && turn.variants().len() > 1 {
            self.answers.remove(&id);
            self.conversation.remove_answer(id);
        }
        self.add_answer(asking, id.turn, &model, words);
    }

    fn add_answer(&mut self, asking: Asking<'_>, id: TurnId, model: &str, words: Option<String>) {
        let Some(turn) = self.conversation.turn(id) else { return };
        if turn.variants().iter().all(|answer| self.live(answer.id).is_none() && is_lost(answer)) {
            // The history does not have the turn, so it is asked again.
            let mut question = turn.question.clone();
            question.content = words.unwrap_or(question.content);
            self.conversation.remove(id);
            let next = self.conversation.ask(model, question);
            self.write_question(next.turn);
            return self.start(asking, next, None);
        }
        let Some(answer) = self.conversation.retry(id, Some(model), words) else { return };
        if let (Some(turn), Some(answer)) = (self.conversation.turn(id), self.conversation.answer(answer)) {
            self.lines.push_str(&session::retry(turn, answer));
        }
        self.start(asking, answer, None);
    }

    /// Continues an answer that was cancelled or cut. `false` if it has no text.
    pub fn resume_answer(&mut self, asking: Asking<'_>, id: AnswerId) -> bool {
        if self.live(id).is_some() || !self.conversation.resume(id) {
            return false;
        }
        self.lines.push_str(&session::resume(id));
        if let Some(answer) = self.answers.get_mut(&id) {
            answer.note = None;
        }
        self.start(asking, id, None);
        true
    }

    /// Asks for another answer of a turn, to an edited question.
    ///
    /// # Errors
    /// As [`ask_draft`](Self::ask_draft).
    pub fn resend(&mut self, asking: Asking<'_>, id: AnswerId, words: &str) -> Result<(), &'static str> {
        if words.trim().is_empty() {
            return Err("there is nothing to ask");
        }
        let model = self.conversation.settings.model.clone();
        self.add_answer(asking, id.turn, &model, Some(words.trim_end().to_owned()));
        Ok(())
    }

    /// Sets what a turn shows.
    pub fn choose(&mut self, turn: TurnId, shown: Selection) {
        self.conversation.show(turn, shown);
        self.lines.push_str(&session::shown(turn, shown));
    }

    /// Removes a turn, which can be restored.
    pub fn remove(&mut self, id: TurnId) -> Option<Turn> {
        let turn = self.conversation.turn(id)?.clone();
        self.conversation.remove(id);
        self.answers.retain(|answer, _| answer.turn != id);
        self.lines.push_str(&session::remove(id));
        Some(turn)
    }

    /// Restores a removed turn.
    pub fn restore_turn(&mut self, turn: Turn) {
        self.answers.extend(turn.variants().iter().map(|answer| (answer.id, Answer::of(answer))));
        self.lines.push_str(&session::turn(&turn));
        self.conversation.restore_turn(turn);
    }

    /// Cancels an answer; the text so far is kept.
    pub fn stop(&self, id: AnswerId) {
        if let Some(live) = self.live(id) {
            live.job.cancel("stopped in the window");
        }
    }

    /// Cancels all answers of this chat.
    pub fn stop_all(&self) {
        for live in &self.live {
            live.job.cancel("stopped in the window");
        }
    }

    pub(super) fn write_question(&mut self, id: TurnId) {
        if let Some(turn) = self.conversation.turn(id) {
            self.lines.push_str(&session::question(turn));
        }
    }

    fn start(&mut self, asking: Asking<'_>, id: AnswerId, group: Option<String>) {
        let (Some(request), Some(answer)) = (self.conversation.request(id), self.conversation.answer(id))
        else {
            return;
        };
        let client = for_answer(asking.client, asking.place, id);
        let options = JobOptions { name: Some(answer.model.clone()), group, ..JobOptions::default() };
        let job = asking.engine.submit(StreamSpec::chat(&client, request), options);
        self.read(job, Reading::new(id));
    }

    /// Reads the events of a job into an answer.
    pub(super) fn read(&mut self, job: Job, reading: Reading) {
        let id = reading.id();
        let (info, reader) = (job.info(), job.reader(StartAt::Beginning));
        self.live.push(RunningAnswer { reading, job, info, reader });
        self.left.remove(&id);
        self.answers.entry(id).or_default();
        self.touch();
    }
}

/// Whether an answer is empty, so that the history does not keep it.
fn is_lost(answer: &Variant) -> bool {
    answer.answered == Answered::Pending && answer.is_empty()
}
