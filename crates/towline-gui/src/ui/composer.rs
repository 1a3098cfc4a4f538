//! The composer, in which questions are typed.

use egui::text::{CCursor, CCursorRange, CharIndex};
use egui::{
    Align, Button, Event, EventFilter, FontId, Frame, InputState, Key, Layout, Margin, Modifiers, RichText,
    ScrollArea, Stroke, TextEdit, Ui, vec2,
};
use towline_app::chat::context::Context;
use towline_app::text::{safe, units};

use super::icons;
use super::menus;
use super::named::named;
use super::templates;
use super::theme::{Palette, TEXT};
use super::view_state::ChatView;
use crate::catalog::Catalog;
use crate::chats::{Attachment, Chat};
use crate::command::{Command, Commands, Dialog};

/// The maximum height of the field, in rows.
const MAX_ROWS: f32 = 8.0;
/// Longer pasted text becomes an attachment, in bytes, because typing in such a large field would be slow.
pub const MAX_PASTED: usize = 16 << 10;
/// The percentage from which the context counts as nearly full.
const NEARLY_FULL: u64 = 80;
/// With less room than this, only the percentage of the context is shown, in points.
const CONTEXT_ROOM: f32 = 170.0;
/// Maximum number of models that are offered instead of a missing one.
const MAX_OFFERED: usize = 3;

/// Draws the field and the attachments; focuses the field if it takes the focus.
pub fn show(ui: &mut Ui, view: ChatView<'_>, takes_focus: bool, out: &mut Commands) {
    let palette = Palette::at(ui);
    let ChatView { chat, catalog, .. } = view;
    if catalog.lacks(&chat.conversation.settings.model) {
        missing(ui, catalog, &chat.conversation.settings.model, out);
    }
    let has_focus = ui.memory(|memory| memory.has_focus(field_id()));
    let edge = if has_focus { palette.link } else { palette.edge };
    let frame = Frame::new().fill(palette.raised).stroke(Stroke::new(1.0, edge)).corner_radius(18);
    frame.inner_margin(Margin { left: 14, right: 8, top: 10, bottom: 8 }).show(ui, |ui| {
        if !chat.attached.is_empty() {
            ui.horizontal_wrapped(|ui| {
                for (index, attachment) in chat.attached.iter().enumerate() {
                    chip(ui, index, attachment, out);
                }
            });
        }
        let picked = templates::show(ui, &chat.draft, view.templates, has_focus);
        let mut draft = chat.draft.clone();
        // Enter sends; with Shift it starts a new line, which the field handles itself.
        let sends = has_focus && ui.input_mut(take_enter);
        let stops = has_focus && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
        let response = field(ui, &mut draft);
        if takes_focus {
            response.request_focus();
        }
        if has_focus {
            let filter =
                EventFilter { escape: true, horizontal_arrows: true, vertical_arrows: true, tab: false };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(field_id(), filter));
        }
        // Uses the text including this frame's input, because a whole line and its Enter may arrive in one
        // frame.
        let can_send = !draft.trim().is_empty() || !chat.attached.is_empty();
        if let Some(name) = picked {
            // Also with this frame's input.
            let input = templates::typed(&draft).and_then(|(_, input)| input).unwrap_or_default();
            out.push(Command::Template(name, input.to_owned()));
        } else if response.changed() {
            out.push(Command::Draft(draft));
        }
        let typed = ComposerState { can_send, sends, stops };
        named(ui, "buttons", |ui| ui.horizontal(|ui| buttons(ui, view, typed, out)));
    });
    ui.add_space(6.0);
}

/// The text of the field, and the actions of its keys.
#[derive(Debug, Clone, Copy)]
struct ComposerState {
    can_send: bool,
    sends: bool,
    stops: bool,
}

/// Draws the row below the field: files, models, and one button that sends or stops.
fn buttons(ui: &mut Ui, view: ChatView<'_>, typed: ComposerState, out: &mut Commands) {
    let palette = Palette::at(ui);
    let (ChatView { chat, catalog, servers, .. }, ComposerState { can_send, sends, stops }) = (view, typed);
    ui.spacing_mut().item_spacing.x = 2.0;
    out.on_click(icons::button(ui, "📎", "Add files"), Command::ChooseFiles);
    menus::model(ui, chat, catalog, out);
    menus::compare(ui, chat, catalog, out);
    menus::server(ui, servers, out);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let is_stop = !chat.live.is_empty() && !can_send;
        let (sign, name, fill) =
            if is_stop { ("■", "Stop", palette.bad) } else { ("↑", "Send", palette.link) };
        let may = is_stop || (can_send && servers.server.client().is_some());
        let sign = RichText::new(sign).size(17.0).color(palette.on_color);
        let button = Button::new(sign).fill(if may { fill } else { palette.edge }).corner_radius(17);
        let button = ui.add_enabled(may, button.min_size(vec2(34.0, 34.0))).accessible_name(name);
        let is_clicked = button.on_hover_text(name).clicked();
        ui.add_space(6.0);
        context(ui, chat, catalog);
        if (is_clicked && !is_stop) || (sends && can_send) {
            out.push(Command::Send);
        }
        if (is_clicked && is_stop) || (stops && !chat.live.is_empty()) {
            out.push(Command::StopAll);
        }
    });
}

