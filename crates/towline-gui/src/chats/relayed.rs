//! Answers that a relay runs: detached, resumed, adopted.

use towline::engine::{JobId, JobOptions};
use towline::relay::Job;
use towline::{ChatRequest, Engine, Message};
use towline_app::chat::{AnswerId, Conversation, Reading, Settings, Variant};
use towline_app::text::safe;

use super::{Chat, Loaded, RunningAnswer};
use crate::relay::{Relay, short};

impl Chat {
    /// Leaves a running answer to its relay, where it continues. `false` if no relay has it yet, or if it has
    /// ended.
    pub fn detach(&mut self, job: JobId) -> bool {
        let Some(at) = self.live.iter().position(|live| live.job.id() == job) else { return false };
        let mut live = self.live.remove(at);
        // The history records that it was left.
        self.note_relay(&mut live);
        if live.job.detach().is_some() {
            live.reading.detach();
        }
        let is_detached = live.reading.is_detached();
        self.live.push(live);
        is_detached
    }

    /// Leaves all answers on a relay to it, permanently. Returns their number.
    pub fn detach_all(&mut self) -> usize {
        let before = self.live.len();
        self.live.retain(|live| live.job.detach().is_none());
        before - self.live.len()
    }

    /// Reads the rest of an answer from its relay. `false` if no relay has the rest, or if it is already
    /// being read.
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

    /// The answers on the relay that the user did not leave there on purpose and that are not being read.
    pub fn to_rejoin(&self) -> Vec<AnswerId> {
        let lost = self.conversation.answers().filter(|answer| answer.detached_at_relay().is_some());
        lost.map(|answer| answer.id)
            .filter(|id| !self.left.contains(id) && self.live(*id).is_none())
            .collect()
    }

    /// The relay ids of the answers that the user left there.
    pub(crate) fn left_on_purpose(&self) -> Vec<String> {
        let left = self.left.iter().filter_map(|id| self.conversation.answer(*id)?.detached_at_relay());
        left.map(|at| at.id.clone()).collect()
    }

    /// The answer of one of the relay's jobs.
    pub fn answer_at_relay(&self, name: &str) -> Option<AnswerId> {
        let is_its = |answer: &&Variant| answer.at_relay.as_ref().is_some_and(|at| at.id == name);
        self.conversation.answers().find(is_its).map(|answer| answer.id)
    }

    /// Adopts a job of the relay that another program asked for: with the conversation in its request if the
    /// relay kept it, else with only the question.
    pub fn adopt(&mut self, engine: &Engine, relay: &Relay, job: &Job, request: Option<&ChatRequest>) {
        let asked = request.and_then(Conversation::of_request).unwrap_or_else(|| {
            let model = job.model.clone().unwrap_or_default();
            let question = Message::user(job.question.clone().unwrap_or_else(|| {
                // A relay of an earlier version does not report the question.
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

    /// Records in the history which of the relay's jobs an answer is, once that is known. Returns whether
    /// that is new.
    pub(super) fn note_relay(&mut self, live: &mut RunningAnswer) -> bool {
        let Some(relay) = live.job.relay_id() else { return false };
        let before = self.lines.len();
        live.reading.runs_at(&mut self.conversation, &relay, &mut self.lines);
        self.lines.len() > before
    }
}
