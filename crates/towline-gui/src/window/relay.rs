//! What the window has of a relay: its jobs, answers that go through it, answers that are left to it.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use towline::engine::JobState;
use towline::{ChatRequest, Job, relay};
use towline_app::chat::{AnswerId, Settings};
use towline_app::history::{ChatId, InHistory, place_of};
use towline_app::servers::RelayPlace;

use super::{Target, Window};
use crate::chats::{Chat, ChatKey, Contents};
use crate::command::Dialog;
use crate::relay::{Control, News, Relay, RelayOrder, short};
use crate::server::Sought;
use crate::store::Order;

/// Changes in the relay's list are drawn at most this often.
const FRAME: Duration = Duration::from_millis(50);
/// How long the window's end may wait until the desktop was told which answers continue.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Gets to know the relay, where there is a place for one. Where there should be one and is none, the search for the server says
/// why.
pub(super) fn meet(context: &egui::Context, target: &Target) -> Option<Relay> {
    let Target::Find(sought) = target else { return None };
    let Sought { environment, wanted, configured, .. } = sought.as_ref();
    let place = RelayPlace::find(wanted.on_relay(configured, environment).relay(), environment).ok()?;
    let wake = context.clone();
    Relay::new(place, environment, move || wake.request_repaint_after(FRAME)).ok()
}