/// Shows how full the model's context is.
fn context(ui: &mut Ui, chat: &Chat, catalog: &Catalog) {
    let palette = Palette::at(ui);
    let model = &chat.conversation.settings.model;
    let context = Context::of(&chat.conversation, catalog.context(model));
    let coming = chat.live.iter().filter(|live| live.info.model.as_deref() == Some(model.as_str()));
    let coming = coming.map(|live| live.info.tokens).sum();
    let (Some(percent), Some(whole)) = (context.percent(coming), context.text(coming)) else { return };
    let color = if percent < NEARLY_FULL { palette.weak } else { palette.warning };
    let words = if ui.available_width() < CONTEXT_ROOM { format!("{percent} %") } else { whole.clone() };
    ui.label(RichText::new(words).small().color(color)).on_hover_text(format!(
        "{whole} tokens. When it is full, the model no longer sees the oldest; Settings of this chat enlarge it."
    ));
}

/// The id of the field.
pub fn field_id() -> egui::Id {
    egui::Id::unique("composer")
}

/// Moves the cursor to the end of the question.
pub fn cursor_to_end(context: &egui::Context, question: &str) {
    let mut state = egui::text_edit::TextEditState::load(context, field_id()).unwrap_or_default();
    let end = CCursor::new(CharIndex(question.chars().count()));
    state.cursor.set_char_range(Some(CCursorRange::one(end)));
    state.store(context, field_id());
}

/// The field, which grows with its lines.
fn field(ui: &mut Ui, draft: &mut String) -> egui::Response {
    let font = FontId::proportional(TEXT);
    let row = ui.fonts_mut(|fonts| fonts.row_height(&font));
    let area = ScrollArea::vertical().id_salt("draft").max_height(row * MAX_ROWS).auto_shrink([false, true]);
    area.show(ui, |ui| {
        let field = TextEdit::multiline(draft).id(field_id()).font(font).frame(Frame::NONE);
        let field = field.desired_width(f32::INFINITY).desired_rows(1).margin(Margin::ZERO);
        ui.add(field.hint_text("Ask anything")).accessible_name("Question")
    })
    .inner
}

/// The chip of an attachment.
fn chip(ui: &mut Ui, index: usize, attachment: &Attachment, out: &mut Commands) {
    let frame = Frame::new().stroke(Stroke::new(1.0, Palette::at(ui).edge)).corner_radius(8);
    frame.inner_margin(Margin::symmetric(8, 4)).show(ui, |ui| {
        ui.horizontal(|ui| {
            let name = attachment.name();
            let size = match attachment {
                Attachment::Image { bytes, .. } => {
                    super::image::thumbnail(ui, name, bytes);
                    bytes.len()
                }
                Attachment::Text { text, .. } => {
                    ui.label("📄");
                    text.len()
                }
            };
            let short: String = name.chars().take(32).collect();
            ui.label(safe::text(&short));
            ui.weak(units::bytes(size as u64));
            let button = Button::new("✖").small().frame_when_inactive(false);
            if ui.add(button).accessible_name(format!("Remove {name}")).clicked() {
                out.push(Command::Detach(index));
            }
        });
    });
}

/// Says that the server does not have the chat's model, and offers other models.
fn missing(ui: &mut Ui, catalog: &Catalog, model: &str, out: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        ui.colored_label(Palette::at(ui).warning, format!("The server does not have {}.", safe::text(model)));
        for other in catalog.installed.iter().take(MAX_OFFERED) {
            if ui.small_button(format!("Use {}", other.name)).clicked() {
                out.push(Command::Model(other.name.clone()));
            }
        }
        out.on_click(ui.small_button("More models…"), Command::Show(Dialog::Models));
    });
}

/// Consumes an Enter without modifiers, whatever else was pressed in the same frame.
fn take_enter(input: &mut InputState) -> bool {
    let is_it = |event: &Event| matches!(event, Event::Key { key: Key::Enter, pressed: true, modifiers, .. } if modifiers.is_none());
    let at = input.events.iter().position(is_it);
    at.map(|at| input.events.remove(at)).is_some()
}

/// Takes dropped files, pasted pictures and long pasted texts as attachments.
pub fn take_files(ui: &Ui, out: &mut Commands) {
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
