//! The chat in the middle: its head, and its turns.

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{Align, ComboBox, Layout, PopupCloseBehavior, ScrollArea, Ui, vec2};
use towline_app::chat::{Turn, Variant};

use super::theme::{MAX_TEXT_WIDTH, Palette};
use super::turn::{self, Place};
use crate::catalog::Catalog;
use crate::chats::{Chat, Contents, MAX_COMPARED};
use crate::command::{Command, Dialog};
use crate::window::{Layouts, Window};

/// Below this width answers side by side do not get narrower; they go into further rows.
const MIN_COLUMN: f32 = 250.0;

/// Draws what is above the chat.
pub fn head(ui: &mut Ui, window: &Window, palette: &Palette, out: &mut Vec<Command>) {
    let Some(chat) = window.chat() else { return };
    ui.horizontal(|ui| {
        let chats = ui.button("☰").accessible_name("Show or hide the chats");
        if chats.clicked() {
            out.push(Command::ToggleChats);
        }
        model(ui, chat, &window.catalog, out);
        compare(ui, chat, &window.catalog, out);
        if ui
            .button("⚙")
            .accessible_name("Settings of this chat")
            .on_hover_text("Settings of this chat")
            .clicked()
        {
            out.push(Command::Show(Dialog::Chat));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let running = window
                .engine
                .jobs()
                .iter()
                .filter(|job| !job.state().is_ended() && job.info().model.is_some())
                .count();
            let words = if running == 0 { "Jobs".to_owned() } else { format!("Jobs ({running})") };
            let button = ui.selectable_label(window.state.shows_jobs, words).accessible_name("Jobs");
            if button.clicked() {
                out.push(Command::ToggleJobs);
            }
            if chat.live.len() > 1 && ui.button(egui::RichText::new("Stop all").color(palette.bad)).clicked()
            {
                out.push(Command::StopAll);
            }
        });
    });
}

fn model(ui: &mut Ui, chat: &Chat, catalog: &Catalog, out: &mut Vec<Command>) {
    let own = &chat.conversation.settings.model;
    let shown = if own.is_empty() { "no model" } else { own.as_str() };
    let combo = ComboBox::from_id_salt("model").selected_text(shown).width(180.0).show_ui(ui, |ui| {
        for model in &catalog.installed {
            let loaded = if catalog.is_loaded(&model.name) == Some(true) { " •" } else { "" };
            let words = format!("{}{loaded}", model.name);
            if ui.selectable_label(*own == model.name, words).accessible_name(&model.name).clicked() {
                out.push(Command::Model(model.name.clone()));
            }
        }
        ui.separator();
        if ui.button("More models…").clicked() {
            out.push(Command::Show(Dialog::Models));
        }
    });
    drop(combo.response.accessible_name("Model"));
}

fn compare(ui: &mut Ui, chat: &Chat, catalog: &Catalog, out: &mut Vec<Command>) {
    let words = match chat.compared.len() {
        0 => "Compare".to_owned(),
        more => format!("Compare (+{more})"),
    };
    // Several are ticked at once.
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let (response, _) = MenuButton::new(words).config(config).ui(ui, |ui| {
        ui.weak("Ask these too, side by side:");
        for model in catalog.installed.iter().filter(|model| model.name != chat.conversation.settings.model) {
            let mut is_asked = chat.compared.contains(&model.name);
            let may = is_asked || chat.compared.len() + 1 < MAX_COMPARED;
            if ui.add_enabled(may, egui::Checkbox::new(&mut is_asked, model.name.as_str())).changed() {
                out.push(Command::Compare(model.name.clone(), is_asked));
            }
        }
    });
    drop(response.accessible_name("Compare models"));
}

