//! A question and its answer, with their buttons.

use egui::{Align, Label, Layout, Margin, Rect, RichText, ScrollArea, TextEdit, Ui, vec2};
use towline::engine::JobState;
use towline_app::chat::{Answered, Selection, Turn, Variant};
use towline_app::text::{safe, units};

use super::document::{self, Clicked};
use super::find::{self, Find};
use super::icons;
use super::named::named;
use super::pieces;
use super::strips::current_in;
use super::theme::{self, Face, Palette};
use super::view_state::{ChatView, Layouts};
use crate::catalog::Catalog;
use crate::chats::{Answer, Chat, Note, Progressing, RunningAnswer, counted, progressing, tokens};
use crate::command::{Command, Commands, JobOrder};
use crate::relay::Control;

/// The length above which a question is folded, in characters.
pub(super) const LONG_QUESTION: usize = 4_000;
/// The padding of a question, in points.
const BUBBLE: Margin = Margin { left: 16, right: 16, top: 8, bottom: 8 };

/// The answer to draw.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerView<'a> {
    pub(super) parent: ChatView<'a>,
    pub(super) turn: &'a Turn,
    pub(super) answer: &'a Variant,
    pub(super) is_compared: bool,
}

/// Draws a question: a bubble at the right.
pub(super) fn question(
    ui: &mut Ui,
    (chat, turn): (&Chat, &Turn),
    find: Option<&mut Find>,
    out: &mut Commands,
) {
    let palette = Palette::at(ui);
    ui.add_space(14.0);
    let all = ui.available_width();
    let frame = egui::Frame::new().fill(palette.raised).corner_radius(16).inner_margin(BUBBLE);
    if let Some((editing, _)) = &chat.editing
        && editing.turn == turn.id
    {
        frame.show(ui, |ui| edited(ui, chat, out));
        return ui.add_space(6.0);
    }
    let shown = turn.answer();
    let content = find::question(turn);
    let cut = content.char_indices().nth(LONG_QUESTION).map(|(at, _)| at);
    let mut words = pieces::plain(cut.map_or(content, |at| &content[..at]), palette.text);
    if let Some(find) = &find {
        find.mark_question(&mut words, turn.id, palette);
    }
    words.wrap.max_width =
        (all * 0.82 - 2.0 * f32::from(BUBBLE.left)).max(120.0).min(all - 2.0 * f32::from(BUBBLE.left));
    let words = ui.fonts_mut(|fonts| fonts.layout_job(words));
    let free = (all - words.size().x - 2.0 * f32::from(BUBBLE.left)).max(0.0);
    let top = ui.cursor().top();
    if let (Some(find), Some(down)) = (find, current_in(&words)) {
        find.reached(ui, top + f32::from(BUBBLE.top) + down);
    }
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.add_space(free);
        frame.show(ui, |ui| ui.add(Label::new(words)));
    });
    ui.with_layout(Layout::top_down(Align::Max), |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        if cut.is_some() {
            ui.weak(format!("… {} characters in all; Copy has them", content.chars().count()));
        }
        if !turn.question.images.is_empty() {
            ui.weak(format!("🖼 {} with the question", turn.question.images.len()));
        }
        let bottom = ui.cursor().top() + 30.0;
        let is_near = ui.rect_contains_pointer(Rect::from_x_y_ranges(ui.max_rect().x_range(), top..=bottom));
        let size = vec2(ui.available_width(), 26.0);
        ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
            icons::revealed(ui, is_near, |ui| {
                ui.spacing_mut().item_spacing.x = 0.0;
                out.on_click(icons::button(ui, "✏", "Edit question"), Command::Edit(shown.id));
                if icons::copy(ui, "Copy question") {
                    out.push(Command::Copy(content.to_owned()));
                }
            });
        });
    });
}

fn edited(ui: &mut Ui, chat: &Chat, out: &mut Commands) {
    let Some((_, words)) = &chat.editing else { return };
    let mut text = words.clone();
    let field = TextEdit::multiline(&mut text).desired_width(f32::INFINITY).desired_rows(2);
    let response = theme::field(ui, field).accessible_name("Changed question");
    if response.changed() {
        out.push(Command::EditText(text));
    }
    ui.weak("The new answer is kept beside the earlier one.");
    ui.horizontal(|ui| {
        out.on_click(ui.button("Send changed question"), Command::Resend);
        out.on_click(ui.button("Cancel"), Command::CancelEdit);
    });
}

