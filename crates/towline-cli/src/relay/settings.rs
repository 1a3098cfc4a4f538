//! What a relay is told: by a TOML file, and by flags, which count more.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use towline::{ApiKey, Clocks};
use towline_relay::{
    Config, Listen, Owner, RelayLimits, Retention, StoreConfig, Times, TlsFiles, Token, UpstreamConfig,
};

use super::{place, values};
use crate::args::{LogFormat, LogLevel, RelayArgs};
use crate::duration::TimeLimit;

/// Everything a relay is told.
#[derive(Debug)]
pub struct Settings {
    /// What the relay itself is told. Without upstreams where none was named.
    pub config: Config,
    /// How much it tells.
    pub level: LogLevel,
    /// How it tells it.
    pub format: LogFormat,
}

/// The file. Every key may be left out; one that is not known is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Vec<String>,
    hosts: Vec<String>,
    origins: Vec<String>,
    upstream: Vec<FileUpstream>,
    token: Vec<FileToken>,
    tls: Option<FileTls>,
    store: FileStore,
    keep: FileKeep,
    times: FileTimes,
    clocks: FileClocks,
    limits: FileLimits,
    log: FileLog,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [[upstream]]")]
struct FileUpstream {
    name: Option<String>,
    url: String,
    /// A file that holds the key alone.
    key_file: Option<PathBuf>,
    /// A file of further authorities, PEM.
    roots: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [[token]]")]
struct FileToken {
    owner: String,
    secret: Option<String>,
    /// A file that holds the secret alone.
    secret_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [tls]")]
struct FileTls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table [store]")]
struct FileStore {
    folder: Option<String>,
    fsync: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table [keep]")]
struct FileKeep {
    age: Option<String>,
    bytes: Option<String>,
    longest: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table [times]")]
struct FileTimes {
    grace: Option<String>,
    drain: Option<String>,
    long_poll: Option<String>,
    sse: Option<String>,
    heartbeat: Option<String>,
    health: Option<String>,
    exit_when_idle: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table [clocks]")]
struct FileClocks {
    connect: Option<String>,
    first_event: Option<String>,
    idle: Option<String>,
    total: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table [limits]")]
struct FileLimits {
    body: Option<String>,
    append: Option<String>,
    headers: Option<u32>,
    connections: Option<usize>,
    streams_per_connection: Option<u32>,
    running: Option<usize>,
    queued: Option<usize>,
    streams: Option<usize>,
    readers: Option<usize>,
    log: Option<String>,
    lag: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table [log]")]
struct FileLog {
    level: Option<LogLevel>,
    format: Option<LogFormat>,
}

impl Settings {
    /// Reads the file, if one is named, and puts the flags over it. `api_key` is the environment's.
    ///
    /// # Errors
    /// Which input is wrong, and what to write instead.
    pub fn read(args: &RelayArgs, api_key: Option<&str>) -> Result<Self, String> {
        let file = match &args.config {
            None => File::default(),
            Some(path) => {
                let shown = path.display();
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("{shown} cannot be read: {error}"))?;
                parse(&text).map_err(|error| format!("{shown}: {error}"))?
            }
        };
        let (level, format) = (args.log.or(file.log.level), args.log_format.or(file.log.format));
        Ok(Self {
            config: config(args, file, api_key)?,
            level: level.unwrap_or(LogLevel::Info),
            format: format.unwrap_or(LogFormat::Text),
        })
    }
}

/// Without the lines around the mistake: one of them may hold a secret.
fn parse(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        format!("{place}{}", without_value(error.message()))
    })
}

/// What is said of a value of a wrong type, without the value: it may be a secret in a wrong place.
fn without_value(message: &str) -> String {
    match message.rsplit_once(", expected ") {
        Some((said, expected)) if said.starts_with("invalid type") => format!("expected {expected} here"),
        Some(_) | None => message.to_owned(),
    }
}

fn config(args: &RelayArgs, file: File, api_key: Option<&str>) -> Result<Config, String> {
    let listen = if args.listen.is_empty() { &file.listen } else { &args.listen };
    let mut listen: Vec<Listen> = listen.iter().map(|text| values::listen(text)).collect::<Result<_, _>>()?;
    if listen.is_empty() {
        listen.push(values::own_socket()?);
    }
    let store = match args.store.clone().or(file.store.folder) {
        Some(memory) if memory == "memory" => StoreConfig::Memory,
        folder => {
            let fsync = args.fsync.clone().or(file.store.fsync);
            let fsync = fsync.map(|text| values::fsync(&text)).transpose()?.unwrap_or_default();
            let folder = match folder {
                Some(folder) => PathBuf::from(folder),
                None => place::store_folder().map_err(|error| error.to_string())?,
            };
            StoreConfig::Disk { folder, fsync }
        }
    };
    Ok(Config {
        listen,
        tokens: file.token.into_iter().map(token).collect::<Result<_, _>>()?,
        tls: file.tls.map(|tls| TlsFiles { certificate: tls.certificate, key: tls.key }),
        hosts: file.hosts,
        origins: file.origins,
        upstreams: upstreams(args, file.upstream, api_key)?,
        store,
        retention: retention(args, file.keep)?,
        clocks: clocks(file.clocks)?,
        limits: limits(file.limits)?,
        times: times(args, file.times)?,
    })
}

fn upstreams(
    args: &RelayArgs,
    file: Vec<FileUpstream>,
    api_key: Option<&str>,
) -> Result<Vec<UpstreamConfig>, String> {
    let key_for_all = match (args.send_api_key, api_key) {
        (false, _) => None,
        (true, Some(key)) => Some(ApiKey::new(key)),
        (true, None) => return Err("--send-api-key sends the key in OLLAMA_API_KEY, which is not set".into()),
    };
    let given: Vec<FileUpstream> = if args.upstream.is_empty() {
        file
    } else {
        let of_flag =
            |url: &String| FileUpstream { name: None, url: url.clone(), key_file: None, roots: None };
        args.upstream.iter().map(of_flag).collect()
    };
    let mut all: Vec<UpstreamConfig> = Vec::new();
    for upstream in given {
        let (name, api, endpoint) = values::upstream(&upstream.url)?;
        let name = upstream.name.or(name).unwrap_or_else(|| endpoint.to_string());
        if all.iter().any(|known| known.name == name) {
            return Err(format!("two model servers have the name {name}"));
        }
        let own_key = upstream.key_file.as_deref().map(secret).transpose()?.map(ApiKey::new);
        let api_key = own_key.or_else(|| key_for_all.clone());
        let roots = upstream.roots.map(|path| {
            std::fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
        });
        let extra_roots_pem = roots.transpose()?.into_iter().collect();
        all.push(UpstreamConfig { name, endpoint, api, api_key, extra_roots_pem });
    }
    Ok(all)
}

fn token(token: FileToken) -> Result<Token, String> {
    let secret = match (token.secret, &token.secret_file) {
        (Some(secret), None) => secret,
        (None, Some(path)) => secret(path)?,
        (Some(_), Some(_)) | (None, None) => {
            return Err(format!("the token of {} takes either secret or secret_file", token.owner));
        }
    };
    Ok(Token { owner: Owner::named(&token.owner), secret })
}

fn secret(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn time(key: &str, text: &str) -> Result<Option<Duration>, String> {
    text.parse::<TimeLimit>().map(|limit| limit.0).map_err(|error| format!("{key} = {text:?}: {error}"))
}

/// A time that there must be; `none` is a very long one.
fn bounded(key: &str, text: Option<String>, default: Duration) -> Result<Duration, String> {
    const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);
    match text {
        None => Ok(default),
        Some(text) => Ok(time(key, &text)?.unwrap_or(FOREVER)),
    }
}

fn flag(limit: Option<TimeLimit>) -> Option<String> {
    limit.map(|limit| limit.0.map_or_else(|| "none".to_owned(), |time| format!("{}s", time.as_secs_f64())))
}

fn retention(args: &RelayArgs, file: FileKeep) -> Result<Retention, String> {
    let default = Retention::default();
    let bytes = args.keep_bytes.clone().or(file.bytes);
    Ok(Retention {
        age: bounded("age", flag(args.keep).or(file.age), default.age)?,
        bytes: bytes.map(|text| values::bytes(&text)).transpose()?.unwrap_or(default.bytes),
        longest: bounded("longest", file.longest, default.longest)?,
    })
}

fn times(args: &RelayArgs, file: FileTimes) -> Result<Times, String> {
    let default = Times::default();
    let idle = flag(args.exit_when_idle).or(file.exit_when_idle);
    Ok(Times {
        grace: bounded("grace", flag(args.grace).or(file.grace), default.grace)?,
        drain: bounded("drain", flag(args.drain).or(file.drain), default.drain)?,
        long_poll: bounded("long_poll", file.long_poll, default.long_poll)?,
        sse: bounded("sse", file.sse, default.sse)?,
        heartbeat: bounded("heartbeat", file.heartbeat, default.heartbeat)?,
        health: bounded("health", file.health, default.health)?.max(Duration::from_millis(100)),
        idle_exit: idle.map(|text| time("exit_when_idle", &text)).transpose()?.flatten(),
    })
}

fn clocks(file: FileClocks) -> Result<Clocks, String> {
    let default = Clocks::default();
    let clock = |key, text: Option<String>, default| match text {
        None => Ok(default),
        Some(text) => time(key, &text),
    };
    Ok(Clocks {
        connect: clock("connect", file.connect, default.connect)?,
        first_event: clock("first_event", file.first_event, default.first_event)?,
        idle: clock("idle", file.idle, default.idle)?,
        total: clock("total", file.total, default.total)?,
    })
}

fn limits(file: FileLimits) -> Result<RelayLimits, String> {
    let default = RelayLimits::default();
    let bytes = |text: Option<String>, default: u64| text.map_or(Ok(default), |text| values::bytes(&text));
    let size = |text: Option<String>, default: usize| {
        bytes(text, default as u64).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    };
    Ok(RelayLimits {
        body_bytes: size(file.body, default.body_bytes)?,
        append_bytes: size(file.append, default.append_bytes)?,
        header_bytes: file.headers.unwrap_or(default.header_bytes),
        connections: file.connections.unwrap_or(default.connections),
        streams_per_connection: file.streams_per_connection.unwrap_or(default.streams_per_connection),
        running: file.running.unwrap_or(default.running),
        queued: file.queued.unwrap_or(default.queued),
        streams: file.streams.unwrap_or(default.streams),
        readers: file.readers.unwrap_or(default.readers),
        log_bytes: bytes(file.log, default.log_bytes)?,
        lag_bytes: bytes(file.lag, default.lag_bytes)?,
        ..default
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_guide_is_understood() {
        let guide = include_str!("../../../../docs/guide/relay.md");
        let example = guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let file = parse(example).unwrap();
        assert_eq!(file.upstream.len(), 2);
        assert!(limits(file.limits).is_ok() && clocks(file.clocks).is_ok());
    }

    #[test]
    fn a_mistake_is_named_by_its_line_and_shows_no_secret() {
        let error = parse("listen = []\n[[token]]\nowner = \"a\"\nsecret = 5 # hush\n").unwrap_err();
        assert!(error.starts_with("line 4: ") && !error.contains("hush"), "{error}");
        assert!(parse("lisen = []\n").unwrap_err().contains("lisen"));
        assert_eq!(parse("token = \"hush\"").unwrap_err(), "line 1: expected a sequence here");
        assert_eq!(parse("\nstore = \"memory\"").unwrap_err(), "line 2: expected a table [store] here");
        assert_eq!(parse("[[token]]\nowner = 5").unwrap_err(), "line 2: expected a string here");
    }
}
