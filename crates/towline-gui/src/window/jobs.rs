//! The jobs, as they are shown: what the window's engine says of them, and what their relay knows better.

use std::collections::{HashMap, HashSet};

use towline::Job;
use towline::engine::{JobInfo, JobState};
use towline::relay::AnswerState;
use towline_app::history::ChatId;

use super::Window;
use crate::chats::Chat;
use crate::relay::{Known, List, Relay};
use crate::ui::rows::{self, Row};

impl Window {
    /// Takes what there is to say of the answers that are on their way, once before each frame.
    pub(super) fn inform(&mut self) {
        let list = self.relay.as_ref().map(Relay::list);
        for live in self.chats.iter_mut().flat_map(|chat| &mut chat.live) {
            live.info = info(&live.job, list.as_deref());
        }
    }

    /// So many answers are on their way.
    pub(super) fn running(&self) -> usize {
        let jobs = self.engine.jobs();
        jobs.iter().filter(|job| !job.state().is_ended() && job.info().model.is_some()).count()
    }

    /// The jobs: those that run first, then the last that ended; of each the window's own first.
    pub(super) fn rows(&self) -> Vec<Row> {
        let jobs = self.engine.jobs();
        let list = self.relay.as_ref().map(Relay::list);
        let titled = |(job, info): (&Job, JobInfo)| {
            let owner = self.owners.get(&job.id()).map(|(chat, _)| *chat);
            let chat = owner.and_then(|key| self.chats.iter().find(|chat| chat.key == key));
            let known = job.relay_id().and_then(|id| list.as_deref()?.jobs.get(&*id));
            rows::own(info, job.relay_id().is_some(), known, chat.map(Chat::title))
        };
        // What has no model is the window's own work.
        let informed = jobs.iter().map(|job| (job, info(job, list.as_deref())));
        let mut rows: Vec<Row> = informed.filter(|(_, info)| info.model.is_some()).map(titled).collect();
        rows.reverse();
        if let Some(list) = list {
            let read: HashSet<String> =
                jobs.iter().filter_map(|job| job.relay_id()).map(|id| id.to_string()).collect();
            let owners = self.titles_at_relay();
            let mut others: Vec<&Known> =
                list.jobs.values().filter(|known| !read.contains(&known.job.id)).collect();
            others.sort_by(|one, other| other.job.created_at.cmp(&one.job.created_at));
            rows.extend(
                others.into_iter().map(|known| rows::of_relay(known, owners.get(known.job.id.as_str()))),
            );
        }
        rows.sort_by_key(|row| row.state.is_ended);
        rows
    }

    /// The chats of the answers that the relay has, by its names for them, with their titles and whether it has the rest.
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

/// What a job is doing. Of one that the relay runs, the relay knows what its stream does not say: whether it waits there for
/// its turn, what other programs have ordered, and how fast it is made, for what is read late comes faster.
fn info(job: &Job, list: Option<&List>) -> JobInfo {
    let mut info = job.info();
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
