//! Parts whose buttons can be clicked whatever changes around them.

use egui::{AsIdSalt, Ui, UiBuilder};

/// Draws a part under a name of its own, which no other part of `ui` has. egui knows a button by how many widgets are before it,
/// and takes a click for one only if the press and the release are of the same button: what appears before the part in between
/// would lose the click, also within [`Ui::push_id`].
pub(super) fn named<R>(ui: &mut Ui, name: impl AsIdSalt, draw: impl FnOnce(&mut Ui) -> R) -> R {
    let id = ui.scope_id().with(name);
    ui.scope_builder(UiBuilder::new().scope_id(id), draw).inner
}
