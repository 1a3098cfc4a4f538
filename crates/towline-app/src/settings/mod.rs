//! The user's settings, shared by the command, the prompt and the window; and the user's folders.
//!
//! The configuration file is TOML, every key optional. An unknown or invalid entry is a warning with its
//! line, never an error, so the prompt opens anyway.

mod colors;
pub mod folders;
pub mod options;
mod servers;
pub mod templates;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use towline::api::{Options, Think};

pub use colors::{Color, SLOTS, Shades, Theme};
pub use servers::{KeySource, NamedServer};

use crate::history::Limits;
use crate::text::duration::TimeLimit;
use crate::text::nearest::nearest;

/// The largest configuration file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The contents of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `host`: the server, if neither `--host` nor `OLLAMA_HOST` names one.
    pub host: Option<String>,
    /// `model`: the model, if neither `-m` nor `TOWLINE_MODEL` names one.
    pub model: Option<String>,
    /// `system`: instructions to the model.
    pub system: Option<String>,
    /// `think`: whether, and how much, to think.
    pub think: Option<Think>,
    /// `[options]`: model options.
    pub options: Options,
    /// `theme`: the background for which colours are chosen.
    pub theme: Theme,
    /// `[colors]`: replacements for the theme's colours.
    pub colors: Shades,
    /// `[servers]`: model servers by name.
    pub servers: BTreeMap<String, NamedServer>,
    /// `notices`: `"prompt"` or `"at-once"`.
    pub notices_at_once: bool,
    /// `limit`: the maximum number of running jobs.
    pub limit: Option<usize>,
    /// `deadline`: the time limit of every question, from when it is asked.
    pub deadline: Option<Duration>,
    /// `stalled_after`: the silence after which a stream counts as stalled. Default 5 s.
    pub stalled_after: Duration,
    /// `history`: which conversations are recorded.
    pub history: Remember,
    /// `history_days` and `history_mb`: how much of the history is kept.
    pub history_limits: Limits,
    /// `relay`: where the answers of the prompt and the window run.
    pub relay: RelaySetting,
    /// `running`: how many answers the user's own relay runs at once; the others are queued. Default 4.
    pub running: usize,
    /// `stats`: whether token counts are shown after each answer. Default false.
    pub stats: bool,
    /// `resume`: how often a cut answer is continued automatically. Default 0.
    pub resume: u32,
}

/// Where answers run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelaySetting {
    /// On the user's own relay, which is started if it does not run.
    Own,
    /// In the program that asks.
    Off,
    /// On the relay at this address.
    At(String),
}

/// Which conversations are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remember {
    /// None.
    Nothing,
    /// Those that a person sees: of the prompt, and of `run` on a terminal.
    People,
    /// Those of `run` into a file or another program too.
    All,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: None,
            model: None,
            system: None,
            think: None,
            options: Options::default(),
            theme: Theme::Auto,
            colors: Shades::default(),
            servers: BTreeMap::new(),
            notices_at_once: false,
            limit: None,
            deadline: None,
            stalled_after: Duration::from_secs(5),
            history: Remember::People,
            history_limits: Limits::default(),
            relay: RelaySetting::Own,
            running: 4,
            stats: false,
            resume: 0,
        }
    }
}

/// The path of the file: that in `TOWLINE_CONFIG`, else in the user's configuration folder.
pub fn path(named: Option<OsString>) -> Option<PathBuf> {
    let named = named.filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(folders::config()?.join("config.toml")))
}

/// Reads the file, if there is one; also returns warnings.
pub fn read(path: &Path) -> (Config, Vec<String>) {
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Config::default(), Vec::new()),
        Err(error) => return (Config::default(), vec![format!("{shown} cannot be read: {error}")]),
    };
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return (Config::default(), vec![format!("{shown} is not a file of at most 1 MiB; it is ignored")]);
    }
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let (config, warnings) = parse(&text);
            (config, warnings.into_iter().map(|warning| format!("{shown}, {warning}")).collect())
        }
        Err(error) => (Config::default(), vec![format!("{shown} cannot be read: {error}")]),
    }
}

/// Reads the text of a file.
pub fn parse(text: &str) -> (Config, Vec<String>) {
    let mut reading = Reading::of(text);
    match DeTable::parse(text) {
        Ok(table) => reading.table(table.get_ref()),
        Err(error) => {
            let at = error.span().unwrap_or_default();
            reading.warn(&at, error.message());
            reading.warnings.push("the file is ignored".to_owned());
            let warnings = vec![reading.warnings.join("; ")];
            return (Config::default(), warnings);
        }
    }
    (reading.config, reading.warnings)
}

struct Reading<'a> {
    text: &'a str,
    config: Config,
    warnings: Vec<String>,
}

impl<'a> Reading<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, config: Config::default(), warnings: Vec::new() }
    }
}

