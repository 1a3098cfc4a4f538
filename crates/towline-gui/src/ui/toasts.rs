//! Short notices, and undo.

use egui::{Align2, Area, Frame, Id, Order, Ui, vec2};

use crate::command::Command;
use crate::window::Toast;

/// Notices that are shown at once; older ones wait behind them.
const MAX_SHOWN: usize = 4;

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
                ui.horizontal(|ui| {
                    ui.set_max_width(420.0);
                    ui.label(&toast.text);
                    if let Some(chat) = toast.undo
                        && ui.button("Undo").clicked()
                    {
                        out.push(Command::Undelete(chat));
                    }
                    if ui.small_button("✖").accessible_name("Dismiss notice").clicked() {
                        out.push(Command::Dismiss(toast.id));
                    }
                });
            });
        }
    });
}
