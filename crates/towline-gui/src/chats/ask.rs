//! Questions become jobs.

use towline::engine::{From as ReadFrom, JobOptions, Prepared};
use towline::{Client, Engine, Job, Message};
use towline_app::chat::{Answered, Held, TurnId, session};

use super::attachment::question;
use super::{Chat, Live};

/// The most models that one question goes to.
pub const MAX_COMPARED: usize = 16;

/// What questions are asked with.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// What runs them.
    pub engine: &'a Engine,
    /// The server.
    pub client: &'a Client,
}

impl Chat {
    /// Asks what is being typed, of the chat's model and of those it is compared with.
    ///
    /// # Errors
    /// What is missing, for people. Nothing is changed then.
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
        // Side by side, none of them sees the others' answers: all are asked before the first is answered.
        let turns: Vec<TurnId> =
            models.iter().map(|model| self.conversation.ask(model, question.clone())).collect();
        for turn in turns {
            self.write_question(turn);
            self.start(asking, turn, group.clone());
        }
        Ok(())
    }

    /// Asks a turn's question again; its answer is dropped.
    pub fn regenerate(&mut self, asking: Asking<'_>, id: TurnId) {
        self.forget_live(id);
        let Some(turn) = self.conversation.turn(id) else { return };
        if turn.answered == Answered::Pending {
            // Nothing was kept of it, not even the question: it is asked anew.
            let (model, question) = (turn.model.clone(), turn.question.clone());
            self.remove(id);
            let next = self.conversation.ask(&model, question);
            self.write_question(next);
            return self.start(asking, next, None);
        }
        self.conversation.retry(id);
        self.lines.push_str(&session::retry(id));
        self.answers.remove(&id);
        self.start(asking, id, None);
    }

    /// Goes on with an answer that was stopped or cut. `false` when there is nothing to go on from.
    pub fn go_on(&mut self, asking: Asking<'_>, id: TurnId) -> bool {
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

    /// Takes a turn and those after it out, and asks other words in their place.
    ///
    /// # Errors
    /// As [`ask_draft`](Self::ask_draft).
    pub fn resend(&mut self, asking: Asking<'_>, id: TurnId, words: &str) -> Result<(), &'static str> {
        if words.trim().is_empty() {
            return Err("there is nothing to ask");
        }
        let Some(turn) = self.conversation.turn(id) else { return Ok(()) };
        let question = Message { content: words.trim_end().to_owned(), ..turn.question.clone() };
        let later: Vec<TurnId> =
            self.conversation.turns().iter().map(|turn| turn.id).filter(|later| *later >= id).collect();
        for turn in later {
            self.forget_live(turn);
            self.remove(turn);
        }
        self.ask(asking, &question)
    }

    /// Of answers side by side, keeps one; the others are taken out.
    pub fn keep_only(&mut self, id: TurnId) {
        let others: Vec<TurnId> = self
            .groups()
            .into_iter()
            .find(|group| group.iter().any(|turn| turn.id == id))
            .into_iter()
            .flatten()
            .map(|turn| turn.id)
            .filter(|other| *other != id)
            .collect();
        for other in others {
            self.forget_live(other);
            self.remove(other);
        }
    }

    /// Takes a turn out.
    pub fn remove(&mut self, id: TurnId) {
        self.conversation.remove(id);
        self.answers.remove(&id);
        self.lines.push_str(&session::remove(id));
    }

    /// Stops an answer; what came is kept.
    pub fn stop(&self, id: TurnId) {
        if let Some(live) = self.live(id) {
            live.job.cancel("stopped in the window");
        }
    }

    /// Stops every answer of this chat.
    pub fn stop_all(&self) {
        for live in &self.live {
            live.job.cancel("stopped in the window");
        }
    }

    /// Stops an answer whose turn is going to be dropped or asked again.
    fn forget_live(&mut self, id: TurnId) {
        self.live.retain(|live| {
            if live.turn == id {
                live.job.cancel("asked anew in the window");
            }
            live.turn != id
        });
    }

    pub(super) fn write_question(&mut self, id: TurnId) {
        if let Some(turn) = self.conversation.turn(id) {
            self.lines.push_str(&session::question(turn));
        }
    }

    fn start(&mut self, asking: Asking<'_>, id: TurnId, group: Option<String>) {
        let (Some(request), Some(turn)) = (self.conversation.request(id), self.conversation.turn(id)) else {
            return;
        };
        let options = JobOptions { name: Some(turn.model.clone()), group, ..JobOptions::default() };
        let job = asking.engine.submit(Prepared::chat(asking.client, request), options);
        self.read(id, job, Held::default(), false);
    }

    /// Has what a job yields come into a turn, but for what the turn has already.
    pub(super) fn read(&mut self, id: TurnId, job: Job, known: Held, is_noted: bool) {
        let (info, reader) = (job.info(), job.reader(ReadFrom::Start));
        self.live.push(Live { turn: id, job, info, reader, known, is_noted, is_left: false });
        self.left.remove(&id);
        self.answers.entry(id).or_default();
        self.written = std::time::SystemTime::now();
    }
}
