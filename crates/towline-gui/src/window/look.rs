//! Takes what has come since the last frame. Nothing here waits.

use std::time::{Duration, Instant};

use towline::JobState;

use super::{Purpose, Window};
use crate::chats::{Attachment, Chat, ChatKey, Contents, drain};
use crate::command::ExportForm;
use crate::store::{self, Order, Report};

/// How long a notice stays.
pub(super) const TOAST_TIME: Duration = Duration::from_secs(6);
/// How long a deleted chat can be had back.
pub(super) const UNDO_TIME: Duration = Duration::from_secs(10);
/// How often times on screen are brought up to date while something runs.
const CLOCK: Duration = Duration::from_millis(500);
/// How soon the disk is tried again when it is busy.
const DISK: Duration = Duration::from_millis(50);
/// The most chats that are read when the window opens, for the sake of answers that went on at the relay.
const MAX_READ_ON: usize = 32;
/// A chat that was written so shortly before the window's state, or after it, may have an answer at the relay of which the
/// state knows nothing: the window was killed.
const UNSURE: Duration = Duration::from_secs(10);

impl Window {
    /// Brings the window up to date; also while it is hidden. Once before each frame.
    pub fn look(&mut self) {
        self.counts.looked();
        // Arms the next wake before anything is read, so that nothing is missed.
        drop(self.engine.changes());
        self.drain();
        self.look_at_relay();
        if self.server.look() {
            self.found_server();
            if let Some(key) = self.to_send.take() {
                self.send_from(key);
            }
        }
        if let Some(client) = self.server.client()
            && let Some(complaint) = self.catalog.look(&self.engine, client)
        {
            self.say(complaint, None);
        }
        self.default_model();
        for report in self.disk.reports() {
            self.reported(report);
        }
        while let Ok((purpose, paths)) = self.chosen.1.try_recv() {
            self.files_chosen(purpose, paths);
        }
        self.expire();
        self.hand_over();
        self.save_state();
        if self.disk.flush() {
            self.context.request_repaint_after(DISK);
        }
        if self.chats.iter().any(|chat| !chat.live.is_empty()) {
            self.context.request_repaint_after(CLOCK);
        } else {
            // Nothing comes from them any more.
            self.former.clear();
        }
    }

    pub(super) fn drain(&mut self) {
        let looked = drain(self.chats.iter_mut());
        if looked.has_more {
            self.context.request_repaint();
        }
        for job in looked.left {
            self.engine.forget(job);
            self.owners.remove(&job);
        }
        if looked.is_relay_changed {
            self.rejoins = true;
            self.remember_at_relay();
        }
        for one in looked.ended {
            let is_seen = one.chat == self.current && self.is_focused;
            let Some(chat) = self.chat_mut(one.chat) else { continue };
            chat.is_unread |= !is_seen;
            let title = chat.title();
            let text = match one.state {
                JobState::Completed => "The answer is complete.",
                JobState::Cancelled => continue,
                JobState::Truncated => "The answer was cut off.",
                JobState::TimedOut => "The answer timed out.",
                JobState::Failed => "There is no answer: it failed.",
                JobState::Queued
                | JobState::Connecting
                | JobState::Waiting
                | JobState::Streaming
                | JobState::Running
                | JobState::Paused
                | JobState::Cancelling => continue,
            };
            if !is_seen && self.state.notifies {
                self.notify(title, text);
            }
        }
    }

    fn notify(&self, title: String, text: &'static str) {
        let notify = self.desktop.notify.clone();
        // The session bus may be slow or not there at all.
        let shown =
            std::thread::Builder::new().name("towline-notify".into()).spawn(move || notify(&title, text));
        drop(shown);
    }

