//! The jobs for display: the data of the window's engine, and the data that only their relay has.

use std::collections::{HashMap, HashSet};

use towline::Job;
use towline::engine::{JobInfo, JobState};
use towline::relay::AnswerState;
use towline_app::history::ChatId;

use super::Window;
use crate::chats::{Chat, counted};
use crate::relay::{KnownJob, List, Relay};
use crate::ui::rows::{self, Row};

impl Window {
    /// Updates the state of the running answers, once before each frame.
    pub(super) fn inform(&mut self) {
        let list = self.relay.as_ref().map(Relay::list);
        for live in self.chats.iter_mut().flat_map(|chat| &mut chat.live) {
            live.info = info(&live.job, list.as_deref());
        }
    }

    /// The number of running answers.
    pub(super) fn running(&self) -> usize {
        let jobs = self.engine.jobs();
        jobs.iter().filter(|job| !job.state().is_ended() && job.info().model.is_some()).count()
    }

    /// The jobs: running ones first, then the latest ended ones; in each group the window's own first.
    pub(super) fn rows(&self) -> Vec<Row> {
        let jobs = self.engine.jobs();
        let list = self.relay.as_ref().map(Relay::list);
        let titled = |(job, info): (&Job, JobInfo)| {
            let owner = self.owners.get(&job.id());
            let chat = owner.and_then(|key| self.chat_of(*key));
            let known = job.relay_id().and_then(|id| list.as_deref()?.jobs.get(&*id));
            rows::own_job(info, job.relay_id().is_some(), known, chat.map(Chat::title))
        };
        // A job without a model is internal work of the window.
        let informed = jobs.iter().map(|job| (job, info(job, list.as_deref())));
        let mut rows: Vec<Row> = informed.filter(|(_, info)| info.model.is_some()).map(titled).collect();
        rows.reverse();
        if let Some(list) = list {
            let read: HashSet<String> =
                jobs.iter().filter_map(|job| job.relay_id()).map(|id| id.to_string()).collect();
            let owners = self.titles_at_relay();
            let mut others: Vec<&KnownJob> =
                list.jobs.values().filter(|known| !read.contains(&known.job.id)).collect();
            others.sort_by(|one, other| other.job.created_at.cmp(&one.job.created_at));
            rows.extend(
                others.into_iter().map(|known| rows::of_relay(known, owners.get(known.job.id.as_str()))),
            );
        }
        rows.sort_by_key(|row| row.state.is_ended);
        rows
    }

    /// The chats of the answers on the relay, by relay id, with their titles and whether the relay has the
    /// rest.
    fn titles_at_relay(&self) -> HashMap<&str, (String, bool)> {
        let titled = |id: &ChatId| self.chats.iter().find(|chat| chat.id == Some(*id)).map(Chat::title);
        let known = self.at_relay.iter().filter_map(|(name, id)| Some((name.as_str(), (titled(id)?, true))));
        let mut titles: HashMap<&str, (String, bool)> = known.collect();
        for chat in &self.chats {
            for at in chat.conversation.answers().filter_map(|answer| answer.at_relay.as_ref()) {
                titles.insert(at.id.as_str(), (chat.title(), !at.is_over));
            }
        }
        titles
    }
}

/// The state of a job. For a job on the relay, the relay knows more than the stream shows: whether it is
/// queued, the orders of other programs, and its actual rate, because text that is read late arrives faster.
fn info(job: &Job, list: Option<&List>) -> JobInfo {
    let mut info = job.info();
    // Below the answer are the server's counts too; until then each piece of text counts as a token.
    if let Some(counted) = job.outcome().and_then(|outcome| counted(outcome.reply.usage.as_ref()?)) {
        (info.tokens, info.tokens_per_second) = counted;
        return info;
    }
    let Some(known) = job.relay_id().and_then(|id| list?.jobs.get(&*id)) else { return info };
    info.tokens_per_second = known.job.tokens_per_second.unwrap_or(info.tokens_per_second);
    if info.state.is_ended() || info.state == JobState::Cancelling {
        return info;
    }
    info.deadline_in = info.deadline_in.or_else(|| known.deadline_in());
    if known.job.state == AnswerState::Paused {
        info.state = JobState::Paused;
    } else if known.job.state == AnswerState::Queued {
        info.state = JobState::Queued;
    }
    info
}
