//! A question and its answer, with their buttons.

use egui::{Align, Label, Layout, RichText, ScrollArea, TextEdit, Ui};
use towline::JobState;
use towline_app::chat::{Answered, Shown, Turn, Variant};
use towline_app::text::{safe, units};

use super::document::{self, Clicked};
use super::pieces;
use super::theme::Palette;
use crate::chats::{Answer, Chat, Live, Note, Progressing, progressing};
use crate::command::Command;
use crate::window::{Layouts, Window};

/// A longer question is folded, in characters.
const LONG_QUESTION: usize = 4_000;

/// Which answer is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) window: &'a Window,
    pub(super) chat: &'a Chat,
    pub(super) turn: &'a Turn,
    pub(super) answer: &'a Variant,
    pub(super) is_compared: bool,
}

/// Draws a question.
pub(super) fn question(ui: &mut Ui, chat: &Chat, turn: &Turn, palette: &Palette, out: &mut Vec<Command>) {
    ui.add_space(10.0);
    let frame = egui::Frame::new()
        .fill(palette.question_ground)
        .corner_radius(8.0)
        .inner_margin(egui::Margin::symmetric(12, 8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        if let Some((editing, _)) = &chat.editing
            && editing.turn == turn.id
        {
            return edited(ui, chat, out);
        }
        let shown = turn.answer();
        let content = &turn.question_of(shown).content;
        let cut = content.char_indices().nth(LONG_QUESTION).map(|(at, _)| at);
        let words = cut.map_or(content.as_str(), |at| &content[..at]);
        ui.add(Label::new(pieces::plain(words, ui.visuals().text_color())).wrap());
        if cut.is_some() {
            ui.weak(format!("… {} characters in all; Copy has them", content.chars().count()));
        }
        if !turn.question.images.is_empty() {
            ui.weak(format!("🖼 {} with the question", turn.question.images.len()));
        }
        ui.horizontal(|ui| {
            if ui.small_button("Copy").accessible_name("Copy question").clicked() {
                out.push(Command::Copy(content.clone()));
            }
            if ui.small_button("Edit").accessible_name("Edit question").clicked() {
                out.push(Command::Edit(shown.id));
            }
        });
    });
    ui.add_space(6.0);
}

fn edited(ui: &mut Ui, chat: &Chat, out: &mut Vec<Command>) {
    let Some((_, words)) = &chat.editing else { return };
    let mut text = words.clone();
    let field = TextEdit::multiline(&mut text).desired_width(f32::INFINITY).desired_rows(2);
    let response = ui.add(field).accessible_name("Changed question");
    if response.changed() {
        out.push(Command::EditText(text));
    }
    ui.weak("The answer to these words stands beside the earlier one.");
    ui.horizontal(|ui| {
        if ui.button("Send changed question").clicked() {
            out.push(Command::Resend);
        }
        if ui.button("Cancel").clicked() {
            out.push(Command::CancelEdit);
        }
    });
}

/// Draws an answer, as high as it is.
pub(super) fn answer(
    ui: &mut Ui,
    place: Place<'_>,
    layouts: &mut Layouts,
    palette: &Palette,
    out: &mut Vec<Command>,
) {
    heading(ui, place, palette, out);
    body(ui, place, layouts, palette, out);
    ui.add_space(8.0);
}

/// Draws an answer in a pane of its own.
pub(super) fn pane(
    ui: &mut Ui,
    place: Place<'_>,
    height: f32,
    layouts: &mut Layouts,
    palette: &Palette,
    out: &mut Vec<Command>,
) {
    heading(ui, place, palette, out);
    let area =
        ScrollArea::vertical().id_salt(("pane", place.answer.id)).auto_shrink(false).stick_to_bottom(true);
    area.max_height(height - 34.0).show(ui, |ui| body(ui, place, layouts, palette, out));
}