    /// A chat without a model gets the first there is.
    fn default_model(&mut self) {
        let Some(first) = self.catalog.installed.first().map(|model| model.name.clone()) else { return };
        let known = self.catalog.installed.iter().any(|model| model.name == self.state.model);
        let model = if known { self.state.model.clone() } else { first };
        if let Some(chat) =
            self.chat_mut(self.current).filter(|chat| chat.conversation.settings.model.is_empty())
        {
            chat.conversation.settings.model = model;
        }
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Listed(entries) => {
                let last = self.state.current.clone();
                let mut to_read_on = Vec::new();
                for entry in entries {
                    let key = self.key();
                    let is_pinned = self.state.pinned.contains(&entry.name);
                    let is_last = last.as_ref() == Some(&entry.name);
                    let is_known = self.state.at_relay.values().any(|name| *name == entry.name);
                    if is_known || self.state_written.is_some_and(|at| entry.written + UNSURE >= at) {
                        to_read_on.push((is_known, key));
                    }
                    self.chats.push(Chat::on_disk(key, entry, is_pinned));
                    if is_last && self.chat().is_some_and(|chat| chat.is_empty() && chat.draft.is_empty()) {
                        self.open(key);
                    }
                }
                self.is_listed = true;
                // Their answers are read on though nobody looks at them.
                to_read_on.sort_by_key(|(is_known, _)| !is_known);
                for (_, key) in to_read_on.into_iter().take(MAX_READ_ON) {
                    self.load(key);
                }
            }
            Report::Loaded { key, result } => {
                if let Some(chat) = self.chat_mut(key) {
                    match result {
                        Ok(loaded) => chat.fill(*loaded),
                        Err(why) => chat.contents = Contents::Unreadable(why),
                    }
                    self.rejoins = true;
                    self.remember_at_relay();
                }
            }
            Report::Imported(Ok(loaded)) => self.imported(*loaded),
            Report::Imported(Err(why)) => self.say(format!("It cannot be read: {why}"), None),
            Report::Named { key, name } => {
                if let Some(chat) = self.chat_mut(key) {
                    chat.name = Some(name);
                }
                self.remember_pins();
                self.remember_at_relay();
            }
            Report::Found { text, names } => {
                if text == self.search.trim() {
                    self.found = Some(names.into_iter().collect());
                }
            }
            Report::Written(path) => self.say(format!("Written: {}", path.display()), None),
            Report::Attached { key, files } => {
                for (name, bytes) in files {
                    match Attachment::of(name, bytes) {
                        Ok(attachment) => {
                            if let Some(chat) = self.chat_mut(key) {
                                chat.attached.push(attachment);
                            }
                        }
                        Err(why) => self.say(why, None),
                    }
                }
            }
            Report::Failed(what) => self.say(what, None),
        }
    }

    fn imported(&mut self, loaded: store::Loaded) {
        let key = self.key();
        let mut chat = Chat::new(key, loaded.conversation.settings.clone());
        chat.import(loaded);
        self.chats.push(chat);
        self.rejoins = true;
        self.open(key);
    }

    fn files_chosen(&mut self, purpose: Purpose, paths: Vec<std::path::PathBuf>) {
        match purpose {
            Purpose::Attach(key) if !paths.is_empty() => self.disk.order(Order::Attach { key, paths }),
            Purpose::Attach(_) => {}
            Purpose::Import => {
                for path in paths {
                    self.disk.order(Order::Import { path });
                }
            }
            Purpose::Export(key, form) => {
                let (Some(path), Some(chat)) = (paths.into_iter().next(), self.chat_mut(key)) else { return };
                let text = match form {
                    ExportForm::Markdown => {
                        towline_app::chat::export::markdown(&chat.title(), &chat.conversation)
                    }
                    ExportForm::Json => towline_app::chat::export::json(&chat.title(), &chat.conversation),
                };
                self.disk.order(Order::Write { path, text, announce: true });
            }
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.toasts).into_iter().partition(|toast| toast.until <= now);
        self.toasts = kept;
        for key in gone.into_iter().filter_map(|toast| toast.undo) {
            if self.deleted.remove(&key) {
                self.delete_for_good(key);
            }
        }
        if let Some(next) = self.toasts.iter().map(|toast| toast.until).min() {
            self.context
                .request_repaint_after(next.saturating_duration_since(now) + Duration::from_millis(5));
        }
    }

    /// Gives the disk what the chats have for it.
    pub(super) fn hand_over(&mut self) {
        for chat in &mut self.chats {
            if let Some(lines) = chat.take_lines() {
                let settings = Box::new(chat.conversation.settings.clone());
                self.disk.order(Order::Append { key: chat.key, settings, lines });
            }
        }
    }

    pub(super) fn save_state(&mut self) {
        if self.is_listed {
            self.state.current = self.chat().and_then(|chat| chat.name.clone());
        }
        if self.state == self.saved {
            return;
        }
        self.saved = self.state.clone();
        if let Some(path) = &self.state_path {
            let (path, text) = (path.clone(), self.state.text());
            self.disk.order(Order::Write { path, text, announce: false });
        }
    }

    pub(super) fn remember_pins(&mut self) {
        let pinned = self.chats.iter().filter(|chat| chat.is_pinned).filter_map(|chat| chat.name.clone());
        self.state.pinned = pinned.collect();
    }

    pub(super) fn delete_for_good(&mut self, key: ChatKey) {
        let Some(at) = self.chats.iter().position(|chat| chat.key == key) else { return };
        let chat = self.chats.remove(at);
        chat.stop_all();
        self.layouts.documents.retain(|(owner, _, _), _| *owner != key);
        self.layouts.groups.retain(|(owner, _), _| *owner != key);
        self.disk.order(Order::Delete { key, name: chat.name });
        self.remember_pins();
        self.remember_at_relay();
    }
}
