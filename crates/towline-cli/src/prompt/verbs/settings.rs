//! `:model`, `:models`, `:pull`, `:system`, `set`, `:think`, `:format`.

use serde_json::Value;
use towline::api::{Format, ShowRequest, Think};

use crate::output::description::{self, ShowPart};
use crate::prompt::background_task::Done;
use crate::prompt::command::{Change, FormatArg, SetArgs, Setting, When};
use crate::prompt::state::Prompt;
use crate::server::UNARY_TIMEOUTS;
use crate::server::models;
use crate::term::screen::Tone;
use towline_app::settings::{options, templates};

impl Prompt<'_> {
    pub(super) fn set_model(&mut self, model: Option<String>) {
        match model {
            Some(model) => {
                self.chat.settings.model = model;
                self.write_settings();
            }
            None => {
                let model = self.chat.settings.model.clone();
                let message = if model.is_empty() { "no model is chosen".to_owned() } else { model };
                self.print(Tone::Plain, &message);
            }
        }
    }

    pub(super) fn list_models(&mut self) {
        let server = self.asked.server.clone();
        self.in_background("models", true, async move {
            let names = models::installed(&server, UNARY_TIMEOUTS).await.map_err(|error| error.message)?;
            Ok(Done::Models {
                names: names.iter().map(|model| models::typed(model).name).collect(),
                shown: true,
            })
        });
    }

    /// Describes the conversation's model.
    pub(super) fn show_model(&mut self, part: Option<ShowPart>) {
        let model = self.chat.settings.model.clone();
        if model.is_empty() {
            return self.print_error("show: no model is chosen; :model NAME chooses one");
        }
        let server = self.asked.server.clone();
        self.in_background("show", true, async move {
            let client = server.client.with_request_config(|config| config.timeouts = UNARY_TIMEOUTS);
            let request = ShowRequest { model, verbose: false };
            let shown = client.show(request).await.map_err(|error| error.message)?;
            let text = description::part(&shown, part.unwrap_or(ShowPart::Info));
            Ok(Done::Shown(if text.is_empty() { "the model has none".to_owned() } else { text.into_owned() }))
        });
    }

    pub(super) fn pull_model(&mut self, model: Option<String>, behind: bool) {
        match model.or_else(|| self.missing.clone()) {
            Some(model) => self.pull(&model, behind),
            None => self.print_error("pull: which model?"),
        }
    }

    pub(super) fn set_system(&mut self, change: Option<Change<String>>) {
        match change {
            None => {
                let message =
                    self.chat.settings.system.clone().unwrap_or_else(|| "no instructions".to_owned());
                return self.print(Tone::Plain, &message);
            }
            Some(Change::To(text)) => self.chat.settings.system = Some(text),
            Some(Change::Unset) => self.chat.settings.system = None,
        }
        self.write_settings();
    }

    pub(super) fn set(&mut self, set: &SetArgs) {
        match set.setting() {
            Ok(Setting::Show) => self.show_settings(),
            Ok(Setting::Notices(when)) => self.config.notices_at_once = when == When::AtOnce,
            Ok(Setting::Stats(on)) => self.config.stats = on,
            Ok(Setting::Option { key, value }) => self.set_option(key, value),
            Err(error) => self.print_error(&format!("set: {error}")),
        }
    }

    fn set_option(&mut self, key: &str, value: Option<&str>) {
        let chosen = &mut self.chat.settings.options;
        let set = match value {
            Some(value) => chosen.set_text(key, value),
            None => {
                chosen.0.remove(key);
                Ok(())
            }
        };
        if let Err(error) = set {
            return self.print_error(&format!("set: {error}"));
        }
        if let Some(note) = value.and_then(|_| options::unknown(key)) {
            self.print(Tone::Dim, &format!("{note}; it is sent as it is"));
        }
        self.write_settings();
    }

    fn show_settings(&mut self) {
        let settings = &self.chat.settings;
        let mut lines = vec![format!("model        {}", settings.model)];
        lines.extend(settings.system.as_ref().map(|system| format!("system       {system}")));
        lines.push(format!("think        {}", think_text(settings.think.as_ref())));
        lines.push(format!("format       {}", format_text(settings.format.as_ref())));
        lines.extend(
            settings.options.0.iter().map(|(key, value)| format!("{key:<12} {}", option_text(value))),
        );
        lines.push(format!("server       {}", self.asked.server.shown()));
        lines.push(format!("conversation {}", self.session.name().unwrap_or("has no name")));
        let notices = match self.config.notices_at_once {
            true => "at once (set +b: before the prompt)",
            false => "before the prompt (set -b: at once)",
        };
        lines.push(format!("notices      {notices}"));
        lines.push(format!("stats        {}", if self.config.stats { "on" } else { "off" }));
        lines.extend(self.config.limit.map(|limit| format!("limit        {limit}")));
        self.print(Tone::Plain, &lines.join("\n"));
    }

    pub(super) fn set_think(&mut self, change: Option<Change<Think>>) {
        match change {
            None => {
                let message = think_text(self.chat.settings.think.as_ref()).to_owned();
                return self.print(Tone::Plain, &message);
            }
            Some(Change::To(think)) => self.chat.settings.think = Some(think),
            Some(Change::Unset) => self.chat.settings.think = None,
        }
        self.write_settings();
    }

    pub(super) fn set_format(&mut self, change: Option<Change<FormatArg>>) {
        match change {
            None => {
                let message = format_text(self.chat.settings.format.as_ref());
                return self.print(Tone::Plain, &message);
            }
            Some(Change::Unset) => self.chat.settings.format = None,
            Some(Change::To(FormatArg::Json)) => self.chat.settings.format = Some(Format::Json),
            Some(Change::To(FormatArg::Schema(path))) => {
                return self.blocking_task("format", move || {
                    let schema = templates::schema(&path)?;
                    Ok(Done::Schema(schema, format!("answers follow {}", path.display())))
                });
            }
        }
        self.write_settings();
    }
}

fn think_text(think: Option<&Think>) -> &str {
    match think {
        None => "auto",
        Some(Think::On) => "on",
        Some(Think::Off) => "off",
        Some(Think::Level(level)) => level,
    }
}

fn format_text(format: Option<&Format>) -> String {
    match format {
        None => "free".to_owned(),
        Some(Format::Json) => "json".to_owned(),
        Some(Format::Schema(schema)) => schema.to_string(),
    }
}

fn option_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
