//! Reads the changes since the last frame. Nothing here waits.

use std::time::{Duration, Instant};

use egui::ViewportCommand;
use towline::api::Format;
use towline_app::chat::context::Context;
use towline_app::chat::{Settings, session};
use towline_app::history::ChatId;
use towline_app::settings::templates::Template;

use super::Window;
use crate::chats::{Attachment, Chat, ChatKey, Loaded, drain};
use crate::command::{Dialog, Purpose};
use crate::server::BUILTIN_MODEL;
use crate::store::{Order, Report};
use crate::ui::composer;
use crate::ui::toasts::Undo;

/// How long a notice stays.
pub(super) const TOAST_TIME: Duration = Duration::from_secs(6);
/// How long a deleted chat can be restored.
pub(super) const UNDO_TIME: Duration = Duration::from_secs(10);
/// How often displayed times are updated while an answer runs.
const CLOCK: Duration = Duration::from_millis(500);
/// When a busy disk is retried.
const DISK: Duration = Duration::from_millis(50);
/// How long the disk may lag before the window reports it.
const LAG: Duration = Duration::from_secs(2);

impl Window {
    /// Updates the window, also while it is hidden. Called once before each frame.
    pub fn look(&mut self) {
        self.counts.looked();
        // Arms the next wake-up before the reads, so that no change is missed.
        drop(self.engine.changes());
        self.drain();
        self.look_at_relay();
        self.inform();
        if self.server.look(&self.engine) {
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
        while let Ok((purpose, chosen)) = self.chosen.1.try_recv() {
            match chosen {
                Ok(paths) => self.files_chosen(purpose, paths),
                Err(why) => {
                    let named = |key, form| {
                        self.chats.iter().find(|chat| chat.key == key).map(|chat| chat.file_name(form))
                    };
                    let name = if let Purpose::Export(key, form) = purpose { named(key, form) } else { None };
                    self.fields.path = name.map_or_else(String::new, |name| format!("~/{name}"));
                    self.dialog = Dialog::Path(purpose, why);
                }
            }
        }
        if let Some(chat) = self.clicked.1.try_iter().last() {
            self.open(chat);
            self.context.send_viewport_cmd(ViewportCommand::Minimized(false));
            self.context.send_viewport_cmd(ViewportCommand::Focus);
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
            // They yield nothing any more.
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
            // From here on, the answers can be found again, whatever happens to the window.
            self.is_urgent = true;
        }
        let mut asks = false;
        for one in looked.ended {
            let is_seen = one.chat == self.current && self.is_focused;
            let Some(chat) = self.chat_mut(one.chat) else { continue };
            chat.is_unread |= !is_seen;
            let title = chat.title();
            let context = Context::of(&chat.conversation, None);
            asks |= context.is_worth_asking();
            if let Some(text) = one.text.filter(|_| !is_seen && self.state.notifies) {
                self.notify(one.chat, title, text);
            }
        }
        if let Some(client) = self.server.client().filter(|_| asks) {
            // A model that was just loaded reports its context size by now.
            self.catalog.refresh(&self.engine, client);
        }
    }

    fn notify(&self, chat: ChatKey, title: String, text: &'static str) {
        let (notify, context) = (self.desktop.notify.clone(), self.context.clone());
        let clicked = self.clicked.0.clone();
        // The session bus may be slow or missing.
        let shown = std::thread::Builder::new().name("towline-notify".into()).spawn(move || {
            // If there are too many clicks for the queue, the first ones are kept.
            if notify(&title, text) && clicked.try_send(chat).is_ok() {
                context.request_repaint();
            }
        });
        drop(shown);
    }

    /// Gives a chat without a model the last chosen one, else the first one available; also a chat with the
    /// built-in model, once there is a server.
    fn default_model(&mut self) {
        let Some(first) = self.catalog.installed.first().map(|model| model.name.clone()) else { return };
        let model = if self.catalog.has(&self.state.model) { self.state.model.clone() } else { first };
        let has_toy = self.catalog.has(BUILTIN_MODEL);
        if let Some(Settings { model: own, .. }) =
            self.chat_mut(self.current).map(|chat| &mut chat.conversation.settings)
            && (own.is_empty() || (own == BUILTIN_MODEL && !has_toy))
        {
            *own = model;
        }
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Listed(listed) => self.listed_by_disk(listed),
            Report::Loaded { key, result } => self.loaded(key, result),
            Report::TakenOver { key, relay, is_ours } => self.taken_over(key, &relay, is_ours),
            Report::Owner { relay, chat } => self.owner_found(&relay, chat),
            Report::Imported(Ok(loaded)) => self.imported(*loaded),
            Report::Imported(Err(why)) => self.say(format!("It cannot be read: {why}"), None),
            Report::Found { text, ids } => {
                if text == self.search.trim() {
                    self.found = Some(ids);
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
            Report::Templates(names) => self.templates = names,
            Report::Template { key, template, schema, input } => {
                let context = self.context.clone();
                let Some(chat) = self.chat_mut(key) else { return };
                chat.draft = template.begin(&mut chat.conversation.settings, &input);
                if let Some(schema) = schema {
                    chat.conversation.settings.format = Some(Format::Schema(schema));
                }
                chat.settings_changed();
                composer::cursor_to_end(&context, &chat.draft);
                if Template::has_fields(&chat.draft) {
                    self.say("Replace what is between {{ and }}.", None);
                }
            }
            Report::Failed(what) => self.say(what, None),
        }
    }

    fn imported(&mut self, loaded: Loaded) {
        let key = self.key();
        let mut chat = Chat::new(key, loaded.conversation.settings.clone());
        chat.import(loaded);
        self.chats.push(chat);
        self.rejoins = true;
        self.open(key);
    }

    pub(super) fn files_chosen(&mut self, purpose: Purpose, paths: Vec<std::path::PathBuf>) {
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
                let text = chat.export(form);
                self.disk.order(Order::Write { path, text, announce: true });
            }
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.toasts).into_iter().partition(|toast| toast.until <= now);
        self.toasts = kept;
        for toast in gone {
            if let Some(Undo::Chat(key)) = toast.undo
                && self.deleted.remove(&key)
            {
                self.delete_for_good(key);
            }
        }
        if let Some(next) = self.toasts.iter().map(|toast| toast.until).min() {
            self.context
                .request_repaint_after(next.saturating_duration_since(now) + Duration::from_millis(5));
        }
    }