impl Reading<'_> {
    fn warn(&mut self, at: &Range<usize>, what: &str) {
        let line = self.text.get(..at.start).map_or(1, |before| before.matches('\n').count() + 1);
        self.warnings.push(format!("line {line}: {what}"));
    }

    fn table(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            if let Err(what) = self.entry(key.get_ref(), value) {
                self.warn(&key.span(), &what);
            }
        }
    }

    fn entry(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<(), String> {
        let config = &mut self.config;
        let value = value.get_ref();
        match key {
            "host" => config.host = Some(text(key, value)?),
            "model" => config.model = Some(text(key, value)?),
            "system" => config.system = Some(text(key, value)?),
            "think" => config.think = Some(think(key, value)?),
            "limit" => config.limit = Some(count(key, value)?).filter(|limit| *limit > 0),
            "deadline" => config.deadline = limit(key, value)?,
            "stalled_after" => config.stalled_after = limit(key, value)?.unwrap_or(Duration::MAX),
            "history" | "sessions" => config.history = remember(key, value)?,
            "history_days" => {
                let days = u64::try_from(count(key, value)?).unwrap_or(u64::MAX);
                config.history_limits.age = Some(Duration::from_secs(days.saturating_mul(86_400)));
            }
            "history_mb" => {
                let mb = u64::try_from(count(key, value)?).unwrap_or(u64::MAX);
                config.history_limits.bytes = mb.saturating_mul(1_000_000);
            }
            "relay" => config.relay = through(key, value)?,
            "running" => {
                config.running = count(key, value)?;
                if config.running == 0 {
                    config.running = Config::default().running;
                    return Err("running = 0 would never run anything; write 1 or more".to_owned());
                }
            }
            "stats" => config.stats = truth(key, value)?,
            "resume" => config.resume = u32::try_from(count(key, value)?).unwrap_or(u32::MAX),
            "notices" => {
                config.notices_at_once = match text(key, value)?.as_str() {
                    "at-once" => true,
                    "prompt" => false,
                    other => return Err(format!("notices must be \"prompt\" or \"at-once\", not {other:?}")),
                }
            }
            "options" => self.options(value)?,
            "servers" => self.servers(value)?,
            "theme" => config.theme = colors::theme(value)?,
            "colors" => self.colors(value)?,
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    fn servers(&mut self, value: &DeValue<'_>) -> Result<(), String> {
        let DeValue::Table(table) = value else {
            return Err("servers must be a table: [servers]".to_owned());
        };
        for (name, value) in table {
            match servers::server(name.get_ref(), value) {
                Ok(server) => drop(self.config.servers.insert(name.get_ref().to_string(), server)),
                Err(what) => self.warn(&name.span(), &what),
            }
        }
        Ok(())
    }

    fn colors(&mut self, value: &DeValue<'_>) -> Result<(), String> {
        let DeValue::Table(table) = value else { return Err("colors must be a table: [colors]".to_owned()) };
        for (name, value) in table {
            if let Err(what) = colors::shade(&mut self.config.colors, name.get_ref(), value.get_ref()) {
                self.warn(&name.span(), &what);
            }
        }
        Ok(())
    }

    fn options(&mut self, value: &DeValue<'_>) -> Result<(), String> {
        let DeValue::Table(table) = value else {
            return Err("options must be a table: [options]".to_owned());
        };
        for (key, value) in table {
            let texts: Vec<String> = match value.get_ref() {
                DeValue::String(text) => vec![text.to_string()],
                DeValue::Integer(number) => vec![number.to_string()],
                DeValue::Float(number) => vec![number.to_string()],
                DeValue::Boolean(truth) => vec![truth.to_string()],
                DeValue::Array(values) => {
                    values.iter().filter_map(|value| value.get_ref().as_str()).map(str::to_owned).collect()
                }
                DeValue::Datetime(_) | DeValue::Table(_) => Vec::new(),
            };
            if let Some(warning) = options::unknown(key.get_ref()) {
                self.warn(&key.span(), &format!("{warning}; it is sent as it is"));
            }
            for text in texts {
                if let Err(error) = self.config.options.set_text(key.get_ref(), &text) {
                    self.warn(&key.span(), &error.to_string());
                }
            }
        }
        Ok(())
    }
}

const KEYS: [&str; 19] = [
    "host",
    "model",
    "system",
    "think",
    "options",
    "servers",
    "theme",
    "colors",
    "notices",
    "limit",
    "deadline",
    "stalled_after",
    "history",
    "history_days",
    "history_mb",
    "relay",
    "running",
    "stats",
    "resume",
];

fn unknown(key: &str) -> String {
    match nearest(KEYS.into_iter(), key) {
        Some(known) => format!("there is no key {key}; did you mean {known}?"),
        None => format!("there is no key {key}; the keys are {}", KEYS.join(", ")),
    }
}

fn text(key: &str, value: &DeValue<'_>) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{key} takes a text in quotes"))
}

fn truth(key: &str, value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("{key} takes true or false"))
}

fn count(key: &str, value: &DeValue<'_>) -> Result<usize, String> {
    let number = value.as_integer().and_then(|number| number.to_string().parse().ok());
    number.ok_or_else(|| format!("{key} takes a whole number"))
}

fn limit(key: &str, value: &DeValue<'_>) -> Result<Option<Duration>, String> {
    let TimeLimit(limit) = text(key, value)?.parse().map_err(|error| format!("{key}: {error}"))?;
    Ok(limit)
}

const LEVELS: [&str; 4] = ["low", "medium", "high", "max"];
const ON: [&str; 3] = ["on", "true", "yes"];
const OFF: [&str; 3] = ["off", "false", "no"];

/// Whether `--think` accepts a text.
pub fn is_think_level(text: &str) -> bool {
    LEVELS.iter().chain(&ON[..2]).chain(&OFF[..2]).any(|level| *level == text)
}

/// Parses whether, and how much, to think.
///
/// # Errors
/// If the text is not a level; lists the levels.
pub fn think_level(text: &str) -> Result<Think, String> {
    if ON.contains(&text) {
        Ok(Think::On)
    } else if OFF.contains(&text) {
        Ok(Think::Off)
    } else if LEVELS.contains(&text) {
        Ok(Think::Level(text.to_owned()))
    } else {
        Err("the levels are low, medium, high, max, on and off".to_owned())
    }
}

fn remember(key: &str, value: &DeValue<'_>) -> Result<Remember, String> {
    match (value.as_bool(), value.as_str()) {
        (Some(false), _) => Ok(Remember::Nothing),
        (Some(true), _) => Ok(Remember::People),
        (None, Some("all")) => Ok(Remember::All),
        (None, _) => Err(format!("{key} takes true, false or \"all\"")),
    }
}

fn through(key: &str, value: &DeValue<'_>) -> Result<RelaySetting, String> {
    match (value.as_bool(), value.as_str()) {
        (Some(true), _) | (None, Some("own")) => Ok(RelaySetting::Own),
        (Some(false), _) | (None, Some("off")) => Ok(RelaySetting::Off),
        (None, Some(address)) => {
            towline::client::host::parse(address).map_err(|error| format!("{key}: {error}"))?;
            Ok(RelaySetting::At(address.to_owned()))
        }
        (None, None) => Err(format!("{key} takes \"own\", \"off\" or a relay's address")),
    }
}

fn think(key: &str, value: &DeValue<'_>) -> Result<Think, String> {
    match value.as_bool() {
        Some(true) => Ok(Think::On),
        Some(false) => Ok(Think::Off),
        None => think_level(&text(key, value)?).map_err(|error| format!("{key}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_read_without_a_warning() {
        let example = include_str!("../../../../docs/config.example.toml");
        let (config, warnings) = parse(example);
        assert_eq!((config, warnings), (Config::default(), vec![]), "every key in it is a comment");
        let used: String = example
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .map(|line| format!("{line}\n"))
            .collect();
        let (config, warnings) = parse(&used);
        assert_eq!(warnings, Vec::<String>::new());
        for key in KEYS {
            assert!(used.lines().any(|line| line.starts_with(key) || line == format!("[{key}]")), "{key}");
        }
        assert_ne!(config, Config::default());
        assert_eq!(config.limit, Some(4));
        assert_eq!(config.relay, RelaySetting::Off);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, warning) in [
            ("\nmodl = \"x\"", "line 2: there is no key modl; did you mean model?"),
            ("model = 3", "line 1: model takes a text in quotes"),
            ("\n\n[options]\ntemperatur = 1", "line 4: Ollama has no option \"temperatur\""),
            ("deadline = \"soon\"", "line 1: deadline: this is not a duration"),
            ("notices = \"never\"", "line 1: notices must be"),
            ("relay = 3", "line 1: relay takes \"own\", \"off\" or a relay's address"),
            ("running = 0", "line 1: running = 0 would never run anything"),
            ("[servers]\ngpu = 1", "line 2: the server gpu takes an address"),
            ("[servers.gpu]\nkey = \"x\"", "line 1: a server has no key"),
            ("[servers]\ngpu = { key_file = \"x\" }", "line 2: the server gpu has no host"),
            (
                "[servers]\ngpu = { host = \"x\", running = 0 }",
                "line 2: running = 0 of the server gpu would never run anything",
            ),
            ("theme = \"blue\"", "line 1: theme must be \"auto\""),
            ("[colors]\ngren = 1", "line 2: there is no colour gren; did you mean green?"),
            ("[colors]\nred = 256", "line 2: the colour red must be a name"),
            ("limit = -1", "line 1: limit takes a whole number"),
            ("a = \n", "line 1: "),
        ] {
            let (_, warnings) = parse(text);
            assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
            assert!(warnings[0].starts_with(warning), "{text}: {warnings:?}");
        }
    }
}
