//! Selectable text with links for mouse and keyboard.

use std::ops::Range;
use std::sync::Arc;

use egui::text::{CCursor, CharIndex};
use egui::text_selection::LabelSelectionState;
use egui::{
    CursorIcon, EventFilter, Galley, Key, Label, Modifiers, PointerButton, Rect, Response, Role, Sense,
    Stroke,
};
use egui::{StrokeKind, Ui, WidgetInfo, WidgetText};
use towline_app::text::safe;

use super::named::describe;
use super::strips::VisibleStrip;

/// A link: its byte range in the text, and its target.
type Link = (Range<usize>, String);

/// Draws text, of a heading where its level is not 0; the link that was followed.
pub(super) fn words(ui: &mut Ui, shown: VisibleStrip, heading: u8, links: &[Link]) -> Option<String> {
    let end = shown.from + shown.job.text.len();
    let links: Vec<&Link> =
        links.iter().filter(|(range, _)| range.start < end && shown.from < range.end).collect();
    let label = Label::new(WidgetText::LayoutJob(Arc::clone(&shown.job))).wrap();
    if links.is_empty() {
        let response = ui.add(label);
        if heading > 0 {
            describe(&response, Role::Heading, &shown.job.text, |node| node.set_level(heading.into()));
        }
        return None;
    }
    let (place, galley, response) = label.sense(Sense::click()).layout_in_ui(ui);
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, galley.text()));
    let under = response.hover_pos().and_then(|pointer| {
        let letters = galley.cursor_from_pos(pointer - place).index.0;
        let byte = shown.from + byte_of(galley.text(), letters);
        links.iter().find(|(range, _)| range.contains(&byte)).map(|(_, link)| link.clone())
    });
    let (chosen, followed) = by_keys(ui, &response, &links);
    let color = ui.visuals().text_color();
    LabelSelectionState::label_text_selection(ui, &response, place, galley.clone(), color, Stroke::NONE);
    if let Some((range, link)) = chosen {
        let range = range.start.max(shown.from) - shown.from..range.end.min(end) - shown.from;
        outline(ui, place, &galley, &range);
        // The target is shown before the user follows the link.
        response.show_tooltip_text(safe::text(link).as_ref());
        if followed {
            return Some(link.clone());
        }
    }
    let link = under?;
    let response = response
        .on_hover_cursor(CursorIcon::PointingHand)
        .on_hover_text_at_pointer(safe::text(&link).as_ref());
    response.clicked_by(PointerButton::Primary).then_some(link)
}

fn byte_of(text: &str, letters: usize) -> usize {
    text.char_indices().nth(letters).map_or(text.len(), |(byte, _)| byte)
}

/// The link that the arrow keys have chosen in a focused text, and whether Enter or Space follows it.
fn by_keys<'a>(ui: &Ui, response: &Response, links: &[&'a Link]) -> (Option<&'a Link>, bool) {
    if !response.has_focus() {
        return (None, false);
    }
    let filter = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    let mut chosen = ui.data(|data| data.get_temp::<usize>(response.id)).unwrap_or_default();
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    if pressed(Key::ArrowRight) {
        chosen += 1;
    }
    if pressed(Key::ArrowLeft) {
        chosen = chosen.saturating_sub(1);
    }
    let chosen = chosen.min(links.len().saturating_sub(1));
    ui.data_mut(|data| data.insert_temp(response.id, chosen));
    let followed = response.clicked() && !response.clicked_by(PointerButton::Primary);
    (links.get(chosen).copied(), followed)
}

/// Outlines a range of a text, row by row.
fn outline(ui: &Ui, place: egui::Pos2, galley: &Galley, bytes: &Range<usize>) {
    let letters = |byte: usize| galley.text().get(..byte).map_or(0, |text| text.chars().count());
    let (from, end) = (letters(bytes.start), letters(bytes.end));
    let position = |letter: usize| galley.pos_from_cursor(CCursor::new(CharIndex(letter)));
    let (first, last) = (position(from), position(end));
    let stroke = ui.visuals().selection.stroke;
    let edge = |rect: Rect| {
        let rect = rect.translate(place.to_vec2()).expand(1.0);
        ui.painter().rect_stroke(rect, 2.0, stroke, StrokeKind::Outside);
    };
    if first.top() == last.top() {
        return edge(first.union(last));
    }
    edge(Rect::from_min_max(first.min, egui::pos2(galley.rect.right(), first.bottom())));
    edge(Rect::from_min_max(egui::pos2(0.0, last.top()), last.max));
}
