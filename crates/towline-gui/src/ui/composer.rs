//! Where questions are typed.

use egui::{Event, EventFilter, InputState, Key, Modifiers, RichText, ScrollArea, TextEdit, Ui};

use towline_app::text::safe;

use super::theme::Palette;
use crate::chats::Attachment;
use crate::command::{Command, Dialog};
use crate::window::{Focus, Window};

/// Pasted text that is longer goes with the question as a file, in bytes: a field of that size would be slow to type in.
pub const MAX_PASTED: usize = 16 << 10;
/// Models that are offered in place of one that is not there.
const MAX_OFFERED: usize = 3;

/// Draws the field, and what goes with the question.
pub fn show(ui: &mut Ui, window: &Window, palette: &Palette, out: &mut Vec<Command>) {
    let Some(chat) = window.chat() else { return };
    ui.add_space(6.0);
    if !chat.attached.is_empty() {
        ui.horizontal_wrapped(|ui| {
            for (index, attachment) in chat.attached.iter().enumerate() {
                let mark = match attachment {
                    Attachment::Image { .. } => "🖼",
                    Attachment::Text { .. } => "📄",
                };
                let name = attachment.name();
                let button =
                    ui.small_button(format!("{mark} {name} ✖")).accessible_name(format!("Remove {name}"));
                if button.on_hover_text("Goes with the question; a click takes it away").clicked() {
                    out.push(Command::Detach(index));
                }
            }
        });
    }
    if window.catalog.lacks(&chat.conversation.settings.model) {
        missing(ui, window, &chat.conversation.settings.model, palette, out);
    }
    let mut draft = chat.draft.clone();
    let id = egui::Id::unique("composer");
    let has_focus = ui.memory(|memory| memory.has_focus(id));
    // Enter sends; with Shift it begins a line, which the field does by itself.
    let sends = has_focus && ui.input_mut(take_enter);
    let stops = has_focus && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
    ui.horizontal_top(|ui| {
        if ui.button("📎").accessible_name("Add files").on_hover_text("Add files (Ctrl+O)").clicked() {
            out.push(Command::ChooseFiles);
        }
        let buttons = if chat.live.is_empty() { 70.0 } else { 136.0 };
        let width = (ui.available_width() - buttons).max(80.0);
        let response = ScrollArea::vertical()
            .id_salt("draft")
            .max_height(180.0)
            .max_width(width)
            .show(ui, |ui| {
                palette.outline_fields(ui);
                let field = TextEdit::multiline(&mut draft)
                    .id(id)
                    .desired_width(width)
                    .desired_rows(if draft_lines(&chat.draft) > 1 { 3 } else { 1 })
                    .hint_text("Ask…  (Enter sends, Shift+Enter begins a line)");
                ui.add(field).accessible_name("Question")
            })
            .inner;
        if window.focus == Some(Focus::Composer) {
            response.request_focus();
        }
        if has_focus {
            let filter =
                EventFilter { escape: true, horizontal_arrows: true, vertical_arrows: true, tab: false };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
        }
        // Of the text with this frame's letters: a whole line and its Enter may come in one.
        let can_send = !draft.trim().is_empty() || !chat.attached.is_empty();
        if response.changed() {
            out.push(Command::Draft(draft));
        }
        let send = ui.add_enabled(can_send && window.server.client().is_some(), egui::Button::new("Send"));
        if send.clicked() || (sends && can_send) {
            out.push(Command::Send);
        }
        if !chat.live.is_empty() {
            let stop = egui::Button::new(RichText::new("⏹ Stop").color(palette.bad));
            if ui.add(stop).accessible_name("Stop").clicked() || stops {
                out.push(Command::StopAll);
            }
        }
    });
    ui.add_space(6.0);
}

/// Says that the server does not have the chat's model, and offers those it has.
fn missing(ui: &mut Ui, window: &Window, model: &str, palette: &Palette, out: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        ui.colored_label(palette.warning, format!("The server does not have {}.", safe::text(model)));
        for other in window.catalog.installed.iter().take(MAX_OFFERED) {
            if ui.small_button(format!("Use {}", other.name)).clicked() {
                out.push(Command::Model(other.name.clone()));
            }
        }
        if ui.small_button("More models…").clicked() {
            out.push(Command::Show(Dialog::Models));
        }
    });
}

/// Takes an Enter that was pressed alone, whatever else was pressed in the same frame.
fn take_enter(input: &mut InputState) -> bool {
    let is_it = |event: &Event| matches!(event, Event::Key { key: Key::Enter, pressed: true, modifiers, .. } if modifiers.is_none());
    let at = input.events.iter().position(is_it);
    at.map(|at| input.events.remove(at)).is_some()
}

fn draft_lines(draft: &str) -> usize {
    draft.split('\n').take(2).count()
}

/// Takes what was dropped on the window, and pasted pictures and long texts, as files for the question.
pub fn take_files(ui: &Ui, out: &mut Vec<Command>) {
    let dropped: Vec<_> =
        ui.input(|input| input.raw.dropped_files.iter().map(|file| file.path().to_owned()).collect());
    if !dropped.is_empty() {
        out.push(Command::Attach(dropped));
    }
    ui.input_mut(|input| {
        input.events.retain(|event| {
            if let Event::Paste(text) = event
                && text.len() > MAX_PASTED
            {
                out.push(Command::AttachText(text.clone()));
                return false;
            }
            if let Event::PasteImage(image) = event {
                out.push(Command::AttachImage(image.clone()));
                return false;
            }
            true
        });
    });
}
