//! Parts whose buttons can be clicked whatever changes around them, and what screen readers are told of parts.

use egui::accesskit::Node;
use egui::{AsIdSalt, Response, Role, Ui, UiBuilder};

/// Draws a part under a name that is unique in `ui`. egui identifies a button by the number of widgets before
/// it, and registers a click only if press and release hit the same button. Without a name, a widget that
/// appears before the part in between would lose the click, even within [`Ui::push_id`].
pub(super) fn named<R>(ui: &mut Ui, name: impl AsIdSalt, draw: impl FnOnce(&mut Ui) -> R) -> R {
    let id = ui.scope_id().with(name);
    ui.scope_builder(UiBuilder::new().scope_id(id), draw).inner
}

/// Tells screen readers what a part is and says, and more of it.
pub fn heard(part: &Response, role: Role, words: &str, more: impl FnOnce(&mut Node)) {
    part.ctx.accesskit_node_builder(part.id, |node| {
        node.set_role(role);
        node.set_label(words);
        more(node);
    });
}