    /// Passes the chats' new records to the history.
    pub(super) fn hand_over(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        for chat in &mut self.chats {
            let Some(mut lines) = chat.take_lines() else { continue };
            let to = chat.written_to.unwrap_or_else(|| {
                lines.insert_str(0, &session::settings(&chat.conversation.settings));
                *chat.written_to.insert(writer.begin(None))
            });
            writer.append(to, lines);
        }
        for chat in &mut self.chats {
            for answer in chat.leaving.drain(..) {
                if let Some(to) = chat.written_to {
                    writer.leave(to, answer);
                }
            }
        }
        if std::mem::take(&mut self.is_urgent) {
            writer.hurry();
        }
        let trouble = match writer.lag() {
            Some((_, Some(why))) => Some(why),
            Some((since, None)) if since > LAG => Some("the disk is slow".to_owned()),
            Some((_, None)) => None,
            None => {
                self.is_behind = false;
                None
            }
        };
        if let Some(why) = trouble
            && !std::mem::replace(&mut self.is_behind, true)
        {
            self.say(format!("The history is behind: {why}. The missing text is written later."), None);
        }
    }

    pub(super) fn save_state(&mut self) {
        if self.is_listed {
            self.state.chat = self.chat().and_then(|chat| self.id_of(chat)).map(|id| id.0);
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

    /// The chat's number in the history, once it exists.
    pub(super) fn id_of(&self, chat: &Chat) -> Option<ChatId> {
        chat.id.or_else(|| self.writer.as_ref()?.id(chat.written_to?))
    }
}
