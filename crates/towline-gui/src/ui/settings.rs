//! The window's settings, and those of one chat.

use egui::{ComboBox, RichText, Slider, TextEdit, Ui};
use towline::{Format, Options, Think};
use towline_app::chat::Settings;

use super::dialog;
use super::theme::Palette;
use crate::command::{Command, Dialog};
use crate::store::{State, Theme};
use crate::window::Fields;

/// An option that has a field.
struct Field {
    /// Its name in requests.
    name: &'static str,
    /// Its name for people.
    label: &'static str,
    /// What it does.
    help: &'static str,
    /// What its slider reaches from and to; without one, any number is typed.
    slider: Option<(f64, f64)>,
}

const fn field(
    name: &'static str,
    label: &'static str,
    help: &'static str,
    slider: Option<(f64, f64)>,
) -> Field {
    Field { name, label, help, slider }
}

/// The options that have a field: the first five say how words are chosen, the others how much and which.
const OPTIONS: [Field; 8] = [
    field("temperature", "Temperature", "How freely words are chosen; 0 is not at all.", Some((0.0, 2.0))),
    field("top_p", "Top P", "Only the likeliest words up to this sum.", Some((0.0, 1.0))),
    field("top_k", "Top K", "Only this many of the likeliest words.", Some((1.0, 200.0))),
    field("min_p", "Min P", "No word less likely than this part of the likeliest.", Some((0.0, 1.0))),
    field("repeat_penalty", "Repetition", "Against repetition; 1 is nothing.", Some((0.5, 2.0))),
    field("num_ctx", "Context", "Tokens the model sees; another number loads it anew.", None),
    field("num_predict", "Longest answer", "The most tokens of an answer; −1 has no limit.", None),
    field("seed", "Seed", "The same number gives the same answer.", None),
];
/// So many of them say how words are chosen.
const CHOICE: usize = 5;

/// A chat's settings as they are typed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Form {
    base: Settings,
    system: String,
    options: [String; OPTIONS.len()],
    think: Thinking,
    as_json: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Thinking {
    #[default]
    Server,
    On,
    Off,
    Low,
    Medium,
    High,
}

impl Thinking {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Server, "as the model does by itself"),
        (Self::On, "think"),
        (Self::Off, "do not think"),
        (Self::Low, "think a little"),
        (Self::Medium, "think"),
        (Self::High, "think hard"),
    ];

    fn of(think: Option<&Think>) -> Self {
        match think {
            None => Self::Server,
            Some(Think::On) => Self::On,
            Some(Think::Off) => Self::Off,
            Some(Think::Level(level)) => match level.as_str() {
                "low" => Self::Low,
                "medium" => Self::Medium,
                _ => Self::High,
            },
        }
    }

    fn think(self) -> Option<Think> {
        match self {
            Self::Server => None,
            Self::On => Some(Think::On),
            Self::Off => Some(Think::Off),
            Self::Low => Some(Think::Level("low".into())),
            Self::Medium => Some(Think::Level("medium".into())),
            Self::High => Some(Think::Level("high".into())),
        }
    }
}

impl Form {
    /// The fields of these settings.
    pub fn of(settings: &Settings) -> Self {
        let text = |name: &str| settings.options.0.get(name).map(ToString::to_string).unwrap_or_default();
        Self {
            base: settings.clone(),
            system: settings.system.clone().unwrap_or_default(),
            options: OPTIONS.map(|field| text(field.name)),
            think: Thinking::of(settings.think.as_ref()),
            as_json: settings.format.is_some(),
        }
    }

    /// The settings that the fields say, or what is wrong with them.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn settings(&self) -> Result<Settings, String> {
        let mut options: Options = self.base.options.clone();
        for (Field { name, .. }, text) in OPTIONS.iter().zip(&self.options) {
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
        Ok(Settings { system, options, think: self.think.think(), format, ..self.base.clone() })
    }
}

