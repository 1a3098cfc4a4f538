//! The list of chats.

use egui::{Align, Button, Layout, RichText, ScrollArea, TextEdit, Ui};

use super::theme::Palette;
use crate::chats::Chat;
use crate::command::{Command, Dialog, ExportForm};
use crate::server::Server;
use crate::window::{Focus, Window};

/// Draws the list.
pub fn show(ui: &mut Ui, window: &Window, palette: &Palette, out: &mut Vec<Command>) {
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        if ui.button("➕ New chat").accessible_name("New chat").clicked() {
            out.push(Command::NewChat);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let import = ui.button("Import").accessible_name("Import a chat");
            if import.on_hover_text("Read a chat from a session file").clicked() {
                out.push(Command::Import);
            }
        });
    });
    let mut search = window.search.clone();
    let field = TextEdit::singleline(&mut search).hint_text("Search chats").desired_width(f32::INFINITY);
    let response = ui.scope(|ui| {
        palette.outline_fields(ui);
        ui.add(field)
    });
    let response = response.inner.accessible_name("Search chats");
    if window.focus == Some(Focus::Search) {
        response.request_focus();
    }
    if response.changed() {
        out.push(Command::Search(search));
    }
    egui::Panel::bottom("server").show_separator_line(false).show(ui, |ui| server(ui, window, palette, out));
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let listed = window.listed();
        if listed.is_empty() {
            ui.weak("no chat holds this");
        }
        for chat in listed {
            ui.push_id(chat.key, |ui| entry(ui, chat, chat.key == window.current, palette, out));
        }
    });
}

fn entry(ui: &mut Ui, chat: &Chat, is_current: bool, palette: &Palette, out: &mut Vec<Command>) {
    let title = chat.title();
    let height = ui.spacing().interact_size.y;
    let size = egui::vec2(ui.available_width(), height);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        let button = ui.menu_button("…", |ui| menu(ui, chat, &title, out)).response;
        drop(button.accessible_name(format!("Menu of {title}")));
        let mut text = RichText::new(&title);
        if chat.is_unread {
            text = text.color(palette.link);
        }
        let mark = match (chat.live.is_empty(), chat.is_unread, chat.is_pinned) {
            (false, _, _) => "• ",
            (true, true, _) => "✉ ",
            (true, false, true) => "📌 ",
            (true, false, false) => "",
        };
        let mark = RichText::new(mark).color(palette.good);
        let layout = Layout::left_to_right(Align::Center).with_main_align(Align::Min).with_main_justify(true);
        let title_button = |ui: &mut Ui| ui.add(Button::selectable(is_current, (mark, text)).truncate());
        let response = ui.with_layout(layout, title_button).inner.accessible_name(&title);
        if response.clicked() {
            out.push(Command::Open(chat.key));
        }
        response.context_menu(|ui| menu(ui, chat, &title, out));
    });
}

fn menu(ui: &mut Ui, chat: &Chat, title: &str, out: &mut Vec<Command>) {
    let choices = [
        ("Rename", Command::Show(Dialog::Rename(chat.key, title.to_owned()))),
        (if chat.is_pinned { "Unpin" } else { "Pin" }, Command::Pin(chat.key, !chat.is_pinned)),
        ("Export as Markdown", Command::Export(chat.key, ExportForm::Markdown)),
        ("Export as JSON", Command::Export(chat.key, ExportForm::Json)),
        ("Delete", Command::Delete(chat.key)),
    ];
    for (words, command) in choices {
        if ui.button(words).clicked() {
            out.push(command);
            ui.close();
        }
    }
}

fn server(ui: &mut Ui, window: &Window, palette: &Palette, out: &mut Vec<Command>) {
    ui.add_space(4.0);
    let shown = window.server.shown();
    let color = match &window.server {
        Server::Here(_) => palette.good,
        Server::Looking(_) => palette.warning,
        Server::Nowhere(_) => palette.bad,
    };
    ui.add(egui::Label::new(RichText::new(shown).small().color(color)).wrap());
    if let (Server::Here(_), Some(error)) = (&window.server, &window.catalog.error) {
        ui.add(egui::Label::new(RichText::new(error).small().color(palette.bad)).wrap());
    }
    if let Server::Nowhere(_) = &window.server
        && ui.button("Try again").clicked()
    {
        out.push(Command::Connect(String::new()));
    }
    ui.horizontal_wrapped(|ui| {
        for (words, dialog) in
            [("Models", Dialog::Models), ("Settings", Dialog::Settings), ("Keys", Dialog::Help)]
        {
            if ui.small_button(words).clicked() {
                out.push(Command::Show(dialog));
            }
        }
    });
    ui.add_space(4.0);
}
