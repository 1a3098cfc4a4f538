//! The settings of a relay, from a TOML file and from flags, which take precedence.

use std::time::Duration;

use serde::Deserialize;
use towline::client::ApiKey;
use towline_relay::{Config, Listen, Store, UpstreamConfig, bytes};

use super::systemd;
use crate::args::{LogFormat, LogLevel, RelayArgs};
use crate::server::places;
use towline_app::text::duration::TimeLimit;

/// The settings of a relay.
#[derive(Debug)]
pub struct Settings {
    /// The configuration of the relay, without upstreams if none was named.
    pub config: Config,
    /// How much it tells.
    pub level: LogLevel,
    /// How it tells it.
    pub format: LogFormat,
}

/// The parts of the file that this program handles itself, or has to know.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OfProgram {
    log: LogSettings,
    limits: Given,
}

/// Values that are set in the file, as opposed to defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a table [limits]")]
struct Given {
    running: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a table [log]")]
struct LogSettings {
    level: Option<LogLevel>,
    format: Option<LogFormat>,
}

impl Settings {
    /// Reads the file, if one is named, and applies the flags. `api_key` comes from the environment.
    ///
    /// # Errors
    /// Which input is invalid, and what to write instead.
    pub fn read(args: &RelayArgs, api_key: Option<&str>) -> Result<Self, String> {
        let file = args.config.clone().or_else(|| places::settings().filter(|_| args.listen.is_empty()));
        let text = match &file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
        };
        let named = file.as_ref().map_or_else(String::new, |path| format!("{}: ", path.display()));
        let (mut config, OfProgram { log, limits }) =
            parse(&text).map_err(|error| format!("{named}{error}"))?;
        apply_flags(&mut config, args, api_key)?;
        if config.listen.is_empty() && limits.running.is_none() {
            config.limits.running = of_user().running;
        }
        resolve_own_paths(&mut config)?;
        Ok(Self {
            config,
            level: args.log.or(log.level).unwrap_or(LogLevel::Info),
            format: args.log_format.or(log.format).unwrap_or(LogFormat::Text),
        })
    }
}

/// The user's own settings, for a relay that serves only this user. The prompt reports errors in them.
fn of_user() -> towline_app::settings::Config {
    let path = towline_app::settings::path(std::env::var_os("TOWLINE_CONFIG"));
    path.map(|path| towline_app::settings::read(&path).0).unwrap_or_default()
}

/// Parses the file's text. No error shows a value, because it may be a misplaced secret.
fn parse(text: &str) -> Result<(Config, OfProgram), String> {
    let mut unknown = Vec::new();
    let config: Config = section(text, |key| {
        if key.split('.').next() != Some("log") {
            unknown.push(key);
        }
    })?;
    let program: OfProgram = section(text, |key| {
        if key.starts_with("log.") {
            unknown.push(key);
        }
    })?;
    match unknown.first() {
        None => Ok((config, program)),
        Some(key) => {
            let last = key.rsplit('.').next().unwrap_or(key);
            let at = text.lines().position(|line| key_of(line) == Some(last));
            Err(format!("{}the key {key} is not known", at.map_or_else(String::new, |at| line(at + 1))))
        }
    }
}

fn section<'a, T: Deserialize<'a>>(text: &'a str, mut ignored: impl FnMut(String)) -> Result<T, String> {
    let parsed = toml::Deserializer::parse(text);
    let read = parsed.and_then(|parsed| serde_ignored::deserialize(parsed, |path| ignored(path.to_string())));
    read.map_err(|error| {
        let Some(span) = error.span() else { return without_value(error.message()) };
        let at = text[..span.start.min(text.len())].matches('\n').count();
        let key = text.lines().nth(at).and_then(key_of).map_or_else(String::new, |key| format!("{key}: "));
        format!("{}{key}{}", line(at + 1), without_value(error.message()))
    })
}

fn line(number: usize) -> String {
    format!("line {number}: ")
}

