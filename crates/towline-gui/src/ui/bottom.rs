//! Panels at the bottom that are as high as their contents.

use egui::{Frame, IdSalt, Panel, PanelState, Ui};

/// A panel at the bottom of `ui`. Its position comes from its height in the last frame. If the height has
/// changed, the frame is laid out again before it is shown: otherwise its buttons would be misplaced for one
/// frame, and a click would miss them.
pub fn show(ui: &mut Ui, name: &'static str, frame: Frame, contents: impl FnOnce(&mut Ui)) {
    let id = ui.scope_id().with_salt(IdSalt::new(name));
    let height = |ui: &Ui| PanelState::load(ui, id).map(|state| state.size().y);
    let before = height(ui);
    Panel::bottom(name).show_separator_line(false).frame(frame).show(ui, contents);
    if height(ui) != before {
        ui.request_discard("a panel at the bottom has another height");
    }
}
