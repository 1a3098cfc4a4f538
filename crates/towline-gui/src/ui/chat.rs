//! The chat in the middle: its header and its turns.

use std::time::Duration;

use egui::style::ScrollAnimation;
use egui::{
    Align, Align2, Area, Button, Label, Layout, Order, Rect, RichText, Role, ScrollArea, Ui, UiBuilder, pos2,
    vec2,
};
use towline_app::chat::{Turn, Variant};
use towline_app::servers::ServerSpec;

use super::find::Find;
use super::icons;
use super::named::{named, region, sides};
use super::theme::{COLUMN, Face, Palette};
use super::turn::{self, AnswerView};
use super::view_state::{ChatView, Layouts};
use crate::chats::{Chat, Contents};
use crate::command::{Command, Commands, Dialog};

/// The minimum width of side-by-side answers; if there is less room, they go into further rows.
const MIN_COLUMN: f32 = 250.0;
/// So many tags stand beside a title.
const MAX_TAGS: usize = 3;
/// Room for the question above answers side by side, in points.
const QUESTION_ROOM: f32 = 130.0;
/// When a repaint shows what could not be shown in this frame.
const FRAME: Duration = Duration::from_millis(16);
/// Suggested first questions.
const TRY: [&str; 3] = [
    "Explain how a tide mill works, in three short paragraphs",
    "Write a Python function that merges overlapping intervals, with tests",
    "Plan a weekend for two in a town by the sea, as a table",
];

/// Draws in a column in the middle.
pub fn column<R>(ui: &mut Ui, width: f32, add: impl FnOnce(&mut Ui) -> R) -> R {
    let all = ui.available_rect_before_wrap();
    let width = width.min(all.width());
    let left = (all.center().x - width / 2.0).round();
    let place = Rect::from_min_max(pos2(left, all.top()), pos2(left + width, all.bottom()));
    ui.scope_builder(UiBuilder::new().max_rect(place).layout(Layout::top_down(Align::Min)), add).inner
}

/// The surroundings of a chat.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Whether the list of chats is shown.
    pub has_chats: bool,
    /// Whether the panel of jobs is shown.
    pub has_jobs: bool,
    /// The number of running answers.
    pub running: usize,
}

/// Draws the header of the chat.
pub fn head(ui: &mut Ui, chat: &Chat, shown: Head, out: &mut Commands) {
    let Head { has_chats, has_jobs, running } = shown;
    ui.horizontal(|ui| {
        if !has_chats && icons::button(ui, "☰", "Show or hide the chats").clicked() {
            out.push(Command::ToggleChats);
        }
        let title = |ui: &mut Ui| {
            let title = if chat.is_empty() { String::new() } else { chat.title() };
            ui.label(RichText::new(title).font(Face::Medium.font(14.0)));
        };
        sides(ui, title, |ui| {
            out.on_click(icons::button(ui, "⚙", "Settings of this chat"), Command::Show(Dialog::Chat));
            let words = if running == 0 { "Jobs".to_owned() } else { format!("Jobs ({running})") };
            let button = ui.add(Button::selectable(has_jobs, words)).accessible_name("Jobs");
            let button = button.on_hover_text("Every answer, and what can be done (Ctrl+J)");
            out.on_click(button, Command::ToggleJobs);
            for tag in chat.conversation.tags.iter().take(MAX_TAGS).rev() {
                let short: String = tag.chars().take(16).collect();
                ui.label(RichText::new(format!("#{short}")).small().weak());
            }
        });
    });
}