/// The key, or the header, at the beginning of a line of the file.
fn key_of(line: &str) -> Option<&str> {
    let line = line.trim();
    let key = match line.strip_prefix('[') {
        Some(header) => header.trim_start_matches('[').split(']').next()?.rsplit('.').next()?,
        None => line.split_once('=')?.0,
    };
    let key = key.trim();
    let is_bare =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    is_bare.then_some(key)
}

/// The message for an invalid value, without the value.
fn without_value(message: &str) -> String {
    match message.rsplit_once(", expected ") {
        Some((problem, expected))
            if problem.starts_with("invalid type") || problem.starts_with("invalid value") =>
        {
            // Everyday words for the types of Rust and serde.
            let expected = match expected {
                "usize" | "u64" | "u32" | "u16" => "a whole number",
                "a sequence" => "a list",
                other => other,
            };
            format!("expected {expected} here")
        }
        Some((problem, expected)) if problem.starts_with("unknown variant") => format!("expected {expected}"),
        Some(_) | None => message.lines().next().unwrap_or_default().to_owned(),
    }
}

fn apply_flags(config: &mut Config, args: &RelayArgs, api_key: Option<&str>) -> Result<(), String> {
    if !args.listen.is_empty() {
        let listen = args.listen.iter().map(|text| parsed("--listen", text, text.parse()));
        config.listen = listen.collect::<Result<_, _>>()?;
    }
    if !args.upstream.is_empty() {
        config.upstreams = args.upstream.iter().map(|text| upstream(text)).collect::<Result<_, _>>()?;
    }
    let key_for_all = match (args.send_api_key, api_key) {
        (false, _) => None,
        (true, Some(key)) => Some(ApiKey::new(key)),
        (true, None) => return Err("--send-api-key sends the key in OLLAMA_API_KEY, which is not set".into()),
    };
    for at in 0..config.upstreams.len() {
        let (before, rest) = config.upstreams.split_at_mut(at);
        let UpstreamConfig { name, api_key, .. } = &mut rest[0];
        if before.iter().any(|known| known.name == *name) {
            return Err(format!("two model servers have the name {name}"));
        }
        *api_key = key_for_all.clone();
    }
    if let Some(store) = &args.store {
        config.store.place = place_of_store(store)?;
    }
    if let Some(fsync) = &args.fsync {
        config.store.fsync = parsed("--fsync", fsync, fsync.parse())?;
    }
    if let Some(text) = &args.keep_bytes {
        let bytes = bytes(text).ok_or("expected a number of bytes such as 512M or 2G");
        config.retention.bytes = parsed("--keep-bytes", text, bytes)?;
    }
    let override_with = |into: &mut Duration, flag: Option<TimeLimit>| match flag {
        None => {}
        Some(TimeLimit(time)) => *into = time.unwrap_or(Duration::MAX),
    };
    override_with(&mut config.retention.age, args.keep);
    override_with(&mut config.times.grace, args.grace);
    override_with(&mut config.times.drain, args.drain);
    if let Some(TimeLimit(time)) = args.exit_when_idle {
        config.times.idle_exit = time;
    }
    Ok(())
}

/// Parses a model server. `env:NAME` in place of its URL reads it from a variable, because other users can
/// read a program's arguments, but not its environment. The text may contain a password, so no message
/// repeats it.
fn upstream(text: &str) -> Result<UpstreamConfig, String> {
    let named =
        text.split_once("env:").filter(|(before, _)| before.is_empty() || before.ends_with(['=', '+']));
    let text = match named {
        None => text.to_owned(),
        Some((before, name)) => {
            let missing = |_| format!("the variable {name}, which should name a model server, is not set");
            before.to_owned() + &std::env::var(name).map_err(missing)?
        }
    };
    text.parse().map_err(|error| format!("--upstream: {error}"))
}

/// Parses the location of logs. As for a model server, `env:NAME` reads a variable, and no message repeats a
/// possible password.
fn place_of_store(text: &str) -> Result<Store, String> {
    let text = match text.strip_prefix("env:") {
        None => text.to_owned(),
        Some(name) => std::env::var(name)
            .map_err(|_| format!("the variable {name}, which should name the store, is not set"))?,
    };
    text.parse().map_err(|error| format!("--store: {error}"))
}

