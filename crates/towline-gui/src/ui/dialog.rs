//! Common parts of dialogs: tall contents scroll, and the buttons below stay visible.

use egui::{Button, Grid, Key, Label, RichText, Role, ScrollArea, TextEdit, Ui, UiKind};

use super::named::describe;
use super::theme::{self, Face, Palette};
use crate::command::{Command, Commands, Dialog};

/// The height of a dialog around its scrolled contents, in points: edges, heading and buttons.
const AROUND: f32 = 170.0;

/// Draws the title, which is also the name of the dialog.
pub fn title(ui: &mut Ui, words: &str) {
    describe(&ui.heading(words), Role::Heading, words, |node| node.set_level(1));
    let dialog =
        ui.stack().iter().find(|above| above.kind() == Some(UiKind::Modal)).map(|above| above.unique_id);
    if let Some(dialog) = dialog {
        ui.ctx().accesskit_node_builder(dialog, |node| node.set_label(words));
    }
}

/// Draws contents that may be higher than the window.
pub(super) fn body<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let height = (ui.ctx().content_rect().height() - AROUND).max(70.0);
    let shown = ScrollArea::vertical().max_height(height).show(ui, add).inner;
    ui.add_space(8.0);
    shown
}

/// Draws a section: its heading, and rows of a name and its controls.
pub(super) fn section(ui: &mut Ui, title: &str, columns: usize, add: impl FnOnce(&mut Ui)) {
    ui.add_space(8.0);
    let words = RichText::new(title).font(Face::SemiBold.font(15.0)).color(Palette::at(ui).strong);
    describe(&ui.label(words), Role::Heading, title, |node| node.set_level(2));
    Grid::new(title).num_columns(columns).spacing([16.0, 8.0]).show(ui, add);
}

/// The button that closes a dialog.
pub(super) fn close(ui: &mut Ui, out: &mut Commands) {
    out.on_click(ui.button("Close"), Command::Show(Dialog::None));
}

/// Asks whether to close the window although this many answers run in it.
pub fn close_window(ui: &mut Ui, count: usize, out: &mut Commands) {
    title(ui, "Close the window");
    let (answers, run, their) =
        if count == 1 { ("answer", "runs", "its") } else { ("answers", "run", "their") };
    let words = format!(
        "{count} {answers} {run} in this window and would be stopped; {their} text so far is kept. Answers on the relay continue \
         without the window: Settings (Ctrl+,)."
    );
    confirm(ui, &words, ("Stop and close", Command::Close), ("Keep it open", Dialog::None), out);
}

/// Asks whether something is to be done that cannot be undone.
pub(super) fn confirm(
    ui: &mut Ui,
    words: &str,
    (does, command): (&str, Command),
    (not, back): (&str, Dialog),
    out: &mut Commands,
) {
    ui.add(Label::new(words).wrap());
    ui.horizontal(|ui| {
        out.on_click(ui.button(RichText::new(does).color(Palette::at(ui).bad)), command);
        out.on_click(ui.button(not), Command::Show(back));
    });
}

/// A text to ask for.
#[derive(Debug)]
pub struct TextQuestion<'a> {
    /// The name of its field.
    pub name: &'a str,
    /// An example, shown in the empty field.
    pub example: &'a str,
    /// The words of the button that applies it.
    pub button: &'a str,
    /// Whether no text is a text too.
    pub may_be_empty: bool,
}

/// Asks for a text: a field, a button that applies the text, and one that cancels.
pub fn ask(
    ui: &mut Ui,
    wanted: &TextQuestion<'_>,
    text: &mut String,
    command: impl Fn(String) -> Command,
    out: &mut Commands,
) {
    let TextQuestion { name, example, button, may_be_empty } = *wanted;
    let field = TextEdit::singleline(text).hint_text(example).desired_width(f32::INFINITY);
    let field = theme::field(ui, field).accessible_name(name);
    let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if !field.has_focus() && !is_entered {
        field.request_focus();
    }
    ui.horizontal(|ui| {
        let may = may_be_empty || !text.trim().is_empty();
        if (ui.add_enabled(may, Button::new(button)).clicked() || is_entered) && may {
            out.push(command(text.trim().to_owned()));
        }
        out.on_click(ui.button("Cancel"), Command::Show(Dialog::None));
    });
}
