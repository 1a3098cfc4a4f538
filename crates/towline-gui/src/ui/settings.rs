//! The dialogs of the window's settings and of a chat's settings.

use egui::{ComboBox, RichText, Slider, TextEdit, Ui};
use towline::api::{Format, Options, Think};
use towline_app::chat::Settings;
use towline_app::servers::ServerSpec;
use towline_app::text::safe;

use super::dialog;
use super::theme::{self, Palette};
use super::view_state::Fields;
use crate::command::{Command, Commands, Dialog};
use crate::store::{State, Theme};

/// An option with a field: its name in requests and for people, its description, and the range of its slider;
/// without a slider, any number can be typed.
type Field = (&'static str, &'static str, &'static str, Option<(f64, f64)>);

/// The options with a field: the first five control sampling, the others length and repeatability.
const OPTIONS: [Field; 8] = [
    ("temperature", "Temperature", "How freely words are chosen; 0 is not at all.", Some((0.0, 2.0))),
    ("top_p", "Top P", "Only the likeliest words up to this sum.", Some((0.0, 1.0))),
    ("top_k", "Top K", "Only this many of the likeliest words.", Some((1.0, 200.0))),
    ("min_p", "Min P", "No word less likely than this part of the likeliest.", Some((0.0, 1.0))),
    ("repeat_penalty", "Repetition", "Against repetition; 1 is nothing.", Some((0.5, 2.0))),
    ("num_ctx", "Context", "Tokens the model sees; another number reloads it.", None),
    ("num_predict", "Longest answer", "The most tokens of an answer; −1 has no limit.", None),
    ("seed", "Seed", "The same number gives the same answer.", None),
];
/// The number of sampling options among them.
const CHOICE: usize = 5;

/// A chat's settings as they are typed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Form {
    base: Settings,
    system: String,
    options: [String; OPTIONS.len()],
    think: Option<Think>,
    as_json: bool,
}

/// The choices for thinking, as text.
fn thinking() -> [(&'static str, Option<Think>); 6] {
    let level = |level: &str| Some(Think::Level(level.into()));
    [
        ("as the model does by itself", None),
        ("think", Some(Think::On)),
        ("do not think", Some(Think::Off)),
        ("think a little", level("low")),
        ("think more", level("medium")),
        ("think hard", level("high")),
    ]
}

impl Form {
    /// The fields of these settings.
    pub fn of(settings: &Settings) -> Self {
        let text = |name: &str| settings.options.0.get(name).map(ToString::to_string).unwrap_or_default();
        Self {
            base: settings.clone(),
            system: settings.system.clone().unwrap_or_default(),
            options: OPTIONS.map(|(name, ..)| text(name)),
            think: settings.think.clone(),
            as_json: settings.format.is_some(),
        }
    }

    /// The settings from the fields.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn settings(&self) -> Result<Settings, String> {
        let mut options: Options = self.base.options.clone();
        for ((name, ..), text) in OPTIONS.iter().zip(&self.options) {
            options.0.remove(*name);
            if !text.trim().is_empty() {
                options.set_text(name, text.trim()).map_err(|error| error.to_string())?;
            }
        }
        let format = match (&self.base.format, self.as_json) {
            (Some(format), true) => Some(format.clone()),
            (None, true) => Some(Format::Json),
            (_, false) => None,
        };
        let system = Some(self.system.trim_end().to_owned()).filter(|system| !system.is_empty());
        Ok(Settings { system, options, think: self.think.clone(), format, ..self.base.clone() })
    }
}

/// Draws a chat's settings.
pub fn chat(ui: &mut Ui, form: &mut Form, out: &mut Commands) {
    let palette = Palette::at(ui);
    dialog::title(ui, "Settings of this chat");
    dialog::body(ui, |ui| {
        dialog::section(ui, "Instructions", 1, |ui| {
            let system =
                TextEdit::multiline(&mut form.system).desired_rows(3).desired_width(ui.available_width());
            let system = theme::field(ui, system.hint_text("You are …"));
            drop(system.accessible_name("Instructions for the model"));
            ui.end_row();
        });
        let (choice, others) = form.options.split_at_mut(CHOICE);
        dialog::section(ui, "How words are chosen", 2, |ui| {
            OPTIONS.iter().zip(choice).for_each(|(field, text)| option(ui, field, text));
        });
        dialog::section(ui, "Answers", 2, |ui| {
            OPTIONS.iter().skip(CHOICE).zip(others).for_each(|(field, text)| option(ui, field, text));
            ui.label("Thinking");
            let shown = thinking().into_iter().find(|(_, think)| *think == form.think);
            let combo = ComboBox::from_id_salt("think").selected_text(shown.map_or("", |(words, _)| words));
            let combo = combo.show_ui(ui, |ui| {
                for (words, think) in thinking() {
                    ui.selectable_value(&mut form.think, think, words);
                }
            });
            drop(combo.response.accessible_name("Thinking"));
            ui.end_row();
            ui.label("Form");
            ui.checkbox(&mut form.as_json, "Answers in JSON");
            ui.end_row();
        });
    });
    let settings = form.settings();
    if let Err(why) = &settings {
        ui.colored_label(palette.bad, why);
    }
    ui.horizontal(|ui| {
        if ui.add_enabled(settings.is_ok(), egui::Button::new("Save")).clicked()
            && let Ok(settings) = settings
        {
            out.push(Command::ChatSettings(Box::new(settings)));
            out.push(Command::Show(Dialog::None));
        }
        out.on_click(ui.button("Cancel"), Command::Show(Dialog::None));
    });
}

