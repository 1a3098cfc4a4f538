//! Icon buttons, and rows of them that appear on hover or focus.

use std::time::Duration;

use egui::{Button, Response, RichText, Ui, vec2};

/// How long a copy is confirmed.
const CONFIRMED: Duration = Duration::from_millis(1_500);

/// An icon button; its name is its tooltip and its name for screen readers.
pub(super) fn button(ui: &mut Ui, sign: &str, name: &str) -> Response {
    let button = Button::new(RichText::new(sign).size(15.0)).frame_when_inactive(false);
    let button = ui.add(button.min_size(vec2(28.0, 26.0)));
    button.accessible_name(name).on_hover_text(name)
}

/// A copy button that confirms the copy for a while. Returns whether it was clicked.
pub(super) fn copy(ui: &mut Ui, name: &str) -> bool {
    let id = ui.next_auto_id().with("copied");
    let now = ui.input(|input| input.time);
    let since = ui.data(|data| data.get_temp::<f64>(id)).map(|at| now - at);
    let rest = since.map(|since| CONFIRMED.as_secs_f64() - since).filter(|rest| *rest > 0.0);
    if let Some(rest) = rest {
        ui.ctx().request_repaint_after(Duration::from_secs_f64(rest));
    }
    let is_clicked = button(ui, if rest.is_some() { "✔" } else { "🗐" }, name).clicked();
    if is_clicked {
        ui.data_mut(|data| data.insert_temp(id, now));
    }
    is_clicked
}

/// Draws contents that are visible only while the pointer is near or the keyboard focus is inside. They are
/// always reachable.
pub(super) fn revealed<R>(ui: &mut Ui, is_near: bool, add: impl FnOnce(&mut Ui) -> R) -> R {
    let id = ui.scope_id().with("revealed");
    let was_in = ui.data(|data| data.get_temp::<bool>(id)).unwrap_or_default();
    let shown = ui.scope(|ui| {
        ui.set_opacity(if is_near || was_in { 1.0 } else { 0.0 });
        add(ui)
    });
    let focused = ui.memory(egui::Memory::focused).and_then(|id| ui.ctx().read_response(id));
    let is_in = focused.is_some_and(|focused| shown.response.rect.contains_rect(focused.rect))
        || egui::Popup::is_any_open(ui.ctx()) && was_in;
    if is_in != was_in {
        ui.data_mut(|data| data.insert_temp(id, is_in));
        ui.ctx().request_repaint();
    }
    shown.inner
}
