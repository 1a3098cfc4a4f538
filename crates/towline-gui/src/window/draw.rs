//! The frame: panels, dialogs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use egui::accesskit::Live;
use egui::{CentralPanel, Frame, Id, Key, Margin, Modal, Modifiers, Panel, Rect, Role, Sense, Ui};

use super::Window;
use towline_app::answers::Verb;
use towline_app::history::tags_of;

use crate::command::{Command, Commands, Dialog};
use crate::relay::{Relay, RelayOrder};
use crate::shortcuts;
use crate::ui::chat::Head;
use crate::ui::dialog::TextQuestion;
use crate::ui::named::describe;
use crate::ui::sidebar::Sidebar;
use crate::ui::theme::{COLUMN, Palette};
use crate::ui::view_state::{ChatView, Focus};
use crate::ui::{
    bottom, chat, composer, dialog, files, find, help, jobs, models, scroll, settings, sidebar, toasts,
};

/// In a window narrower than this, in points, either the list of chats or the chat is shown.
const NARROW: f32 = 620.0;
/// In a lower window the jobs stand in place of the chat, in points.
const LOW: f32 = 430.0;
/// In a higher one they leave the chat so much, in points.
const CHAT: f32 = 320.0;
/// When a dialog is repainted at its final position.
const FRAME: Duration = Duration::from_millis(16);

