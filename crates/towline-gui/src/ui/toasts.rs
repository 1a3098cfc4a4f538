//! Short notices, and undo.

use std::time::Instant;

use egui::{Align2, Area, Frame, Id, Label, Order, Ui, vec2};

use towline_app::chat::Turn;

use crate::chats::ChatKey;
use crate::command::{Command, Commands};

/// Maximum number of notices shown at once.
const MAX_SHOWN: usize = 4;
/// Maximum width of a notice, in points.
const WIDTH: f32 = 360.0;

/// A deletion that can be undone.
#[derive(Debug, Clone)]
pub enum Undo {
    /// A chat, which is deleted for good when the notice disappears.
    Chat(ChatKey),
    /// A turn of a chat.
    Turn(ChatKey, Box<Turn>),
}

/// A short notice.
#[derive(Debug, Clone)]
pub struct Toast {
    /// Its number.
    pub id: u64,
    /// What it says.
    pub text: String,
    /// What can be restored.
    pub undo: Option<Undo>,
    /// When it disappears.
    pub until: Instant,
}

/// Draws notices above everything else.
pub fn show(ui: &Ui, toasts: &[Toast], out: &mut Commands) {
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
                    out.on_click(
                        ui.button("Dismiss").accessible_name("Dismiss notice"),
                        Command::Dismiss(toast.id),
                    );
                });
            });
        }
    });
}
