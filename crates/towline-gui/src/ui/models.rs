//! The dialog of the server's models: list, pull, delete.

use egui::{Grid, Label, ProgressBar, RichText, TextEdit, Ui};
use towline_app::text::{safe, units};

use super::dialog;
use super::theme::{self, Palette};
use super::view_state::Fields;
use crate::catalog::{Catalog, Pull, abilities};
use crate::command::{Command, Commands, Dialog};

/// In a dialog narrower than this, in points, only names and sizes are shown.
const ROOM: f32 = 500.0;
/// The width of the columns beside a name, in a narrow and in a wide dialog, in points.
const BESIDE: [f32; 2] = [285.0, 445.0];

/// Draws the models.
pub fn show(ui: &mut Ui, catalog: &Catalog, current: &str, fields: &mut Fields, out: &mut Commands) {
    let palette = Palette::at(ui);
    ui.horizontal(|ui| {
        dialog::title(ui, "Models");
        out.on_click(ui.small_button("Refresh"), Command::RefreshModels);
        if catalog.is_listing() {
            ui.weak("asking the server…");
        }
    });
    dialog::body(ui, |ui| {
        if let Some(error) = &catalog.error {
            ui.colored_label(palette.bad, format!("The server's models cannot be listed: {error}."));
        }
        let field =
            TextEdit::singleline(&mut fields.models).hint_text("Find a model").desired_width(f32::INFINITY);
        drop(theme::field(ui, field).accessible_name("Find a model"));
        let has_room = ui.available_width() > ROOM;
        let widest = (ui.available_width() - BESIDE[usize::from(has_room)]).max(70.0);
        Grid::new("models").striped(true).spacing([14.0, 6.0]).show(ui, |ui| {
            let wanted = fields.models.trim().to_lowercase();
            for model in catalog.installed.iter().filter(|model| model.name.to_lowercase().contains(&wanted))
            {
                let name = &model.name;
                let words = if name == current { RichText::new(name).strong() } else { RichText::new(name) };
                ui.scope(|ui| {
                    ui.set_max_width(widest);
                    ui.add(Label::new(words).truncate());
                });
                ui.label(units::bytes(model.size));
                if has_room {
                    ui.label(&model.details.parameter_size);
                    ui.label(&model.details.quantization_level);
                    ui.weak(abilities(model));
                }
                match catalog.is_loaded(name) {
                    Some(true) => drop(ui.colored_label(palette.good, "loaded")),
                    Some(false) | None => drop(ui.weak("–")),
                }
                ui.horizontal(|ui| {
                    if ui.small_button("Use").accessible_name(format!("Use {name}")).clicked() {
                        out.push(Command::Model(name.clone()));
                        out.push(Command::Show(Dialog::None));
                    }
                    if ui.small_button("Delete").accessible_name(format!("Delete {name}")).clicked() {
                        out.push(Command::Show(Dialog::DeleteModel(name.clone())));
                    }
                });
                ui.end_row();
            }
        });
        ui.separator();
        ui.horizontal(|ui| {
            let field = TextEdit::singleline(&mut fields.pull).hint_text("llama3.2, gemma3:4b, …");
            let response = theme::field(ui, field).accessible_name("Model to pull");
            let entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            let may = !fields.pull.trim().is_empty();
            if (ui.add_enabled(may, egui::Button::new("Pull")).clicked() || entered) && may {
                out.push(Command::Pull(std::mem::take(&mut fields.pull)));
            }
        });
        for pull in &catalog.pulls {
            fetching(ui, pull, out);
        }
    });
    dialog::close(ui, out);
}

fn fetching(ui: &mut Ui, pull: &Pull, out: &mut Commands) {
    let Pull { model, progress, failed, .. } = pull;
    ui.horizontal(|ui| {
        ui.label(safe::text(model));
        match (failed, progress.total, progress.completed) {
            (Some(why), _, _) => drop(ui.colored_label(Palette::at(ui).bad, safe::text(why))),
            (None, Some(total), done) if total > 0 => {
                let done = done.unwrap_or(0);
                #[expect(clippy::cast_precision_loss, reason = "a part of one")]
                let part = (done as f64 / total as f64) as f32;
                let words = format!("{} of {}", units::bytes(done), units::bytes(total));
                drop(ui.add(ProgressBar::new(part).desired_width(220.0).text(words)));
            }
            (None, _, _) => drop(ui.weak(safe::text(&progress.status))),
        }
        let words = if failed.is_some() { "Dismiss" } else { "Stop" };
        if ui.small_button(words).accessible_name(format!("{words} pull of {model}")).clicked() {
            out.push(Command::CancelPull(model.clone()));
        }
    });
}

/// Asks whether to delete a model.
pub fn confirm_delete(ui: &mut Ui, model: &str, out: &mut Commands) {
    dialog::title(ui, "Delete a model");
    let words = format!("{model} is deleted from the server. It has to be pulled again to be used.");
    let delete = ("Delete model", Command::DeleteModel(model.to_owned()));
    dialog::confirm(ui, &words, delete, ("Cancel", Dialog::Models), out);
}
