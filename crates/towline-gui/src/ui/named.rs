//! Parts whose buttons can be clicked whatever changes around them, and the descriptions of parts for screen readers.

use egui::accesskit::Node;
use egui::{Align, AsIdSalt, Layout, Response, Role, TextWrapMode, Ui, UiBuilder};

/// Draws a part under a name that is unique in `ui`. egui identifies a button by the number of widgets before
/// it, and registers a click only if press and release hit the same button. Without a name, a widget that
/// appears before the part in between would lose the click, even within [`Ui::push_id`].
pub(super) fn named<R>(ui: &mut Ui, name: impl AsIdSalt, draw: impl FnOnce(&mut Ui) -> R) -> R {
    let id = ui.scope_id().with(name);
    ui.scope_builder(UiBuilder::new().scope_id(id), draw).inner
}

/// Draws a row whose beginning is cut for its end, and yet is what screen readers say first. Returns what its
/// end returns.
pub(super) fn sides<R>(ui: &mut Ui, beginning: impl FnOnce(&mut Ui), end: impl FnOnce(&mut Ui) -> R) -> R {
    let row = ui.available_rect_before_wrap();
    let row = row.with_max_y(row.top() + ui.spacing().interact_size.y);
    let side = |layout| UiBuilder::new().max_rect(row).layout(layout);
    let mut first = ui.new_child(side(Layout::left_to_right(Align::Center)));
    let mut last = ui.new_child(side(Layout::right_to_left(Align::Center)));
    let ended = end(&mut last);
    let last = last.min_rect();
    first.set_max_width(last.left() - row.left() - ui.spacing().item_spacing.x);
    first.set_max_height(last.height());
    first.style_mut().wrap_mode = Some(TextWrapMode::Truncate);
    beginning(&mut first);
    ui.advance_cursor_after_rect(first.min_rect().union(last));
    ended
}

/// Tells screen readers what a whole part of the window is, and its name.
pub fn region(ui: &Ui, role: Role, name: &str) {
    ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
        node.set_role(role);
        node.set_label(name);
    });
}

/// Tells screen readers what a part is and says, and more of it.
pub fn describe(part: &Response, role: Role, words: &str, more: impl FnOnce(&mut Node)) {
    part.ctx.accesskit_node_builder(part.id, |node| {
        node.set_role(role);
        node.set_label(words);
        more(node);
    });
}