/// Draws an answer at its full height.
pub(super) fn answer(ui: &mut Ui, view: AnswerView<'_>, layouts: &mut Layouts, out: &mut Commands) {
    let top = ui.cursor().top();
    heading(ui, view, out);
    body(ui, view, layouts, out);
    let is_last = view.parent.chat.conversation.last().is_some_and(|last| last.id == view.turn.id);
    let reach = Rect::from_x_y_ranges(ui.max_rect().x_range(), top..=ui.cursor().top() + 34.0);
    let is_near = is_last || ui.rect_contains_pointer(reach);
    named(ui, "actions", |ui| icons::revealed(ui, is_near, |ui| actions(ui, view, out)));
    ui.add_space(10.0);
}

/// Draws an answer in its own pane.
pub(super) fn pane(
    ui: &mut Ui,
    view: AnswerView<'_>,
    height: f32,
    layouts: &mut Layouts,
    out: &mut Commands,
) {
    heading(ui, view, out);
    actions(ui, view, out);
    let area =
        ScrollArea::vertical().id_salt(("pane", view.answer.id)).auto_shrink(false).stick_to_bottom(true);
    area.max_height(height - 70.0).show(ui, |ui| body(ui, view, layouts, out));
}

/// The header of an answer: its model, and its state or how it ended.
fn heading(ui: &mut Ui, view: AnswerView<'_>, out: &mut Commands) {
    let AnswerView { parent, answer, .. } = view;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let name = RichText::new(safe::text(&answer.model))
            .font(Face::SemiBold.font(13.0))
            .color(Palette::at(ui).weak);
        ui.add(Label::new(name));
        match parent.chat.live(answer.id) {
            Some(live) => running(ui, parent.catalog, live, out),
            None => ended(ui, answer),
        }
    });
    ui.add_space(2.0);
}

fn running(ui: &mut Ui, catalog: &Catalog, live: &RunningAnswer, out: &mut Commands) {
    let palette = Palette::at(ui);
    let info = &live.info;
    let is_loaded = info.model.as_deref().and_then(|model| catalog.is_loaded(model));
    let silent = info.since_last_event.map_or(0, |time| time.as_secs());
    let Progressing { words, is_stalled } = progressing(info.state, silent, is_loaded);
    let color = if is_stalled { palette.warning } else { palette.good };
    ui.colored_label(color, words);
    if info.tokens > 0 {
        ui.weak(format!("{}, {:.0}/s", tokens(info.tokens), info.tokens_per_second));
    }
    let mut send = |control| out.push(Command::Job(live.job.id(), JobOrder::Control(control)));
    if info.state == JobState::Paused {
        if ui.small_button("▶ Unpause").accessible_name("Unpause answer").clicked() {
            send(Control::Unpause);
        }
    } else if ui.small_button("⏸ Pause").accessible_name("Pause answer").clicked() {
        send(Control::Pause);
    }
    let stop = ui.small_button(RichText::new("⏹ Stop").color(palette.bad)).accessible_name("Stop answer");
    if stop.clicked() {
        send(Control::Stop);
    }
}

fn ended(ui: &mut Ui, answer: &Variant) {
    let palette = Palette::at(ui);
    let state = match answer.answered {
        Answered::Whole => None,
        Answered::Pending | Answered::Failed => Some(("failed", palette.bad)),
        Answered::Truncated => Some(("cut off", palette.warning)),
        Answered::Cancelled => Some(("cancelled", palette.warning)),
        Answered::TimedOut => Some(("timed out", palette.warning)),
    };
    let state =
        if answer.detached_at_relay().is_some() { Some(("with the relay", palette.good)) } else { state };
    if let Some((words, color)) = state {
        ui.colored_label(color, words);
    }
}

