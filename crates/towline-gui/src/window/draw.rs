//! The frame: panels, dialogs.

use std::sync::atomic::Ordering;

use egui::{CentralPanel, Frame, Id, Margin, Modal, Panel, TextEdit, Ui};

use super::Window;
use crate::command::{Command, Dialog};
use crate::shortcuts;
use crate::ui::theme::Palette;
use crate::ui::{chat, composer, files, help, jobs, models, rows, settings, sidebar, toasts};

impl Window {
    /// Draws one frame, and does what was asked for in it.
    pub fn draw(&mut self, ui: &mut Ui) {
        self.counts.frames.fetch_add(1, Ordering::Relaxed);
        let palette = Palette::of(ui.visuals().dark_mode);
        let mut out = shortcuts::pressed(ui.ctx());
        self.watch(ui);
        composer::take_files(ui, &mut out);
        if self.state.shows_chats {
            let panel = Panel::left("chats").default_size(230.0).size_range(170.0..=420.0);
            panel.show(ui, |ui| sidebar::show(ui, self, &palette, &mut out));
        }
        if self.state.shows_jobs {
            let rows = rows::rows(self);
            let panel = Panel::bottom("jobs").resizable(true).default_size(170.0).size_range(90.0..=500.0);
            panel.show(ui, |ui| jobs::show(ui, &rows, self.relay.as_ref(), &palette, &mut out));
        }
        let margin = Margin::symmetric(12, 6);
        let frame = Frame::central_panel(ui.style()).inner_margin(margin);
        Panel::top("head").frame(frame).show(ui, |ui| chat::head(ui, self, &palette, &mut out));
        Panel::bottom("composer").frame(frame).show(ui, |ui| composer::show(ui, self, &palette, &mut out));
        let mut layouts = std::mem::take(&mut self.layouts);
        CentralPanel::default().frame(frame.inner_margin(Margin::symmetric(16, 4))).show(ui, |ui| {
            chat::turns(ui, self, &mut layouts, &palette, &mut out);
        });
        self.layouts = layouts;
        toasts::show(ui, &self.toasts, &mut out);
        self.focus = None;
        self.dialogs(ui, &palette, &mut out);
        for command in out {
            self.act(command);
        }
    }

    /// What the desktop says about the window.
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
            // The usual keys zoom by themselves.
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

    fn dialogs(&mut self, ui: &mut Ui, palette: &Palette, out: &mut Vec<Command>) {
        if self.dialog == Dialog::None {
            return;
        }
        let shown = Modal::new(Id::unique("dialog")).show(ui.ctx(), |ui| {
            ui.set_max_width(640.0);
            match &mut self.dialog {
                Dialog::None => {}
                Dialog::Help => help::show(ui, out),
                Dialog::Models => {
                    let current = self
                        .chats
                        .iter()
                        .find(|chat| chat.key == self.current)
                        .map(|chat| chat.conversation.settings.model.clone());
                    let current = current.unwrap_or_default();
                    models::show(ui, &self.catalog, &current, &mut self.fields, palette, out);
                    if ui.button("Close").clicked() {
                        out.push(Command::Show(Dialog::None));
                    }
                }
                Dialog::Path(purpose, why) => files::path(ui, purpose, why, &mut self.fields.path, out),
                Dialog::DeleteModel(model) => models::confirm_delete(ui, model, palette, out),
                Dialog::Settings => {
                    let server = self.server.shown();
                    let relay = self.relay.as_ref().map(|relay| relay.place.shown());
                    settings::window(ui, &self.state, &server, relay.as_deref(), &mut self.fields, out);
                }
                Dialog::Chat => {
                    if let Some(form) = &mut self.fields.chat {
                        settings::chat(ui, form, palette, out);
                    }
                }
                Dialog::Rename(key, to) => {
                    ui.heading("Rename chat");
                    let field =
                        ui.add(TextEdit::singleline(to).desired_width(320.0)).accessible_name("Chat name");
                    let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
                    if !field.has_focus() && !entered {
                        field.request_focus();
                    }
                    ui.horizontal(|ui| {
                        if ui.button("Rename").clicked() || entered {
                            out.push(Command::Rename(*key, to.clone()));
                        }
                        if ui.button("Cancel").clicked() {
                            out.push(Command::Show(Dialog::None));
                        }
                    });
                }
            }
        });
        if shown.should_close() {
            out.push(Command::Show(Dialog::None));
        }
    }
}
