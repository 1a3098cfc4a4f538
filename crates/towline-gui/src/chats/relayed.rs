//! Answers that a relay runs: detached, resumed, adopted.

use towline::engine::{JobId, JobOptions};
use towline::relay::Job;
use towline::{ChatRequest, Engine, Message};
use towline_app::chat::{AnswerId, Conversation, Reading, Settings, Variant};
use towline_app::text::safe;

use super::{Chat, Live, Loaded};
use crate::relay::{Relay, short};

impl Chat {
    /// Leaves an answer on its way to the relay that runs it, where it continues. `false` when no relay has it yet, or it
    /// has ended.
    pub fn leave(&mut self, job: JobId) -> bool {
        let Some(at) = self.live.iter().position(|live| live.job.id() == job) else { return false };
        let mut live = self.live.remove(at);
        // What is left stands in the history.
        self.note_relay(&mut live);
        if live.job.detach().is_some() {
            live.reading.leave();
        }
        let is_left = live.reading.is_left();
        self.live.push(live);
        is_left
    }

    /// Leaves every answer that a relay runs to it, for good. How many it were.
    pub fn leave_all(&mut self) -> usize {
        let before = self.live.len();
        self.live.retain(|live| live.job.detach().is_none());
        before - self.live.len()
    }

    /// Reads the rest of an answer from the relay that runs it. `false` when none has the rest of it, or it is being read.
    pub fn rejoin(&mut self, engine: &Engine, relay: &Relay, id: AnswerId) -> bool {
        if self.live(id).is_some() {
            return false;
        }
        let Some((name, reading)) = Reading::resumed(&mut self.conversation, id) else { return false };
        let model = self.conversation.answer(id).map(|answer| answer.model.clone());
        self.answers.entry(id).or_default().note = None;
        let options = JobOptions { name: model, ..JobOptions::default() };
        let job = engine.submit(relay.answer(&name), options);
        self.read(job, reading);
        true
    }

    /// The answers that the relay has, which nobody left there on purpose and nobody reads.
    pub fn to_rejoin(&self) -> Vec<AnswerId> {
        let lost = self.conversation.answers().filter(|answer| answer.left_at_relay().is_some());
        lost.map(|answer| answer.id)
            .filter(|id| !self.left.contains(id) && self.live(*id).is_none())
            .collect()
    }

    /// The relay's names for the answers that somebody left there.
    pub(crate) fn left_on_purpose(&self) -> Vec<String> {
        let left = self.left.iter().filter_map(|id| self.conversation.answer(*id)?.left_at_relay());
        left.map(|at| at.id.clone()).collect()
    }

    /// The answer that one of the relay's jobs brings.
    pub fn answer_at_relay(&self, name: &str) -> Option<AnswerId> {
        let is_its = |answer: &&Variant| answer.at_relay.as_ref().is_some_and(|at| at.id == name);
        self.conversation.answers().find(is_its).map(|answer| answer.id)
    }

    /// Takes in a job of the relay that was asked elsewhere: the conversation that its request carried, where the relay kept that,
    /// else the question alone.
    pub fn adopt(&mut self, engine: &Engine, relay: &Relay, job: &Job, request: Option<&ChatRequest>) {
        let asked = request.and_then(Conversation::of_request).unwrap_or_else(|| {
            let model = job.model.clone().unwrap_or_default();
            let question = Message::user(job.question.clone().unwrap_or_else(|| {
                // A relay of an earlier version does not say what was asked.
                let called = job.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(short(&job.id));
                format!("{model}: {}", safe::text(called))
            }));
            let mut asked = Conversation::new(Settings { model, ..Settings::default() });
            asked.ask(&asked.settings.model.clone(), question);
            asked
        });
        self.import(*Loaded::of(asked));
        let Some(id) = self.conversation.last().map(|turn| turn.answer().id) else { return };
        Reading::new(id).runs_at(&mut self.conversation, &job.id, &mut self.lines);
        self.rejoin(engine, relay, id);
    }

    /// The history remembers which of a relay's jobs an answer is, once that is known. Whether that is new.
    pub(super) fn note_relay(&mut self, live: &mut Live) -> bool {
        let Some(relay) = live.job.relay_id() else { return false };
        let before = self.lines.len();
        live.reading.runs_at(&mut self.conversation, &relay, &mut self.lines);
        self.lines.len() > before
    }
}