/// The actions for an ended answer, and its duration.
fn actions(ui: &mut Ui, view: AnswerView<'_>, out: &mut Commands) {
    let AnswerView { parent: ChatView { chat, .. }, turn, answer, is_compared, .. } = view;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        // Other answers can be shown while this one is running.
        variants(ui, view, out);
        if chat.live(answer.id).is_some() {
            return;
        }
        if answer.can_continue() && ui.small_button("Continue").accessible_name("Continue answer").clicked() {
            out.push(Command::Continue(answer.id));
        }
        if !answer.answer.content.is_empty() && icons::copy(ui, "Copy answer") {
            out.push(Command::Copy(answer.answer.content.clone()));
        }
        let again = if answer.answered == Answered::Whole { "Regenerate answer" } else { "Retry answer" };
        out.on_click(icons::button(ui, "🔄", again), Command::Regenerate(answer.id));
        if is_compared
            && ui.small_button("Keep this").accessible_name(format!("Keep {}", answer.model)).clicked()
        {
            out.push(Command::Choose(turn.id, Selection::One(answer.id.variant)));
            // The chat continues with only this answer.
            out.0.extend(chat.compared.iter().map(|model| Command::Compare(model.clone(), false)));
            out.push(Command::Model(answer.model.clone()));
        }
        if chat.conversation.last().is_some_and(|last| last.id == turn.id)
            && icons::button(ui, "🗑", "Remove question and answer").clicked()
        {
            out.push(Command::Remove(turn.id));
        }
        if let Some(usage) = &answer.usage
            && let Some((count, rate)) = counted(usage)
        {
            let words = format!("{}, {rate:.0}/s", tokens(count));
            ui.label(RichText::new(words).small().weak()).on_hover_text(usage_words(usage));
        }
    });
}

/// The controls that choose among the answers of a turn.
fn variants(ui: &mut Ui, view: AnswerView<'_>, out: &mut Commands) {
    let AnswerView { turn, answer, is_compared, .. } = view;
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
        let button = egui::Button::new(words).frame_when_inactive(false);
        let button = ui.add_enabled(other.is_some(), button).accessible_name(name);
        if let (true, Some(other)) = (button.clicked(), other) {
            out.push(Command::Choose(turn.id, Selection::One(other.id.variant)));
        }
    }
    if all.iter().any(|one| one.model != answer.model)
        && ui.small_button("Compare").accessible_name("Answers side by side").clicked()
    {
        out.push(Command::Choose(turn.id, Selection::SideBySide));
    }
}

fn usage_words(usage: &towline::event::Usage) -> String {
    let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let time = |time: Option<std::time::Duration>| {
        time.map_or_else(|| "?".to_owned(), |time| towline::event::Span(time).to_string())
    };
    format!(
        "{} tokens of question and history, {} of answer\nmodel loaded in {}, in all {}",
        count(usage.prompt_tokens),
        count(usage.completion_tokens),
        time(usage.load),
        time(usage.total)
    )
}

fn body(ui: &mut Ui, view: AnswerView<'_>, layouts: &mut Layouts, out: &mut Commands) {
    let palette = Palette::at(ui);
    let AnswerView { parent: ChatView { chat, .. }, answer: variant, .. } = view;
    let Some(answer) = chat.answers.get(&variant.id) else { return };
    let is_live = chat.live(variant.id).is_some();
    thinking(ui, view, answer, is_live, layouts);
    let Layouts { documents, find, .. } = layouts;
    let layout = documents.entry((chat.key, variant.id, false)).or_default();
    let sought =
        find.as_ref().map(|find| (find.highlights(variant.id), find.is_seeking())).unwrap_or_default();
    let clicked = document::show(ui, &answer.text, layout, is_live, sought);
    if let (Some(find), Some(top)) = (find, layout.current) {
        find.reached(ui, top);
    }
    match clicked {
        Some(Clicked::Copy(fence)) => out.push(Command::Copy(answer.text.code(fence))),
        Some(Clicked::CopyText(text)) => out.push(Command::Copy(text)),
        Some(Clicked::Link(link)) => out.push(Command::Follow(link)),
        Some(Clicked::Wrap(_)) | None => {}
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
            let is_harmless =
                variant.answered == Answered::Cancelled || variant.detached_at_relay().is_some();
            let color = if is_harmless { palette.warning } else { palette.bad };
            ui.colored_label(color, safe::text(what));
            if let Some(hint) = hint {
                ui.weak(*hint);
            }
        });
    }
}

fn thinking(ui: &mut Ui, view: AnswerView<'_>, answer: &Answer, is_live: bool, layouts: &mut Layouts) {
    let length = answer.thinking.text().len();
    if length == 0 {
        return;
    }
    let is_first = is_live && answer.text.text().is_empty();
    let words = if is_first { "Thinking…" } else { "Thoughts" };
    let size = units::bytes(length as u64);
    let head = egui::CollapsingHeader::new(format!("{words} ({size})")).id_salt(("thinking", view.answer.id));
    head.show(ui, |ui| {
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            let layout = layouts.documents.entry((view.parent.chat.key, view.answer.id, true)).or_default();
            // Copy and links apply to the answer, not to the thinking.
            drop(document::show(ui, &answer.thinking, layout, is_first, <_>::default()));
        });
    });
}