impl Window {
    /// Takes what is new of the relay.
    pub(super) fn look_at_relay(&mut self) {
        // Only while somebody sees it, or waits for it.
        let listens = self.state.shows_jobs || !self.is_direct || self.has_answers_at_relay();
        let is_needed = self.is_on_relay() || self.reads_from_relay();
        let Some(relay) = &mut self.relay else { return };
        relay.listen(&self.engine, listens || is_needed, is_needed);
        let news = relay.look(&self.engine);
        for news in news {
            match news {
                News::Here => {
                    self.rejoins = true;
                    // No relay could be started when the server was looked for.
                    if !self.is_direct && self.server.found().is_some_and(|found| !found.is_on_relay) {
                        self.change_server();
                    }
                }
                News::Lost(why) => self.say(format!("The relay is gone: {why}"), None),
                // Answers run in the window then, and why is said with that.
                News::CannotStart(_) if self.is_on_relay() => self.change_server(),
                News::CannotStart(why) | News::Complaint(why) => self.say(why, None),
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

    /// Does what every job can be told. What the relay runs, it pauses and limits itself, so that other programs see and change it.
    pub(super) fn control(&mut self, job: &Job, control: Control) {
        let own = job.info();
        // What was ordered before the relay had the job holds here too, and is taken back here.
        let is_here = match control {
            Control::Stop => true,
            Control::Pause => false,
            Control::Unpause => own.state == JobState::Paused,
            Control::Deadline(_) => own.deadline_in.is_some(),
        };
        let at_relay = job.relay_id().filter(|_| !is_here);
        if let (Some(id), Some(relay)) = (at_relay, &mut self.relay) {
            return relay.order(&self.engine, &id, RelayOrder::Control(control));
        }
        match control {
            Control::Stop => job.cancel("stopped in the window"),
            Control::Pause => job.pause(),
            Control::Unpause => job.unpause(),
            Control::Deadline(deadline) => job.set_deadline(deadline),
        }
    }

    /// Has the history take note of an answer whose program was gone before it could do that itself.
    fn link(&mut self, job: relay::Job) {
        if self.writer.is_some() && place_of(&job).is_some() {
            self.disk.order(Order::Link(Box::new(job)));
        }
    }

    /// Where in the history a chat is, for the relay that runs its answers.
    pub(super) fn place_of(&self, key: ChatKey) -> Option<InHistory> {
        let (writer, chat) = (self.writer.as_ref()?, self.chats.iter().find(|chat| chat.key == key)?);
        Some(self.id_of(chat).map_or(InHistory::LastOf(writer.writer_id()), InHistory::Chat))
    }

    /// Resumes what the relay has of the answers in these chats.
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
        let owner = self.owners.get(&id).map(|(chat, _)| *chat);
        let is_left = match owner.and_then(|key| self.chat_mut(key)) {
            Some(chat) => chat.leave(id),
            None => job.detach().is_some(),
        };
        if !is_left {
            self.say(format!("job {id} is not with the relay yet, or has ended"), None);
        }
    }

    /// Does what was ordered to one of the relay's jobs.
    pub(super) fn order_relay(&mut self, id: &str, order: RelayOrder) {
        match order {
            RelayOrder::Control(_) | RelayOrder::Retry | RelayOrder::Rename(_) | RelayOrder::Forget => {
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

    /// The chat and the answer that one of the relay's jobs brings.
    fn owner_at_relay(&self, id: &str) -> Option<(ChatKey, AnswerId)> {
        self.chats.iter().find_map(|chat| Some((chat.key, chat.answer_at_relay(id)?)))
    }

    /// One of the relay's jobs; that it is gone is said.
    fn known_job(&mut self, id: &str) -> Option<relay::Job> {
        let job = self.relay.as_ref()?.list().jobs.get(id).map(|known| known.job.clone());
        if job.is_none() {
            self.say(format!("the relay no longer has job {}", short(id)), None);
        }
        job
    }

    /// Reads one of the relay's jobs: in the chat that left it, else in a chat of its own.
    fn read_from_relay(&mut self, id: &str) {
        if self.known_job(id).is_none() {
            return;
        }
        if let Some((key, answer)) = self.owner_at_relay(id) {
            self.resume(key, answer);
            return self.open(key);
        }
        // A chat that nobody has opened yet reads its own answer when it is there.
        self.disk.order(Order::FindOwner { relay: id.to_owned() });
    }

    /// Opens the chat that has the answer of one of the relay's jobs; else the answer gets a chat of its own.
    pub(super) fn owner_found(&mut self, id: &str, owner: Option<ChatId>) {
        let chat = self.chats.iter().find(|chat| owner.is_some() && chat.id == owner);
        if let Some(key) = chat.map(|chat| chat.key) {
            return self.open(key);
        }
        if let Some(relay) = &mut self.relay {
            relay.order(&self.engine, id, RelayOrder::Read);
        }
    }

    /// Begins a chat with one of the relay's jobs, and the request it was begun with.
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

    /// Resumes an answer that the relay has the rest of. `false` where it has none, or cannot be reached.
    pub(super) fn resume(&mut self, key: ChatKey, answer: AnswerId) -> bool {
        let Some(relay) = self.relay.as_ref().filter(|relay| relay.is_here()) else { return false };
        let Some(chat) = self.chats.iter_mut().find(|chat| chat.key == key) else { return false };
        if self.writer.is_some() && chat.left.contains(&answer) {
            // Another program may write it by now.
            let at = chat.conversation.answer(answer).and_then(|answer| answer.left_at_relay());
            let order = at.map(|at| at.id.clone()).zip(self.which(key));
            let Some((relay, which)) = order else { return false };
            self.disk.order(Order::TakeOver { key, which, relay });
            return true;
        }
        let resumes = chat.rejoin(&self.engine, relay, answer);
        self.own_jobs(key);
        resumes
    }

    /// An answer that was left to the relay is the window's to write again, if it `is_ours`.
    pub(super) fn taken_over(&mut self, key: ChatKey, relay: &str, is_ours: bool) {
        if !is_ours {
            return self
                .say("Another program writes this answer to the history; its text comes from there.", None);
        }
        let Some(chat) = self.chat_mut(key) else { return };
        let Some(answer) = chat.answer_at_relay(relay) else { return };
        chat.left.remove(&answer);
        // Where the relay is out of reach, once it is back.
        self.rejoins = true;
        self.resume(key, answer);
    }

    /// Starts this user's own relay.
    pub(super) fn start_relay(&mut self) {
        if let Some(relay) = &self.relay {
            relay.start();
        }
    }

    /// Has answers run on the relay from now on, or in the window.
    pub(super) fn run_on_relay(&mut self, on_relay: bool) {
        self.is_direct = !on_relay;
        self.change_server();
    }

    /// How many answers run in the window, and end with it.
    fn running_here(&self) -> usize {
        let live = self.chats.iter().flat_map(|chat| &chat.live);
        live.filter(|live| live.job.relay_id().is_none()).count()
    }

    /// Whether the window may close. While answers run in it, it asks first; who closes it again means it.
    pub fn may_close(&mut self) -> bool {
        let count = self.running_here();
        if count == 0 || self.is_closing || matches!(self.dialog, Dialog::Close(_)) {
            return true;
        }
        self.dialog = Dialog::Close(count);
        self.context.request_repaint();
        false
    }

    /// Stops what runs in the window, so that its end is written down. For the window's end.
    pub(super) fn stop_here(&mut self) {
        let jobs: Vec<Job> =
            self.chats.iter().flat_map(|chat| &chat.live).map(|live| live.job.clone()).collect();
        jobs.iter().for_each(|job| job.cancel("the window was closed"));
        let until = Instant::now() + LAST_WORDS;
        for job in jobs {
            // One that takes longer is read as cut when it is opened again.
            drop(job.wait_timeout(until.saturating_duration_since(Instant::now())));
        }
        self.drain();
    }

    /// Whether an answer comes from the relay now.
    fn reads_from_relay(&self) -> bool {
        self.chats.iter().flat_map(|chat| &chat.live).any(|live| live.job.relay_id().is_some())
    }

    fn has_answers_at_relay(&self) -> bool {
        let here = |chat: &Chat| chat.conversation.answers().any(|answer| answer.left_at_relay().is_some());
        !self.at_relay.is_empty() || self.chats.iter().any(here)
    }

    /// Leaves to the relay what it runs, and says so. For the window's end.
    pub(super) fn leave_to_relay(&mut self) {
        let leaving = self.chats.iter_mut().filter_map(|chat| (chat.leave_all() > 0).then(|| chat.title()));
        let titles: Vec<String> = leaving.collect();
        for job in self.engine.jobs() {
            // What is fetched through the relay continues there too.
            job.detach();
        }
        if titles.is_empty() {
            return;
        }
        let text = format!(
            "These continue on the relay; the window shows them when it opens again: {}",
            titles.join(", ")
        );
        let (notify, (told, heard)) = (self.desktop.notify.clone(), sync_channel::<()>(1));
        let telling = std::thread::Builder::new().name("towline-notify".into()).spawn(move || {
            notify("Answers run on", &text);
            drop(told);
        });
        if telling.is_ok() {
            // It says nothing; it ends when the desktop was told.
            heard.recv_timeout(LAST_WORDS).ok();
        }
    }
}