fn parsed<T, E: std::fmt::Display>(flag: &str, text: &str, read: Result<T, E>) -> Result<T, String> {
    read.map_err(|error| format!("{flag} {text:?}: {error}"))
}

/// Replaces `own` by the paths of this user's socket and folder.
fn resolve_own_paths(config: &mut Config) -> Result<(), String> {
    config.sockets = systemd::sockets()?;
    if config.listen.is_empty() && config.sockets.is_empty() {
        config.listen.push(Listen::Own);
    }
    for listen in &mut config.listen {
        if *listen == Listen::Own {
            let own = places::own().map_err(|error| format!("there is no folder for the socket: {error}"))?;
            *listen = Listen::Unix(own.socket());
        }
    }
    if config.store.place == Store::Own {
        let folder = places::store_folder().map_err(|error| error.to_string())?;
        config.store.place = Store::Folder(folder);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first example of a guide.
    fn example(guide: &str) -> &str {
        guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()
    }

    #[test]
    fn the_examples_of_the_guides_are_understood() {
        let (config, _) = parse(example(include_str!("../../../../../docs/guide/relay-scale.md"))).unwrap();
        assert!(matches!(config.store.place, Store::Redis(_)), "{:?}", config.store.place);
        let guide = include_str!("../../../../../docs/guide/relay.md");
        let (config, OfProgram { log, .. }) = parse(example(guide)).unwrap();
        assert_eq!(config.upstreams.len(), 2);
        assert_eq!(config.retention.bytes, 1 << 30);
        assert_eq!(config.timeouts.total, None);
        assert_eq!(config.times.grace, Duration::ZERO);
        assert_eq!(log.level, Some(LogLevel::Info));
        assert_eq!(config.limits, towline_relay::RelayLimits::default());
    }

    #[test]
    fn without_a_file_the_store_is_the_users_own() {
        assert_eq!(parse("").unwrap().0.store.place, Store::Own);
        assert_eq!(parse("[store]\nfsync = \"never\"").unwrap().0.store.place, Store::Own);
        assert_eq!(parse("[store]\nfolder = \"memory\"").unwrap().0.store.place, Store::Memory);
    }

    #[test]
    fn a_mistake_is_named_by_its_key_and_line_and_shows_no_value() {
        for (text, error) in [
            (
                "listen = []\n[[token]]\nowner = \"a\"\nsecret = 5 # hush\n",
                "line 4: secret: expected a string here",
            ),
            ("lisen = [\"hush\"]\n", "line 1: the key lisen is not known"),
            ("[store]\nfolder = \"x\"\nfsink = \"hush\"", "line 3: the key store.fsink is not known"),
            ("[log]\nlevel = \"info\"\nlevle = \"hush\"", "line 3: the key log.levle is not known"),
            (
                "[[upstream]]\nurl = \"http://a\"\nkey = \"hush\"",
                "line 3: the key upstream.0.key is not known",
            ),
            ("token = \"hush\"", "line 1: token: expected a list here"),
            ("[limits]\nrunning = \"hush\"", "line 2: running: expected a whole number here"),
            ("\nstore = \"hush\"", "line 2: store: expected a table [store] here"),
            ("[[token]]\nowner = 5", "line 2: owner: expected a string here"),
            (
                "[keep]\nage = \"hush\"",
                "line 2: age: expected a length of time such as 30s, 1m30s, 500ms or none",
            ),
            (
                "[limits]\nbody = \"hush\"",
                "line 2: body: expected a number of bytes such as 4096, 512M or 2G",
            ),
            ("[store]\nfsync = \"hush\"", "line 2: fsync: expected always, never, or a time such as 1s"),
            (
                "[timeouts]\nidle = \"0s\"",
                "line 2: idle: a time limit of 0 leaves no time; write none for no limit",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
        for text in [
            "[log]\nlevel = \"hush\"",
            "listen = [\n\"hush\"]",
            "a = hush",
            "[[upstream]]\nurl = \"hush hush\"",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("line ") && !error.contains("hush"), "{error}");
        }
    }
}