/// Draws the turns.
pub fn turns(ui: &mut Ui, window: &Window, layouts: &mut Layouts, palette: &Palette, out: &mut Vec<Command>) {
    let Some(chat) = window.chat() else { return };
    match &chat.contents {
        Contents::Here => {}
        Contents::OnDisk | Contents::Loading => {
            ui.centered_and_justified(|ui| ui.weak("reading the chat…"));
            return;
        }
        Contents::Unreadable(why) => {
            ui.centered_and_justified(|ui| {
                ui.colored_label(palette.bad, format!("This chat cannot be read: {why}."))
            });
            return;
        }
    }
    if chat.conversation.turns().is_empty() {
        empty(ui, window, palette);
        return;
    }
    let area = ScrollArea::vertical().id_salt(chat.key).auto_shrink(false).stick_to_bottom(true);
    area.show(ui, |ui| {
        let clip = ui.clip_rect();
        let full = ui.available_width();
        let height = clip.height();
        for turn in chat.conversation.turns() {
            let shown = turn.side_by_side();
            let width = if shown.len() > 1 { full } else { full.min(MAX_TEXT_WIDTH) };
            let key = (chat.key, turn.id);
            let top = ui.cursor().top();
            if let Some((known, known_width)) = layouts.groups.get(&key)
                && (*known_width - width).abs() < 0.5
                && (top + known < clip.top() || top > clip.bottom())
            {
                ui.add_space(*known);
                continue;
            }
            ui.push_id(turn.id, |ui| {
                ui.vertical(|ui| {
                    ui.set_max_width(width);
                    draw_turn(ui, window, chat, (turn, &shown), height, layouts, palette, out);
                });
            });
            layouts.groups.insert(key, (ui.cursor().top() - top, width));
        }
    });
}

#[expect(clippy::too_many_arguments, reason = "what one frame is drawn from")]
fn draw_turn(
    ui: &mut Ui,
    window: &Window,
    chat: &Chat,
    (turn, shown): (&Turn, &[&Variant]),
    height: f32,
    layouts: &mut Layouts,
    palette: &Palette,
    out: &mut Vec<Command>,
) {
    turn::question(ui, chat, turn, palette, out);
    if let [only] = shown {
        let place = Place { window, chat, turn, answer: only, is_compared: false };
        return turn::answer(ui, place, layouts, palette, out);
    }
    let gap = 10.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of columns")]
    let fitting = (ui.available_width() / (MIN_COLUMN + gap)).max(1.0) as usize;
    let columns = balanced(shown.len(), fitting);
    let rows = shown.len().div_ceil(columns);
    #[expect(clippy::cast_precision_loss, reason = "a small number of columns and rows")]
    let (width, pane) = (
        (ui.available_width() - gap * (columns as f32 - 1.0)) / columns as f32,
        ((height - 60.0) / rows as f32 - gap).clamp(140.0, 520.0),
    );
    for row in shown.chunks(columns) {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            for one in row {
                ui.push_id(one.id, |ui| {
                    ui.allocate_ui_with_layout(vec2(width, pane), Layout::top_down(Align::Min), |ui| {
                        ui.set_min_size(vec2(width, pane));
                        let frame = egui::Frame::group(ui.style()).inner_margin(6.0);
                        frame.show(ui, |ui| {
                            let place = Place { window, chat, turn, answer: one, is_compared: true };
                            ui.set_width(width - 14.0);
                            turn::pane(ui, place, pane - 14.0, layouts, palette, out);
                        });
                    });
                });
            }
        });
        ui.add_space(gap);
    }
}

/// As many columns as fit, and rows that are about equally long.
fn balanced(panes: usize, fitting: usize) -> usize {
    let rows = panes.div_ceil(fitting.clamp(1, panes.max(1)));
    panes.div_ceil(rows.max(1)).max(1)
}

fn empty(ui: &mut Ui, window: &Window, palette: &Palette) {
    ui.add_space(ui.available_height() * 0.35);
    ui.vertical_centered(|ui| {
        ui.heading("Ask something");
        ui.weak("Every answer runs in the background: switching or hiding a chat never stops it.");
        if window.catalog.installed.is_empty()
            && window.server.client().is_some()
            && !window.catalog.is_listing()
        {
            ui.colored_label(palette.warning, "The server has no models; Ctrl+M fetches one.");
        }
        ui.weak("F1 lists the keys.");
    });
}

#[cfg(test)]
mod tests {
    use super::balanced;

    #[test]
    fn columns_are_balanced() {
        assert_eq!(
            [balanced(2, 4), balanced(4, 3), balanced(16, 5), balanced(3, 1), balanced(1, 9)],
            [2, 2, 4, 1, 1]
        );
    }
}
