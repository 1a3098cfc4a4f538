//! Answers that a relay runs: detached, resumed, adopted.

use towline::engine::{JobId, JobOptions};
use towline::relay::Job;
use towline::{Engine, Message};
use towline_app::chat::{AnswerId, Variant, session};
use towline_app::text::safe;

use super::{Chat, Note};
use crate::relay::{Relay, short};

impl Chat {
    /// Leaves an answer on its way to the relay that runs it, where it continues. `false` when no relay has it yet, or it
    /// has ended.
    pub fn leave(&mut self, job: JobId) -> bool {
        let Some(live) = self.live.iter_mut().find(|live| live.job.id() == job) else { return false };
        live.is_left = live.job.detach().is_some();
        live.is_left
    }

    /// Leaves every answer that a relay runs to it, for good. How many it were.
    pub fn leave_all(&mut self) -> usize {
        let before = self.live.len();
        self.live.retain(|live| live.job.detach().is_none());
        before - self.live.len()
    }

    /// Reads an answer on that was left to the relay. `false` when none has the rest of it, or it is being read.
    pub fn rejoin(&mut self, engine: &Engine, relay: &Relay, id: AnswerId) -> bool {
        if self.live(id).is_some() {
            return false;
        }
        let Some((name, known)) = self.conversation.rejoin(id) else { return false };
        let model = self.conversation.answer(id).map(|answer| answer.model.clone());
        let answer = self.answers.entry(id).or_default();
        answer.note = None;
        // They come again.
        answer.images.clear();
        let options = JobOptions { name: model, ..JobOptions::default() };
        let job = engine.submit(relay.answer(&name), options);
        self.read(id, job, known, true);
        true
    }

    /// The answers that the relay has, which nobody left there on purpose and nobody reads.
    pub fn to_rejoin(&self) -> Vec<AnswerId> {
        let lost = self.conversation.answers().filter(|answer| answer.left_at_relay().is_some());
        lost.map(|answer| answer.id)
            .filter(|id| !self.left.contains(id) && self.live(*id).is_none())
            .collect()
    }

    /// The answer that one of the relay's jobs brings.
    pub fn answer_at_relay(&self, name: &str) -> Option<AnswerId> {
        let is_its = |answer: &&Variant| answer.at_relay.as_ref().is_some_and(|at| at.id == name);
        self.conversation.answers().find(is_its).map(|answer| answer.id)
    }

    /// Takes in a job of the relay that was asked elsewhere.
    pub fn adopt(&mut self, engine: &Engine, relay: &Relay, job: &Job) {
        let model = job.model.clone().unwrap_or_default();
        let question = Message::user(job.question.clone().unwrap_or_else(|| {
            // A relay of an earlier version does not say what was asked.
            let called = job.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(short(&job.id));
            format!("{model}: {}", safe::text(called))
        }));
        self.remember_first(&question);
        let id = self.conversation.ask(&model, question);
        self.write_question(id.turn);
        self.note_relay(id, &job.id);
        self.rejoin(engine, relay, id);
    }

    /// A relay runs an answer; the history remembers under which name.
    pub(super) fn note_relay(&mut self, id: AnswerId, name: &str) {
        self.conversation.relayed(id, name);
        self.lines.push_str(&session::relay(id, name));
    }

    /// An answer was left to the relay: it has not ended.
    pub(super) fn has_left(&mut self, id: AnswerId, note: Note) {
        self.conversation.leave(id);
        self.answers.entry(id).or_default().note = Some(note);
    }
}