/// Draws a chat's settings.
pub fn chat(ui: &mut Ui, form: &mut Form, palette: &Palette, out: &mut Vec<Command>) {
    ui.heading("Settings of this chat");
    dialog::body(ui, |ui| {
        dialog::section(ui, "Instructions", 1, palette, |ui| {
            let system =
                TextEdit::multiline(&mut form.system).desired_rows(3).desired_width(ui.available_width());
            drop(
                palette.field(ui, system.hint_text("You are …")).accessible_name("Instructions to the model"),
            );
            ui.end_row();
        });
        let (choice, others) = form.options.split_at_mut(CHOICE);
        dialog::section(ui, "How words are chosen", 2, palette, |ui| {
            OPTIONS.iter().zip(choice).for_each(|(field, text)| option(ui, field, text, palette));
        });
        dialog::section(ui, "Answers", 2, palette, |ui| {
            OPTIONS
                .iter()
                .skip(CHOICE)
                .zip(others)
                .for_each(|(field, text)| option(ui, field, text, palette));
            ui.label("Thinking");
            let shown =
                Thinking::ALL.iter().find(|(think, _)| *think == form.think).map_or("", |(_, words)| words);
            let combo = ComboBox::from_id_salt("think").selected_text(shown).show_ui(ui, |ui| {
                for (think, words) in Thinking::ALL {
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
        if ui.button("Cancel").clicked() {
            out.push(Command::Show(Dialog::None));
        }
    });
}

/// A row of the form: the option's name; its slider, its number and what it does.
fn option(ui: &mut Ui, field: &Field, text: &mut String, palette: &Palette) {
    ui.label(field.label);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.horizontal(|ui| {
            if let Some((from, to)) = field.slider {
                let mut value = text.trim().parse().unwrap_or(from);
                let slider = Slider::new(&mut value, from..=to).show_value(false);
                let slider = if to > 2.0 { slider.integer() } else { slider.step_by(0.01) };
                if ui.add(slider).accessible_name(format!("Slider of {}", field.label)).changed() {
                    *text = if to > 2.0 { format!("{value:.0}") } else { format!("{value:.2}") };
                }
            }
            let number = TextEdit::singleline(text).desired_width(80.0).hint_text("default");
            drop(palette.field(ui, number).accessible_name(field.label));
        });
        ui.label(RichText::new(field.help).small().weak());
    });
    ui.end_row();
}

/// Draws the window's settings.
pub fn window(
    ui: &mut Ui,
    state: &State,
    server: &str,
    relay: Option<&str>,
    (fields, palette): (&mut Fields, &Palette),
    out: &mut Vec<Command>,
) {
    ui.heading("Settings");
    dialog::body(ui, |ui| {
        dialog::section(ui, "Look", 2, palette, |ui| look(ui, state, out));
        dialog::section(ui, "Notifications", 1, palette, |ui| {
            let mut notifies = state.notifies;
            if ui.checkbox(&mut notifies, "when an answer ends in the background").changed() {
                out.push(Command::Notify(notifies));
            }
            ui.end_row();
        });
        dialog::section(ui, "Server", 1, palette, |ui| {
            ui.add(egui::Label::new(RichText::new(server).weak()).wrap());
            ui.end_row();
            if state.via_relay {
                ui.weak("The relay has model servers of its own; turn it off to name one.");
                return;
            }
            ui.horizontal(|ui| {
                let field = TextEdit::singleline(&mut fields.host).hint_text("the usual one");
                drop(palette.field(ui, field).accessible_name("Server address"));
                if ui.button("Connect").clicked() {
                    out.push(Command::Connect(fields.host.clone()));
                }
            });
            ui.end_row();
        });
        dialog::section(ui, "Relay", 1, palette, |ui| {
            ui.vertical(|ui| via_relay(ui, state, relay, out));
            ui.end_row();
        });
    });
    dialog::close(ui, out);
}

fn look(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    ui.label("Colours");
    ui.horizontal(|ui| {
        for (theme, words) in [(Theme::System, "System"), (Theme::Dark, "Dark"), (Theme::Light, "Light")] {
            if ui.selectable_label(state.theme == theme, words).clicked() {
                out.push(Command::Theme(theme));
            }
        }
    });
    ui.end_row();
    ui.label("Size");
    ui.horizontal(|ui| {
        let zoom = state.zoom;
        for (words, name, zoom) in
            [("−", "Smaller", zoom - 0.1), ("+", "Larger", zoom + 0.1), ("100 %", "Usual size", 1.0)]
        {
            if ui.button(words).accessible_name(name).clicked() {
                out.push(Command::Zoom(zoom));
            }
        }
        ui.weak(format!("{:.0} %  (Ctrl and +, −, 0)", zoom * 100.0));
    });
    ui.end_row();
}

/// Whether answers go through the relay.
fn via_relay(ui: &mut Ui, state: &State, relay: Option<&str>, out: &mut Vec<Command>) {
    let mut via = state.via_relay;
    let button = egui::Checkbox::new(&mut via, "Answers go through the relay");
    let button = ui
        .add_enabled(relay.is_some(), button)
        .on_disabled_hover_text("There is no place for a relay here; what was wrong was said at the start");
    if button.changed() {
        out.push(Command::ViaRelay(via));
    }
    let words = match relay {
        Some(relay) => format!("They run at {relay} and go on there when the window closes."),
        None => "There is none.".to_owned(),
    };
    ui.weak(words);
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
