//! What the window has of a relay: its jobs, answers that go through it, answers that are left to it.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use towline::Job;
use towline_app::chat::{Settings, TurnId};

use super::{Target, Window};
use crate::chats::{Chat, ChatKey, Contents};
use crate::relay::{News, Relay, RelayOrder, short};

/// Changes in the relay's list are drawn at most this often.
const FRAME: Duration = Duration::from_millis(50);
/// How long the window's end may wait until the desktop was told what runs on.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Gets to know the relay, where there is a place for one.
pub(super) fn meet(context: &egui::Context, target: &Target) -> Result<Option<Relay>, String> {
    let place = match target {
        Target::Seek(seek) => seek.relay.clone(),
        Target::Client(_) => None,
    };
    let wake = context.clone();
    let met = place.map(|place| Relay::new(place, move || wake.request_repaint_after(FRAME)));
    met.transpose().map_err(|why| format!("the relay cannot be used: {why}"))
}

impl Window {
    /// Takes what is new of the relay.
    pub(super) fn look_at_relay(&mut self) {
        // Only while somebody sees it, or waits for it.
        let listens = self.state.shows_jobs || self.state.via_relay || !self.state.at_relay.is_empty();
        let Some(relay) = &mut self.relay else { return };
        relay.listen(&self.engine, listens);
        let mut said = Vec::new();
        for news in relay.look(&self.engine) {
            match news {
                News::Here => self.rejoins = true,
                News::Lost(why) => {
                    if self.state.via_relay {
                        relay.start_again(&self.engine, self.direct.named());
                    }
                    said.push(format!("The relay is gone: {why}"));
                }
                News::Complaint(why) => said.push(why),
            }
        }
        for text in said {
            self.say(text, None);
        }
        self.rejoin_all();
    }

    /// Reads on what the relay has of the answers in these chats.
    fn rejoin_all(&mut self) {
        let Some(relay) = self.relay.as_ref().filter(|relay| self.rejoins && relay.is_here()) else { return };
        self.rejoins = false;
        let mut joined = Vec::new();
        for chat in self.chats.iter_mut().filter(|chat| matches!(chat.contents, Contents::Here)) {
            let turns = chat.to_rejoin();
            let count = turns.into_iter().filter(|turn| chat.rejoin(&self.engine, relay, *turn)).count();
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
            RelayOrder::Stop
            | RelayOrder::Pause
            | RelayOrder::Unpause
            | RelayOrder::Extend(_)
            | RelayOrder::NoDeadline
            | RelayOrder::Forget => {
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

    /// The chat and turn that one of the relay's jobs answers.
    fn owner_at_relay(&self, id: &str) -> Option<(ChatKey, TurnId)> {
        self.chats.iter().find_map(|chat| Some((chat.key, chat.turn_at_relay(id)?)))
    }

    /// Reads one of the relay's jobs: in the chat that left it, else in a chat of its own.
    fn read_from_relay(&mut self, id: &str) {
        let Some(relay) = &self.relay else { return };
        let Some(job) = relay.list().jobs.get(id).map(|known| known.job.clone()) else {
            return self.say(format!("the relay no longer has job {}", short(id)), None);
        };
        if let Some((key, turn)) = self.owner_at_relay(id) {
            if let Some(chat) = self.chats.iter_mut().find(|chat| chat.key == key) {
                chat.rejoin(&self.engine, relay, turn);
            }
            self.own_jobs(key);
            return self.open(key);
        }
        // A chat that nobody has opened yet reads its own answer when it is there.
        let name = self.state.at_relay.get(id).cloned();
        if let Some(key) = name.and_then(|name| self.chat_named(&name)) {
            return self.open(key);
        }
        let key = self.key();
        let settings = Settings { model: job.model.clone().unwrap_or_default(), ..Settings::default() };
        let mut chat = Chat::new(key, settings);
        if let Some(relay) = &self.relay {
            chat.adopt(&self.engine, relay, &job);
        }
        self.chats.push(chat);
        self.own_jobs(key);
        self.remember_at_relay();
        self.open(key);
    }

    fn chat_named(&self, name: &str) -> Option<ChatKey> {
        self.chats.iter().find(|chat| chat.name.as_deref() == Some(name)).map(|chat| chat.key)
    }

    /// Whether a turn of the chat that is shown is read on from the relay, rather than asked to be gone on with.
    pub(super) fn reads_on(&mut self, turn: TurnId) -> bool {
        let current = self.current;
        let Some(relay) = self.relay.as_ref().filter(|relay| relay.is_here()) else { return false };
        let Some(chat) = self.chats.iter_mut().find(|chat| chat.key == current) else { return false };
        let reads_on = chat.rejoin(&self.engine, relay, turn);
        self.own_jobs(current);
        reads_on
    }

    /// Starts this user's own relay.
    pub(super) fn start_relay(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.start(&self.engine, self.direct.named());
        }
    }

    /// Has answers go through the relay from now on, or not.
    pub(super) fn go_through_relay(&mut self, via: bool) {
        self.state.via_relay = via;
        self.change_server();
    }

    /// Remembers which answers the relay has the rest of, so that another window finds them.
    pub(super) fn remember_at_relay(&mut self) {
        let mut at_relay: BTreeMap<String, String> = BTreeMap::new();
        for chat in &self.chats {
            let Some(name) = &chat.name else { continue };
            match &chat.contents {
                Contents::Here => {
                    let left = chat.conversation.turns().iter().filter_map(|turn| turn.left_at_relay());
                    at_relay.extend(left.map(|at| (at.id.clone(), name.clone())));
                }
                Contents::OnDisk | Contents::Loading | Contents::Unreadable(_) => {
                    let known = self.state.at_relay.iter().filter(|(_, chat)| *chat == name);
                    at_relay.extend(known.map(|(id, chat)| (id.clone(), chat.clone())));
                }
            }
        }
        self.state.at_relay = at_relay;
    }

    /// Leaves to the relay what it runs, and says so. For the window's end.
    pub(super) fn leave_to_relay(&mut self) {
        let leaving = self.chats.iter_mut().filter_map(|chat| (chat.leave_all() > 0).then(|| chat.title()));
        let titles: Vec<String> = leaving.collect();
        for job in self.engine.jobs() {
            // What is fetched through the relay goes on there too.
            job.detach();
        }
        if titles.is_empty() {
            return;
        }
        let text = format!("With the relay, and read on when the window opens again: {}", titles.join(", "));
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