impl Window {
    /// Draws one frame, and executes its commands.
    pub fn draw(&mut self, ui: &mut Ui) {
        self.counts.frames.fetch_add(1, Ordering::Relaxed);
        let mut out = Commands(shortcuts::pressed(ui.ctx()));
        self.watch(ui);
        self.scroll(ui);
        composer::take_files(ui, &mut out);
        let size = ui.available_size();
        self.is_narrow = size.x < NARROW;
        let shows_chats = if self.is_narrow { self.shows_narrow_chats } else { self.state.shows_chats };
        let side = Frame::new().fill(Palette::at(ui).side).inner_margin(Margin::symmetric(10, 0));
        if shows_chats && !self.is_narrow {
            let panel = Panel::left("chats").default_size(260.0).size_range(200.0..=400.0).frame(side);
            panel.show(ui, |ui| sidebar::show(ui, self.sidebar(), &mut out));
        }
        ui.ctx().accesskit_node_builder(egui::accesskit_root_id(), |node| node.set_label("Towline"));
        let rows = if self.state.shows_jobs { self.rows() } else { Vec::new() };
        self.is_low = size.y < LOW;
        let covers = self.state.shows_jobs && self.is_low;
        if self.state.shows_jobs && !covers {
            let highest = (size.y * 0.6).min(size.y - CHAT);
            let panel = Panel::bottom("jobs").resizable(true).default_size(170.0).size_range(90.0..=highest);
            panel.show(ui, |ui| jobs::show(ui, &rows, self.relay.as_ref(), &mut out));
        }
        if covers {
            let is_free = self.dialog == Dialog::None && !egui::Popup::is_any_open(ui.ctx());
            if is_free && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
                out.push(Command::ToggleJobs);
            }
            CentralPanel::default().show(ui, |ui| jobs::show(ui, &rows, self.relay.as_ref(), &mut out));
        } else if shows_chats && self.is_narrow {
            CentralPanel::default().frame(side).show(ui, |ui| sidebar::show(ui, self.sidebar(), &mut out));
        } else {
            self.show_chat(ui, shows_chats, &mut out);
        }
        toasts::show(ui, &self.notices.shown, &mut out);
        let ends = ui.interact(Rect::ZERO, Id::unique("ends"), Sense::hover());
        describe(&ends, Role::Status, &self.announced, |node| node.set_live(Live::Polite));
        self.focus = None;
        self.dialogs(ui, &mut out);
        for command in out.0 {
            self.act(command);
        }
    }

    fn sidebar(&self) -> Sidebar<'_> {
        Sidebar {
            listed: self.listed(),
            tags: self.tags(),
            current: self.current,
            search: &self.search,
            takes_focus: self.focus == Some(Focus::Search),
            server: &self.server,
            catalog: &self.catalog,
        }
    }

    fn show_chat(&mut self, ui: &mut Ui, has_chats: bool, out: &mut Commands) {
        let mut layouts = std::mem::take(&mut self.layouts);
        if let Some(chat) = self.chat() {
            let (catalog, servers, templates) =
                (&self.catalog, self.aim.servers(&self.server, self.relay.as_ref()), &*self.templates);
            let view = ChatView { chat, catalog, servers, templates };
            let head = Head { has_chats, has_jobs: self.state.shows_jobs, running: self.running() };
            let takes_focus = self.focus == Some(Focus::Composer);
            let frame = Frame::new().fill(Palette::at(ui).ground);
            let top = Panel::top("head").frame(frame.inner_margin(Margin::symmetric(12, 6)));
            top.show_separator_line(false).show(ui, |ui| chat::head(ui, chat, head, out));
            if let Some(find) = layouts.find.as_ref().filter(|_| self.dialog == Dialog::None) {
                let takes_focus = self.focus == Some(Focus::Find);
                let bar = Panel::top("find").frame(frame.inner_margin(Margin::symmetric(16, 4)));
                bar.show_separator_line(false).show(ui, |ui| {
                    chat::column(ui, COLUMN, |ui| find::show(ui, find, takes_focus, out));
                });
            }
            bottom::show(ui, "composer", frame.inner_margin(Margin::symmetric(16, 4)), |ui| {
                chat::column(ui, COLUMN + 24.0, |ui| composer::show(ui, view, takes_focus, out));
            });
            CentralPanel::default().frame(frame.inner_margin(Margin::symmetric(16, 0))).show(ui, |ui| {
                chat::turns(ui, view, &mut layouts, out);
            });
        }
        self.layouts = layouts;
    }

    /// Scrolls by keys.
    fn scroll(&mut self, ui: &Ui) {
        if self.dialog != Dialog::None {
            return;
        }
        let has_words = self.chat().is_some_and(|chat| !chat.draft.is_empty());
        let focused = ui.memory(egui::Memory::focused);
        let is_typing = focused.is_some_and(|id| id != composer::field_id() || has_words);
        if let Some(to) = scroll::key(ui.ctx(), is_typing) {
            let page = self.layouts.page;
            self.layouts.scrolls.entry(self.current).or_default().scroll_by(to, page);
        }
    }

    /// Reads the desktop's state of the window.
    fn watch(&mut self, ui: &Ui) {
        self.is_focused = ui.input(|input| input.focused);
        if self.is_focused {
            let current = self.current;
            if let Some(chat) = self.chat_mut(current) {
                chat.is_unread = false;
            }
        }
        let zoom = ui.ctx().zoom_factor();
        if (zoom - self.state.zoom).abs() > 0.001 {
            // egui handles the usual zoom keys.
            self.state.zoom = zoom;
        }
        let (inner, outer, is_maximized) = ui.input(|input| {
            let viewport = input.viewport();
            (viewport.inner_rect, viewport.outer_rect, viewport.maximized.unwrap_or(false))
        });
        if let (Some(inner), false) = (inner, is_maximized) {
            self.state.size = Some([inner.width() * zoom, inner.height() * zoom].map(f32::round));
            self.state.place = outer.map(|outer| [outer.left() * zoom, outer.top() * zoom].map(f32::round));
        }
    }

    fn dialogs(&mut self, ui: &mut Ui, out: &mut Commands) {
        if self.dialog == Dialog::None {
            self.dialog_size = egui::Vec2::ZERO;
            return;
        }
        let current = self.chat().map(|chat| chat.conversation.settings.model.clone()).unwrap_or_default();
        let frame = Frame::popup(ui.style()).inner_margin(20);
        // Each dialog has its own size, which determines its position.
        let id = Id::unique("dialog").with(std::mem::discriminant(&self.dialog));
        let shown = Modal::new(id).frame(frame).show(ui.ctx(), |ui| {
            let screen = ui.ctx().content_rect().size();
            ui.set_max_width((screen.x - 72.0).clamp(200.0, 600.0));
            match &mut self.dialog {
                Dialog::None => {}
                Dialog::Help => help::show(ui, out),
                Dialog::Models => {
                    models::show(ui, &self.catalog, &current, &mut self.fields, out);
                }
                Dialog::Path(purpose, why) => files::path(ui, purpose, why, &mut self.fields.path, out),
                Dialog::Close(count) => dialog::close_window(ui, *count, out),
                Dialog::DeleteModel(model) => models::confirm_delete(ui, model, out),
                Dialog::Settings => {
                    let relay = self.relay.as_ref().map(|relay| relay.place().shown());
                    let served = settings::Served {
                        server: self.server.shown(),
                        relay: relay.as_deref(),
                        is_own: self.relay.as_ref().is_some_and(Relay::is_own),
                        on_relay: self
                            .server
                            .connected()
                            .map_or(!self.aim.is_direct, |found| found.is_on_relay),
                        why_here: self.server.connected().and_then(|found| found.why_here.as_deref()),
                    };
                    settings::window(ui, &self.state, served, &mut self.fields, out);
                }
                Dialog::Chat => {
                    if let Some(form) = &mut self.fields.chat {
                        settings::chat(ui, form, out);
                    }
                }
                Dialog::RenameJob(id, to) => {
                    dialog::title(ui, "Rename answer");
                    let question = TextQuestion {
                        name: "Answer name",
                        example: "story",
                        button: "Rename",
                        may_be_empty: false,
                    };
                    let rename = |to| Command::RelayJob(id.clone(), RelayOrder::Verb(Verb::Rename(to)));
                    dialog::ask(ui, &question, to, rename, out);
                }
                Dialog::Rename(key, to) => {
                    dialog::title(ui, "Rename chat");
                    let question = TextQuestion {
                        name: "Chat name",
                        example: "",
                        button: "Rename",
                        may_be_empty: false,
                    };
                    dialog::ask(ui, &question, to, |to| Command::Rename(*key, to), out);
                }
                Dialog::Tags(key, tags) => {
                    dialog::title(ui, "Tags");
                    ui.weak("Words, separated by spaces. “tag:word” in the search finds the chats.");
                    let question = TextQuestion {
                        name: "Tags of the chat",
                        example: "rust work",
                        button: "Save",
                        may_be_empty: true,
                    };
                    dialog::ask(ui, &question, tags, |tags| Command::Tag(*key, tags_of(&tags)), out);
                }
            }
        });
        let size = shown.response.rect.size();
        if (size - self.dialog_size).length() > 0.5 {
            // Its previous size determines its position.
            self.dialog_size = size;
            ui.ctx().request_repaint_after(FRAME);
        }
        if shown.should_close() {
            out.push(Command::Show(Dialog::None));
        }
    }
}
