//! The keys.

use egui::{Grid, Ui};

use super::dialog;
use crate::command::Commands;
use crate::shortcuts::{SHORTCUTS, Shortcut};

/// Keys that the focused widget handles.
const OTHERS: [(&str, &str); 10] = [
    ("Enter", "Send the question"),
    ("Shift+Enter", "Begin a line"),
    ("/", "Templates, at the beginning of a question"),
    ("Escape", "Stop the answers of this chat, or close a dialog or the search"),
    ("Enter, Shift+Enter", "Next place, previous place, in the search"),
    ("Ctrl and +, −, 0", "Larger, smaller, usual size"),
    ("PageUp, PageDown", "Scroll by a page"),
    ("↑ ↓, Home, End, Space", "Scroll, while nothing is typed"),
    ("Tab", "To the next button or field, or text with links"),
    ("← →, Enter", "Choose a link in a text that has the focus, follow it"),
];

/// Draws the keys.
pub fn show(ui: &mut Ui, out: &mut Commands) {
    dialog::title(ui, "Keys");
    let widest = ui.available_width() * 0.55;
    dialog::body(ui, |ui| {
        Grid::new("keys").striped(true).spacing([24.0, 4.0]).max_col_width(widest).show(ui, |ui| {
            for shortcut in SHORTCUTS {
                ui.monospace(keys(ui, shortcut));
                ui.label(shortcut.what);
                ui.end_row();
            }
            for (keys, what) in OTHERS {
                ui.monospace(keys);
                ui.label(what);
                ui.end_row();
            }
        });
    });
    dialog::close(ui, out);
}

/// The label of a key.
fn keys(ui: &Ui, shortcut: &Shortcut) -> String {
    let named = ui.ctx().format_shortcut(&shortcut.keys);
    named.replace("Questionmark", "?").replace("Period", ".").replace("Comma", ",").replace("Slash", "/")
}