/// A row of the form: the option's name, its slider, its number and its description.
fn option(ui: &mut Ui, (_, label, help, slider): &Field, text: &mut String) {
    ui.label(*label);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.horizontal(|ui| {
            if let Some((from, to)) = *slider {
                let mut value = text.trim().parse().unwrap_or(from);
                let slider = Slider::new(&mut value, from..=to).show_value(false);
                let slider = if to > 2.0 { slider.integer() } else { slider.step_by(0.01) };
                if ui.add(slider).accessible_name(format!("Slider of {label}")).changed() {
                    *text = if to > 2.0 { format!("{value:.0}") } else { format!("{value:.2}") };
                }
            }
            let number = TextEdit::singleline(text).desired_width(80.0).hint_text("default");
            drop(theme::field(ui, number).accessible_name(*label));
        });
        ui.label(RichText::new(*help).small().weak());
    });
    ui.end_row();
}

/// What answers, and where.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// The server.
    pub server: &'a str,
    /// The relay, if one is possible.
    pub relay: Option<&'a str>,
    /// Whether it is this user's own relay, which can ask any server.
    pub is_own: bool,
    /// Whether answers run on the relay, or should while the search for the server runs.
    pub on_relay: bool,
    /// The reason why they run in the window although they should not.
    pub why_here: Option<&'a str>,
}

/// Draws the window's settings.
pub fn window(ui: &mut Ui, state: &State, served: Served<'_>, fields: &mut Fields, out: &mut Commands) {
    dialog::title(ui, "Settings");
    dialog::body(ui, |ui| {
        dialog::section(ui, "Look", 2, |ui| appearance(ui, state, out));
        dialog::section(ui, "Notifications", 1, |ui| {
            let mut notifies = state.notifies;
            if ui.checkbox(&mut notifies, "when an answer ends in the background").changed() {
                out.push(Command::Notify(notifies));
            }
            ui.end_row();
        });
        dialog::section(ui, "Server", 1, |ui| {
            ui.add(egui::Label::new(RichText::new(served.server).weak()).wrap());
            ui.end_row();
            if served.relay.is_some() && served.on_relay && !served.is_own {
                ui.weak("The relay has model servers of its own; turn it off to name one.");
                return;
            }
            ui.horizontal(|ui| {
                let field = TextEdit::singleline(&mut fields.host).hint_text("the usual one");
                drop(theme::field(ui, field).accessible_name("Server address"));
                if ui.button("Connect").clicked() {
                    let host = Some(fields.host.trim().to_owned()).filter(|host| !host.is_empty());
                    out.push(Command::Connect(ServerSpec { host, server: None }));
                }
            });
            ui.end_row();
        });
        dialog::section(ui, "Relay", 1, |ui| {
            ui.vertical(|ui| on_relay(ui, served, out));
            ui.end_row();
        });
    });
    dialog::close(ui, out);
}

fn appearance(ui: &mut Ui, state: &State, out: &mut Commands) {
    ui.label("Colours");
    ui.horizontal(|ui| {
        for (theme, words) in [(Theme::System, "System"), (Theme::Dark, "Dark"), (Theme::Light, "Light")] {
            out.on_click(ui.selectable_label(state.theme == theme, words), Command::Theme(theme));
        }
    });
    ui.end_row();
    ui.label("Size");
    ui.horizontal(|ui| {
        let now = format!("{:.0} %", state.zoom * 100.0);
        let usual = format!("Usual size; now {now}");
        for (words, name, zoom) in
            [("−", "Smaller", state.zoom - 0.1), (&now, &usual, 1.0), ("+", "Larger", state.zoom + 0.1)]
        {
            let button = ui.button(words).accessible_name(name).on_hover_text(name);
            out.on_click(button, Command::Zoom(zoom));
        }
        ui.weak("Ctrl and −, 0, +");
    });
    ui.end_row();
}

/// Where answers run.
fn on_relay(ui: &mut Ui, served: Served<'_>, out: &mut Commands) {
    let mut on_relay = served.on_relay;
    let button = egui::Checkbox::new(&mut on_relay, "Answers run on the relay");
    let button = ui
        .add_enabled(served.relay.is_some(), button)
        .on_disabled_hover_text("No relay can run here; the reason was shown at the start");
    if button.changed() {
        out.push(Command::OnRelay(on_relay));
    }
    let words = match (served.relay, served.why_here) {
        (Some(relay), _) if served.on_relay => {
            format!("They run at {relay}, and continue there when the window closes.")
        }
        (_, Some(why)) => format!("They run in this window, and end with it: {why}"),
        (_, None) => "They run in this window, and end with it.".to_owned(),
    };
    ui.weak(safe::text(&words));
    ui.weak("This applies to this window; “relay” in config.toml applies to new ones.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_what_it_was_given_and_refuses_nonsense() {
        let mut settings =
            Settings { model: "m".into(), system: Some("be brief".into()), ..Settings::default() };
        settings.options = Options::default().with("temperature", 0.5).with("mirostat", 1);
        settings.think = Some(Think::Off);
        let mut form = Form::of(&settings);
        assert_eq!(form.settings().unwrap(), settings);
        form.options[5] = "many".into();
        assert!(form.settings().unwrap_err().contains("num_ctx"));
    }
}