/// Draws the turns.
pub fn turns(ui: &mut Ui, view: ChatView<'_>, layouts: &mut Layouts, out: &mut Commands) {
    let chat = view.chat;
    region(ui, Role::Main, "Questions and answers");
    match &chat.contents {
        Contents::Here => {}
        Contents::OnDisk | Contents::Loading => {
            ui.centered_and_justified(|ui| ui.weak("reading the chat…"));
            return;
        }
        Contents::Unreadable(why) => {
            ui.centered_and_justified(|ui| {
                ui.colored_label(Palette::at(ui).bad, format!("This chat cannot be read: {why}."))
            });
            return;
        }
    }
    if chat.conversation.turns().is_empty() {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            column(ui, COLUMN, |ui| empty(ui, view, out));
        });
        return;
    }
    if layouts.find.as_mut().is_some_and(|find| find.update(chat)) {
        ui.ctx().request_repaint();
    }
    let scroll = layouts.scrolls.entry(chat.key).or_default();
    if layouts.find.as_ref().is_some_and(Find::is_seeking) {
        scroll.stop_following();
    }
    layouts.first = None;
    let mut area = ScrollArea::vertical().id_salt(chat.key).auto_shrink(false);
    if let Some(offset) = scroll.offset() {
        area = area.vertical_scroll_offset(offset);
    }
    let shown = area.show(ui, |ui| {
        let clip = ui.clip_rect();
        let (full, height) = (ui.available_width(), clip.height());
        for turn in chat.conversation.turns() {
            let shown = turn.side_by_side();
            let width = if shown.len() > 1 { full } else { full.min(COLUMN) };
            let key = (chat.key, turn.id);
            let top = ui.cursor().top();
            if let Some((known, known_width)) = layouts.groups.get(&key)
                && (*known_width - width).abs() < 0.5
                && (top + known < clip.top() || top > clip.bottom())
                && !layouts.find.as_ref().is_some_and(|find| find.seeks(turn.id))
            {
                ui.add_space(*known);
                continue;
            }
            named(ui, turn.id, |ui| {
                column(ui, width, |ui| {
                    draw_turn(ui, view, (turn, &shown), height, layouts, out);
                });
            });
            layouts.groups.insert(key, (ui.cursor().top() - top, width));
            if ui.cursor().top() > clip.top() {
                layouts.first = layouts.first.or(Some(turn.id));
            }
        }
        ui.add_space(16.0);
    });
    let (visible, length) = (shown.inner_rect, shown.content_size.y);
    let scroll = layouts.scrolls.entry(chat.key).or_default();
    if scroll.record_position(shown.state.clamped_offset().y, length - visible.height()) {
        ui.ctx().request_repaint_after(FRAME);
    }
    layouts.page = visible.height();
    if !scroll.follows() && newest(ui, visible) {
        scroll.to_end();
        ui.ctx().request_repaint();
    }
}

/// Draws a button over the transcript that scrolls to the newest text, and returns whether it was clicked.
fn newest(ui: &Ui, seen: Rect) -> bool {
    let palette = Palette::at(ui);
    let area = Area::new(egui::Id::unique("newest")).order(Order::Middle).pivot(Align2::CENTER_BOTTOM);
    let area = area.fixed_pos(pos2(seen.center().x, seen.bottom() - 10.0));
    let button = Button::new("↓ Newest")
        .fill(palette.raised)
        .stroke(egui::Stroke::new(1.0, palette.edge))
        .corner_radius(14);
    area.show(ui.ctx(), |ui| ui.add(button).accessible_name("Go to the newest").clicked()).inner
}

