//! Reads the changes since the last frame. Nothing here waits.

use std::path::PathBuf;
use std::time::Duration;

use egui::ViewportCommand;
use towline::api::Format;
use towline_app::chat::Settings;
use towline_app::chat::context::Context;
use towline_app::settings::templates::{self, Template};

use super::Window;
use crate::chats::{Attachment, Chat, ChatKey, Loaded, drain};
use crate::command::Purpose;
use crate::server::BUILTIN_MODEL;
use crate::store;
use crate::ui::composer;

/// How often displayed times are updated while an answer runs.
const CLOCK: Duration = Duration::from_millis(500);
/// When a busy disk is retried.
const DISK: Duration = Duration::from_millis(50);

impl Window {
    /// Updates the window, also while it is hidden. Called once before each frame.
    pub fn update(&mut self) {
        self.counts.updated();
        // Arms the next wake-up before the reads, so that no change is missed.
        drop(self.engine.changes());
        self.drain();
        self.poll_relay();
        self.inform();
        if self.server.poll(&self.engine) {
            self.found_server();
            if let Some(key) = self.to_send.take() {
                self.send_from(key);
            }
        }
        if let Some(client) = self.server.client()
            && let Some(complaint) = self.catalog.poll(&self.engine, client)
        {
            self.show_notice(complaint, None);
        }
        self.default_model();
        self.run_inbox();
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
        let drained = drain(self.chats.iter_mut());
        if drained.has_more {
            self.context.request_repaint();
        }
        for job in drained.left {
            self.engine.forget(job);
            self.owners.remove(&job);
        }
        if drained.is_relay_changed {
            self.rejoins = true;
            // From here on, the answers can be found again, whatever happens to the window.
            self.record.is_urgent = true;
        }
        let mut asks = false;
        for one in drained.ended {
            let is_seen = one.chat == self.current && self.is_focused;
            let Some(chat) = self.chat_mut(one.chat) else { continue };
            chat.is_unread |= !is_seen;
            let title = chat.title();
            let context = Context::of(&chat.conversation, None);
            asks |= context.is_worth_asking();
            self.announced = one.text.map_or_else(String::new, |text| format!("{title}: {text}"));
            if let Some(text) = one.text.filter(|_| !is_seen && self.state.notifies) {
                self.notify(one.chat, title, text);
            }
        }
        if let Some(client) = self.server.client().filter(|_| asks) {
            // A model that was just loaded reports its context size by now.
            self.catalog.refresh(&self.engine, client);
        }
    }

    fn notify(&mut self, chat: ChatKey, title: String, text: &'static str) {
        let notify = self.desktop.notify.clone();
        // The session bus may be slow or missing.
        self.aside(
            "towline-notify",
            move || notify(&title, text).then_some(chat),
            |window, clicked| {
                window.open(clicked);
                window.context.send_viewport_cmd(ViewportCommand::Minimized(false));
                window.context.send_viewport_cmd(ViewportCommand::Focus);
            },
        );
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

    /// Reads files, which go with a chat's question.
    pub(super) fn attach(&mut self, key: ChatKey, paths: Vec<PathBuf>) {
        for path in paths {
            let read = move |_: &mut _| {
                store::attachment(&path).and_then(|(name, bytes)| Attachment::of(name, bytes))
            };
            self.on_disk(read, move |window, attachment| {
                if let Some(chat) = window.chat_mut(key) {
                    chat.attached.push(attachment);
                }
            });
        }
    }

    /// Begins the question from a template, with a text in it.
    pub(super) fn begin_from(&mut self, name: String, input: String) {
        let (Some(folder), key) = (self.templates_folder.clone(), self.current) else { return };
        let read = move |_: &mut _| {
            let template = templates::read(&folder, &name)?;
            let schema = template.schema_file().map(|file| templates::schema(&file)).transpose()?;
            Ok((template, schema))
        };
        self.on_disk(read, move |window, (template, schema)| {
            let context = window.context.clone();
            let Some(chat) = window.chat_mut(key) else { return };
            chat.draft = template.begin(&mut chat.conversation.settings, &input);
            if let Some(schema) = schema {
                chat.conversation.settings.format = Some(Format::Schema(schema));
            }
            chat.settings_changed();
            composer::cursor_to_end(&context, &chat.draft);
            if Template::has_fields(&chat.draft) {
                window.show_notice("Replace what is between {{ and }}.", None);
            }
        });
    }

    fn imported(&mut self, loaded: Loaded) {
        let key = self.key();
        let mut chat = Chat::new(key, loaded.conversation.settings.clone());
        chat.import(loaded);
        self.chats.push(chat);
        self.rejoins = true;
        self.open(key);
    }

    pub(super) fn files_chosen(&mut self, purpose: Purpose, paths: Vec<PathBuf>) {
        match purpose {
            Purpose::Attach(key) => self.attach(key, paths),
            Purpose::Import => {
                for path in paths {
                    self.on_disk(move |_| store::import(&path), |window, loaded| window.imported(*loaded));
                }
            }
            Purpose::Export(key, form) => {
                let (Some(path), Some(chat)) = (paths.into_iter().next(), self.chat_of(key)) else { return };
                let text = chat.export(form);
                self.on_disk(
                    move |_| store::write(&path, &text).map(|()| path),
                    |window, path| window.show_notice(format!("Written: {}", path.display()), None),
                );
            }
        }
    }

    /// Passes the chats' new records to the history.
    pub(super) fn hand_over(&mut self) {
        if let Some(why) = self.record.write_lines(&mut self.chats) {
            self.show_notice(
                format!("The history is behind: {why}. The missing text is written later."),
                None,
            );
        }
    }

    pub(super) fn save_state(&mut self) {
        if self.is_listed {
            self.state.chat = self.chat().and_then(|chat| self.record.id_of(chat)).map(|id| id.0);
        }
        if self.state == self.saved {
            return;
        }
        self.saved = self.state.clone();
        if let Some(path) = self.state_path.clone() {
            let text = self.state.text();
            self.change_on_disk(move |_| store::write(&path, &text));
        }
    }
}