/// What is above an answer: who, what it is doing, and what can be done.
fn heading(ui: &mut Ui, place: Place<'_>, palette: &Palette, out: &mut Vec<Command>) {
    let Place { window, chat, answer, .. } = place;
    let live = chat.live(answer.id);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.add(Label::new(RichText::new(safe::text(&answer.model)).strong()));
        match live {
            Some(live) => running(ui, window, live, palette, out),
            None => ended(ui, place, palette, out),
        }
        variants(ui, place, out);
    });
}

fn running(ui: &mut Ui, window: &Window, live: &Live, palette: &Palette, out: &mut Vec<Command>) {
    let info = live.job.info();
    let is_loaded = info.model.as_deref().and_then(|model| window.catalog.is_loaded(model));
    let silent = info.since_last_event.map_or(0, |time| time.as_secs());
    let Progressing { words, is_stalled } = progressing(info.state, silent, is_loaded);
    let color = if is_stalled { palette.warning } else { palette.good };
    ui.colored_label(color, words);
    if info.tokens > 0 {
        ui.weak(format!("{} tokens, {:.0}/s", info.tokens, info.tokens_per_second));
    }
    let answer = live.answer;
    if info.state == JobState::Paused {
        if ui.small_button("▶ Go on").accessible_name("Unpause answer").clicked() {
            out.push(Command::Pause(answer, false));
        }
    } else if ui.small_button("⏸ Pause").accessible_name("Pause answer").clicked() {
        out.push(Command::Pause(answer, true));
    }
    let stop = ui.small_button(RichText::new("⏹ Stop").color(palette.bad)).accessible_name("Stop answer");
    if stop.clicked() {
        out.push(Command::Stop(answer));
    }
}

fn ended(ui: &mut Ui, place: Place<'_>, palette: &Palette, out: &mut Vec<Command>) {
    let Place { chat, turn, answer, is_compared, .. } = place;
    let state = match answer.answered {
        Answered::Whole => None,
        Answered::Pending | Answered::Failed => Some(("failed", palette.bad)),
        Answered::Truncated => Some(("cut off", palette.warning)),
        Answered::Cancelled => Some(("cancelled", palette.warning)),
        Answered::TimedOut => Some(("timed out", palette.warning)),
    };
    let state = if answer.left_at_relay().is_some() { Some(("with the relay", palette.good)) } else { state };
    if let Some((words, color)) = state {
        ui.colored_label(color, words);
    }
    if let Some(usage) = &answer.usage
        && let (Some(tokens), Some(time)) = (usage.completion_tokens, usage.completion)
    {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = tokens as f64 / time.as_secs_f64().max(0.001);
        ui.weak(format!("{tokens} tokens, {rate:.0}/s")).on_hover_text(usage_words(usage));
    }
    if !answer.answer.content.is_empty() && ui.small_button("Copy").accessible_name("Copy answer").clicked() {
        out.push(Command::Copy(answer.answer.content.clone()));
    }
    if answer.can_continue() && ui.small_button("Continue").accessible_name("Continue answer").clicked() {
        out.push(Command::Continue(answer.id));
    }
    let again = if answer.answered == Answered::Whole { "Regenerate" } else { "Retry" };
    if ui.small_button(again).accessible_name(format!("{again} answer")).clicked() {
        out.push(Command::Regenerate(answer.id));
    }
    if is_compared && ui.small_button("Keep this").accessible_name(format!("Keep {}", answer.model)).clicked()
    {
        out.push(Command::Choose(turn.id, Shown::One(answer.id.variant)));
        // The chat goes on with it alone.
        out.extend(chat.compared.iter().map(|model| Command::Compare(model.clone(), false)));
        out.push(Command::Model(answer.model.clone()));
    }
    if chat.conversation.last().is_some_and(|last| last.id == turn.id)
        && ui.small_button("🗑").accessible_name("Remove question and answer").clicked()
    {
        out.push(Command::Remove(turn.id));
    }
}

