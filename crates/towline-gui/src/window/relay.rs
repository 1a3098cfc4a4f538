//! The window's part of a relay: its jobs, answers that run on it, answers that were left to it.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use towline::engine::JobState;
use towline::{ChatRequest, Job, relay};
use towline_app::chat::{AnswerId, Settings};
use towline_app::history::{ChatId, place_of};

use super::Window;
use crate::chats::{Chat, ChatKey, Contents};
use crate::command::Dialog;
use crate::relay::{Control, News, RelayOrder, short};

/// How long closing the window may wait for the notification about continuing answers.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Window {
    /// Reads the news of the relay.
    pub(super) fn poll_relay(&mut self) {
        // Only while the panel is visible, or something waits for it.
        let listens = self.state.shows_jobs || !self.aim.is_direct || self.has_answers_at_relay();
        let is_needed = self.is_on_relay() || self.reads_from_relay();
        let Some(relay) = &mut self.relay else { return };
        relay.listen(&self.engine, listens || is_needed, is_needed);
        let news = relay.poll(&self.engine);
        for news in news {
            match news {
                News::Here => {
                    self.rejoins = true;
                    // No relay could be started during the search for the server.
                    if !self.aim.is_direct && self.server.connected().is_some_and(|found| !found.is_on_relay)
                    {
                        self.change_server();
                    }
                }
                News::Lost(why) => self.show_notice(format!("The relay is gone: {why}"), None),
                // Then answers run in the window, and the reason is shown with that.
                News::CannotStart(_) if self.is_on_relay() => self.change_server(),
                News::CannotStart(why) | News::Complaint(why) => self.show_notice(why, None),
                News::Runs(job) => self.link(*job),
                News::Request(id, request) => self.adopt(&id, request.as_deref()),
            }
        }
        self.rejoin_all();
    }

    /// Whether answers run on a relay.
    pub(super) fn is_on_relay(&self) -> bool {
        self.server.is_on_relay()
    }

    /// Executes an operation that every job supports. The relay itself pauses its jobs and changes their
    /// deadlines, so that other programs see and can change that.
    pub(super) fn control(&mut self, job: &Job, control: Control) {
        let own = job.info();
        // Orders from before the relay had the job are in force here too, and are undone here.
        let is_here = match control {
            Control::Stop => true,
            Control::Pause => false,
            Control::Unpause => own.state == JobState::Paused,
            Control::Deadline(_) => own.deadline_in.is_some(),
        };
        let at_relay = job.relay_id().filter(|_| !is_here);
        if let (Some(id), Some(relay)) = (at_relay, &mut self.relay) {
            return relay.order(&self.engine, &id, control.into());
        }
        match control {
            Control::Stop => job.cancel("stopped in the window"),
            Control::Pause => job.pause(),
            Control::Unpause => job.unpause(),
            Control::Deadline(deadline) => job.set_deadline(deadline),
        }
    }

    /// Links an answer in the history whose program exited before it could do so itself.
    fn link(&mut self, job: relay::Job) {
        if self.record.writer.is_some() && place_of(&job).is_some() {
            self.on_disk(
                move |store| Ok(store.link(&job)),
                |window, listed| {
                    listed.into_iter().for_each(|listed| window.listed_by_disk(listed));
                },
            );
        }
    }

    /// Resumes the answers of loaded chats that are on the relay.
    fn rejoin_all(&mut self) {
        let Some(relay) = self.relay.as_ref().filter(|relay| self.rejoins && relay.is_here()) else { return };
        self.rejoins = false;
        let mut joined = Vec::new();
        for chat in self.chats.iter_mut().filter(|chat| matches!(chat.contents, Contents::Here)) {
            let answers = chat.to_rejoin();
            let count =
                answers.into_iter().filter(|answer| chat.rejoin(&self.engine, relay, *answer)).count();
            if count > 0 {
                joined.push(chat.key);
            }
        }
        for key in joined {
            self.own_jobs(key);
        }
    }

    /// Leaves an answer to the relay.
    pub(super) fn detach(&mut self, job: &Job) {
        let id = job.id();
        let owner = self.owners.get(&id).copied();
        let is_detached = match owner.and_then(|key| self.chat_mut(key)) {
            Some(chat) => chat.detach(id),
            None => job.detach().is_some(),
        };
        if !is_detached {
            self.show_notice(format!("job {id} is not with the relay yet, or has ended"), None);
        }
    }

    /// Executes an order for one of the relay's jobs.
    pub(super) fn order_relay(&mut self, id: &str, order: RelayOrder) {
        match order {
            RelayOrder::Verb(_) => {
                if let Dialog::RenameJob(..) = self.dialog {
                    self.dialog = Dialog::None;
                }
                if let Some(relay) = &mut self.relay {
                    relay.order(&self.engine, id, order);
                }
            }
            RelayOrder::Show => {
                if let Some((chat, _)) = self.owner_at_relay(id) {
                    self.open(chat);
                }
            }
            RelayOrder::Read => self.read_from_relay(id),
        }
    }

    /// The chat and the answer of one of the relay's jobs.
    fn owner_at_relay(&self, id: &str) -> Option<(ChatKey, AnswerId)> {
        self.chats.iter().find_map(|chat| Some((chat.key, chat.answer_at_relay(id)?)))
    }

    /// One of the relay's jobs; reports if it is gone.
    fn known_job(&mut self, id: &str) -> Option<relay::Job> {
        let job = self.relay.as_ref()?.list().jobs.get(id).map(|known| known.job.clone());
        if job.is_none() {
            self.show_notice(format!("the relay no longer has job {}", short(id)), None);
        }
        job
    }

    /// Reads one of the relay's jobs: in the chat that left it, else in a new chat.
    fn read_from_relay(&mut self, id: &str) {
        if self.known_job(id).is_none() {
            return;
        }
        if let Some((key, answer)) = self.owner_at_relay(id) {
            self.resume(key, answer);
            return self.open(key);
        }
        // A chat that is not loaded yet reads its own answer once it is loaded.
        let (id, relay) = (id.to_owned(), id.to_owned());
        self.on_disk(move |store| store.owner(&relay), move |window, chat| window.owner_found(&id, chat));
    }

    /// Opens the chat that has the answer of one of the relay's jobs; otherwise the answer gets a new chat.
    fn owner_found(&mut self, id: &str, owner: Option<ChatId>) {
        let chat = self.chats.iter().find(|chat| owner.is_some() && chat.id == owner);
        if let Some(key) = chat.map(|chat| chat.key) {
            return self.open(key);
        }
        if let Some(relay) = &mut self.relay {
            relay.order(&self.engine, id, RelayOrder::Read);
        }
    }

    /// Starts a chat with one of the relay's jobs and its request.
    fn adopt(&mut self, id: &str, request: Option<&ChatRequest>) {
        // It was told twice.
        if let Some((key, _)) = self.owner_at_relay(id) {
            return self.open(key);
        }
        let Some(job) = self.known_job(id) else { return };
        let key = self.key();
        let Some(relay) = &self.relay else { return };
        let mut chat = Chat::new(key, Settings::default());
        chat.adopt(&self.engine, relay, &job, request);
        self.chats.push(chat);
        self.own_jobs(key);
        self.open(key);
    }

    /// Resumes an answer whose rest is on the relay. `false` if the relay has no rest or cannot be reached.
    pub(super) fn resume(&mut self, key: ChatKey, answer: AnswerId) -> bool {
        let Some(relay) = self.relay.as_ref().filter(|relay| relay.is_here()) else { return false };
        let Some(chat) = self.chats.iter_mut().find(|chat| chat.key == key) else { return false };
        if self.record.writer.is_some() && chat.left.contains(&answer) {
            // Another program may be writing it by now.
            let at = chat.conversation.answer(answer).and_then(|answer| answer.detached_at_relay());
            let order = at.map(|at| at.id.clone()).zip(self.chat_ref(key));
            let Some((relay, chat_ref)) = order else { return false };
            let name = relay.clone();
            self.on_disk(
                move |store| store.take_over(chat_ref, &name),
                move |window, is_ours| {
                    window.taken_over(key, &relay, is_ours);
                },
            );
            return true;
        }
        let resumes = chat.rejoin(&self.engine, relay, answer);
        self.own_jobs(key);
        resumes
    }

    /// Continues an answer that was left to the relay, if the window is its writer (`is_ours`).
    fn taken_over(&mut self, key: ChatKey, relay: &str, is_ours: bool) {
        if !is_ours {
            return self.show_notice(
                "Another program writes this answer to the history; its text comes from there.",
                None,
            );
        }
        let Some(chat) = self.chat_mut(key) else { return };
        let Some(answer) = chat.answer_at_relay(relay) else { return };
        chat.left.remove(&answer);
        // If the relay is out of reach, this happens once it is back.
        self.rejoins = true;
        self.resume(key, answer);
    }

    /// The number of answers that run in the window and end with it.
    fn running_here(&self) -> usize {
        let live = self.chats.iter().flat_map(|chat| &chat.live);
        live.filter(|live| live.job.relay_id().is_none()).count()
    }

    /// Whether the window may close. While answers run in it, it asks first; a second close confirms.
    pub fn may_close(&mut self) -> bool {
        let count = self.running_here();
        if count == 0 || self.is_closing || matches!(self.dialog, Dialog::Close(_)) {
            return true;
        }
        self.dialog = Dialog::Close(count);
        self.context.request_repaint();
        false
    }

    /// Cancels the answers that run in the window, so that their ends are recorded. For the end of the
    /// window.
    pub(super) fn stop_here(&mut self) {
        let jobs: Vec<Job> =
            self.chats.iter().flat_map(|chat| &chat.live).map(|live| live.job.clone()).collect();
        jobs.iter().for_each(|job| job.cancel("the window was closed"));
        let until = Instant::now() + LAST_WORDS;
        for job in jobs {
            // An answer that takes longer counts as cut when it is opened again.
            drop(job.wait_timeout(until.saturating_duration_since(Instant::now())));
        }
        self.drain();
    }

    /// Whether an answer is being read from the relay.
    fn reads_from_relay(&self) -> bool {
        self.chats.iter().flat_map(|chat| &chat.live).any(|live| live.job.relay_id().is_some())
    }

    fn has_answers_at_relay(&self) -> bool {
        let here =
            |chat: &Chat| chat.conversation.answers().any(|answer| answer.detached_at_relay().is_some());
        !self.at_relay.is_empty() || self.chats.iter().any(here)
    }

    /// Leaves the relay's answers to it, and shows a notification. For the end of the window.
    pub(super) fn detach_running(&mut self) {
        let leaving = self.chats.iter_mut().filter_map(|chat| (chat.detach_all() > 0).then(|| chat.title()));
        let titles: Vec<String> = leaving.collect();
        for job in self.engine.jobs() {
            // Pulls through the relay continue there too.
            job.detach();
        }
        if titles.is_empty() {
            return;
        }
        let text = format!(
            "These continue on the relay; the window shows them when it opens again: {}",
            titles.join(", ")
        );
        let (notify, (sent, received)) = (self.desktop.notify.clone(), sync_channel::<()>(1));
        let thread = std::thread::Builder::new().name("towline-notify".into()).spawn(move || {
            notify("Answers run on", &text);
            drop(sent);
        });
        if thread.is_ok() {
            // It sends nothing; it ends when the notification was shown.
            received.recv_timeout(LAST_WORDS).ok();
        }
    }
}