fn draw_turn(
    ui: &mut Ui,
    view: ChatView<'_>,
    (turn, shown): (&Turn, &[&Variant]),
    height: f32,
    layouts: &mut Layouts,
    out: &mut Commands,
) {
    turn::question(ui, (view.chat, turn), layouts.find.as_mut(), out);
    if let [only] = shown {
        let view = AnswerView { parent: view, turn, answer: only, is_compared: false };
        return turn::answer(ui, view, layouts, out);
    }
    let gap = 10.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of columns")]
    let fitting = (ui.available_width() / (MIN_COLUMN + gap)).max(1.0) as usize;
    let columns = balanced(shown.len(), fitting);
    let rows = shown.len().div_ceil(columns);
    #[expect(clippy::cast_precision_loss, reason = "a small number of columns and rows")]
    let (width, pane) = (
        (ui.available_width() - gap * (columns as f32 - 1.0)) / columns as f32,
        ((height - QUESTION_ROOM) / rows as f32 - gap).clamp(140.0, 520.0),
    );
    for row in shown.chunks(columns) {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            for one in row {
                named(ui, one.id, |ui| {
                    ui.allocate_ui_with_layout(vec2(width, pane), Layout::top_down(Align::Min), |ui| {
                        ui.set_min_size(vec2(width, pane));
                        let frame = egui::Frame::group(ui.style()).inner_margin(6.0);
                        frame.show(ui, |ui| {
                            let view = AnswerView { parent: view, turn, answer: one, is_compared: true };
                            ui.set_width(width - 14.0);
                            turn::pane(ui, view, pane - 14.0, layouts, out);
                        });
                        let find = layouts.find.as_ref();
                        if find.is_some_and(|find| {
                            find.is_seeking() && find.highlights(one.id).current.is_some()
                        }) {
                            ui.scroll_to_rect_animation(ui.min_rect(), None, ScrollAnimation::none());
                        }
                    });
                });
            }
        });
        ui.add_space(gap);
    }
}

/// The number of columns that fit, with rows of about the same length.
fn balanced(panes: usize, fitting: usize) -> usize {
    let rows = panes.div_ceil(fitting.clamp(1, panes.max(1)));
    panes.div_ceil(rows.max(1)).max(1)
}

fn empty(ui: &mut Ui, view: ChatView<'_>, out: &mut Commands) {
    let palette = Palette::at(ui);
    ui.add_space((ui.clip_rect().height() * 0.16).max(8.0));
    ui.vertical_centered(|ui| {
        ui.label(RichText::new("Ask something").font(Face::SemiBold.font(26.0)).color(palette.strong));
        ui.add_space(4.0);
        ui.weak("Every answer runs in the background: switching or hiding a chat never stops it.");
        ui.weak("F1 lists the keys.");
    });
    ui.add_space(18.0);
    let model = view.chat.conversation.settings.model.as_str();
    let there = &view.catalog.installed;
    if view.servers.server.is_builtin() {
        let frame = egui::Frame::new()
            .stroke(egui::Stroke::new(1.0, palette.warning))
            .corner_radius(10)
            .inner_margin(14);
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.colored_label(palette.warning, RichText::new("Brook is a toy").font(Face::SemiBold.font(15.0)));
            ui.add(Label::new(
                "No model server was found, so a tiny built-in model answers: its words look like sentences, and it knows \
                 nothing. For real answers install Ollama (ollama.com), run “ollama pull llama3.2”, and look again.",
            ).wrap());
            out.on_click(ui.button("Look again"), Command::Connect(ServerSpec::default()));
        });
    } else if there.is_empty() && view.servers.server.client().is_some() && !view.catalog.is_listing() {
        ui.vertical_centered(|ui| {
            ui.colored_label(palette.warning, "The server has no models; Ctrl+M pulls one.")
        });
    }
    ui.add_space(10.0);
    for question in TRY {
        let button =
            Button::new(question).wrap().corner_radius(10).stroke(egui::Stroke::new(1.0, palette.edge));
        let button = button.fill(palette.ground).min_size(vec2(ui.available_width(), 40.0));
        if ui.add_enabled(!model.is_empty(), button).clicked() {
            out.0.extend([Command::Draft(question.to_owned()), Command::Send]);
        }
    }
    if there.len() > 1 {
        ui.add_space(10.0);
        let names: Vec<&str> = there.iter().take(6).map(|model| model.name.as_str()).collect();
        let more = if there.len() > names.len() { " …" } else { "" };
        ui.vertical_centered(|ui| ui.weak(format!("Models here: {}{more}", names.join(", "))));
    }
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