/// What chooses among the answers of a turn.
fn variants(ui: &mut Ui, place: Place<'_>, out: &mut Vec<Command>) {
    let Place { turn, answer, is_compared, .. } = place;
    let all = turn.variants();
    let Some(at) = all.iter().position(|one| one.id == answer.id).filter(|_| all.len() > 1 && !is_compared)
    else {
        return;
    };
    for (words, name, other) in [
        ("‹", "Earlier answer", at.checked_sub(1).and_then(|at| all.get(at))),
        ("›", "Later answer", all.get(at + 1)),
    ] {
        if words == "›" {
            ui.weak(format!("{} of {}", at + 1, all.len()));
        }
        let button = ui.add_enabled(other.is_some(), egui::Button::new(words).small()).accessible_name(name);
        if let (true, Some(other)) = (button.clicked(), other) {
            out.push(Command::Choose(turn.id, Shown::One(other.id.variant)));
        }
    }
    if all.iter().any(|one| one.model != answer.model)
        && ui.small_button("Compare").accessible_name("Answers side by side").clicked()
    {
        out.push(Command::Choose(turn.id, Shown::SideBySide));
    }
}

fn usage_words(usage: &towline::Usage) -> String {
    let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let time = |time: Option<std::time::Duration>| {
        time.map_or_else(|| "?".to_owned(), |time| towline::Span(time).to_string())
    };
    format!(
        "{} tokens of question and history, {} of answer\nmodel loaded in {}, in all {}",
        count(usage.prompt_tokens),
        count(usage.completion_tokens),
        time(usage.load),
        time(usage.total)
    )
}

fn body(ui: &mut Ui, place: Place<'_>, layouts: &mut Layouts, palette: &Palette, out: &mut Vec<Command>) {
    let Place { chat, answer: variant, .. } = place;
    let Some(answer) = chat.answers.get(&variant.id) else { return };
    let is_live = chat.live(variant.id).is_some();
    thinking(ui, place, answer, is_live, layouts, palette);
    let layout = layouts.documents.entry((chat.key, variant.id, false)).or_default();
    match document::show(ui, &answer.text, layout, palette, is_live) {
        Some(Clicked::Copy(fence)) => out.push(Command::Copy(answer.text.code(fence))),
        Some(Clicked::Link(link)) => out.push(Command::Follow(link)),
        None => {}
    }
    for call in &variant.answer.tool_calls {
        let frame = egui::Frame::new().fill(palette.code_ground).inner_margin(8.0);
        frame.show(ui, |ui| {
            ui.weak(format!("The model asks for {}", safe::text(&call.name)));
            ui.add(Label::new(RichText::new(safe::text(&call.arguments.to_string())).monospace()).wrap());
        });
    }
    for (number, image) in answer.images.iter().enumerate() {
        super::image::show(ui, (chat.key, variant.id, number), image);
    }
    if let Some(Note { what, hint }) = &answer.note {
        ui.horizontal_wrapped(|ui| {
            let is_harmless = variant.answered == Answered::Cancelled || variant.left_at_relay().is_some();
            let color = if is_harmless { palette.warning } else { palette.bad };
            ui.colored_label(color, safe::text(what));
            if let Some(hint) = hint {
                ui.weak(*hint);
            }
        });
    }
}

fn thinking(
    ui: &mut Ui,
    place: Place<'_>,
    answer: &Answer,
    is_live: bool,
    layouts: &mut Layouts,
    palette: &Palette,
) {
    let length = answer.thinking.text().len();
    if length == 0 {
        return;
    }
    let is_first = is_live && answer.text.text().is_empty();
    let words = if is_first { "Thinking…" } else { "Thoughts" };
    let size = units::bytes(length as u64);
    let head =
        egui::CollapsingHeader::new(format!("{words} ({size})")).id_salt(("thinking", place.answer.id));
    head.show(ui, |ui| {
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            let layout = layouts.documents.entry((place.chat.key, place.answer.id, true)).or_default();
            // What is copied or followed is in the answer, not in the thoughts.
            drop(document::show(ui, &answer.thinking, layout, palette, is_first));
        });
    });
}
