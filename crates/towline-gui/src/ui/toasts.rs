//! Short notices, and undo.

use egui::{Align2, Area, Frame, Id, Label, Order, Ui, vec2};

use crate::command::Command;
use crate::window::Toast;

/// Notices that are shown at once; older ones wait behind them.
const MAX_SHOWN: usize = 4;
/// The widest a notice gets, in points.
const WIDTH: f32 = 360.0;

/// Draws notices above everything else.
pub fn show(ui: &Ui, toasts: &[Toast], out: &mut Vec<Command>) {
    if toasts.is_empty() {
        return;
    }
    let area = Area::new(Id::unique("toasts"))
        .order(Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, vec2(-16.0, -70.0));
    area.show(ui.ctx(), |ui| {
        for toast in toasts.iter().rev().take(MAX_SHOWN) {
            Frame::popup(ui.style()).show(ui, |ui| {
                ui.set_max_width(WIDTH.min(ui.ctx().content_rect().width() - 48.0));
                ui.add(Label::new(&toast.text).wrap());
                ui.horizontal(|ui| {
                    if toast.undo.is_some() && ui.button("Undo").clicked() {
                        out.push(Command::Undo(toast.id));
                    }
                    if ui.button("Dismiss").accessible_name("Dismiss notice").clicked() {
                        out.push(Command::Dismiss(toast.id));
                    }
                });
            });
        }
    });
}
