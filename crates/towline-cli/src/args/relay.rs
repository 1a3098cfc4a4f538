//! `towline relay`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::AtRelay;
use towline_app::text::duration::TimeLimit;

/// What is done with your own relay, or with a store.
#[derive(Debug, Subcommand)]
pub enum RelayVerb {
    /// Say what your own relay is and does; nothing is started
    Status(StatusArgs),
    /// End your own relay; answers that run may end within its drain time
    Stop,
    /// End your own relay and start it again
    Restart,
    /// Let a phone's browser in: a code for its camera, and a link that works once
    Pair(PairArgs),
    /// Make tokens of a shared relay; list and revoke paired devices
    #[command(subcommand)]
    Token(TokenVerb),
    /// Read all of a store that no relay uses, and say what is damaged
    Check(CheckArgs),
}

/// What `towline relay pair` is given.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline relay pair                        a code, for a phone in the same network
  towline relay pair tablet --png code.png  the code as a picture, too
  towline relay token list                  what was paired
  towline relay token revoke phone          lets it in no more
", help_template = super::TEMPLATE)]
pub struct PairArgs {
    /// What the device is called
    #[arg(value_name = "NAME", default_value = "phone")]
    pub name: String,
    /// The name or address under which the phone reaches this machine [default: its address in the network]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Where your relay listens for phones, where it has no address with TLS [default: 0.0.0.0:11437]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<std::net::SocketAddr>,
    /// Whose answers the phone sees, of a relay with tokens [default: yours]
    #[arg(long, value_name = "OWNER")]
    pub owner: Option<String>,
    /// Write the code as a picture
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// What is done with paired devices.
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Make a token: print its part of the configuration, and the secret on standard error
    New(TokenNewArgs),
    /// List the devices, and when they came last
    List(TokenListArgs),
    /// Let devices in no more; what they read is cut at once
    Revoke(RevokeArgs),
}

/// What `towline relay token new` is given.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline relay token new ann >> /etc/towline/relay.toml     then SIGHUP, or systemctl reload towline-relay
  towline relay token new grafana --role metrics --expires 2027-12-31
", help_template = super::TEMPLATE)]
pub struct TokenNewArgs {
    /// Who comes with it; each owner sees own answers only
    #[arg(value_name = "OWNER")]
    pub owner: String,
    /// What it may do; can be repeated [default: read, ask, models, metrics]
    #[arg(long = "role", value_name = "ROLE", value_parser = ["read", "ask", "models", "metrics", "admin"])]
    pub roles: Vec<String>,
    /// When it expires: a date (UTC) or a time as 2027-01-31T12:00:00Z [default: never]
    #[arg(long, value_name = "DATE")]
    pub expires: Option<String>,
}

/// What `towline relay token list` is given.
#[derive(Debug, Args)]
pub struct TokenListArgs {
    #[command(flatten)]
    pub relay: AtRelay,
}

/// What `towline relay token revoke` is given.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The devices, by name
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// What `towline relay check` is given.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The folder of the store [default: your own relay's]
    #[arg(long, value_name = "FOLDER")]
    pub store: Option<PathBuf>,
    /// Take out what is damaged, so that a relay can go on with the rest
    #[arg(long)]
    pub repair: bool,
}

/// What `towline relay status` is given.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print the relay's own JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Stand in front of model servers and record every answer, so that it survives its readers
///
/// Point OLLAMA_HOST at it and every Ollama client works as before. A closed laptop, a killed terminal or a lost
/// connection loses nothing: whoever comes back reads on. Ctrl-C ends it once running answers have ended; a second
/// one at once.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline relay                                        a Unix socket for this user; the Ollama here, else a toy model
  towline relay --listen own --listen 127.0.0.1:11435  also for clients that speak TCP: OLLAMA_HOST=127.0.0.1:11435
  towline relay --upstream gpu1=http://10.0.0.5:11434 --upstream gpu2=http://10.0.0.6:11434
  towline relay --upstream openai+https://llm.example  a server of OpenAI's dialect
  towline relay --config /etc/towline/relay.toml
  towline relay status                                 your own relay, which towline run -d starts
", help_template = super::TEMPLATE, args_conflicts_with_subcommands = true)]
pub struct RelayArgs {
    /// What to do with a relay that is there; without it, relay.
    #[command(subcommand)]
    pub verb: Option<RelayVerb>,
    /// A file with any of this and more; flags take precedence
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen: ADDRESS:PORT, unix:/path, or own, which is where towline jobs looks; can be repeated [default: own]
    #[arg(long, value_name = "WHERE")]
    pub listen: Vec<String>,
    /// A model server: URL or NAME=URL, with openai+ before the URL for OpenAI's dialect; can be repeated
    #[arg(long, value_name = "URL")]
    pub upstream: Vec<String>,
    /// Send the key in OLLAMA_API_KEY to the servers of --upstream
    #[arg(long, requires = "upstream")]
    pub send_api_key: bool,
    /// The folder of the log, or memory [default: relay in the state folder of towline]
    #[arg(long, value_name = "FOLDER")]
    pub store: Option<String>,
    /// When what is written is made to survive a power cut: always, never, or a time [default: 1s]
    #[arg(long, value_name = "WHEN")]
    pub fsync: Option<String>,
    /// Remove an answer this long after its end [default: 24h]
    #[arg(long, value_name = "TIME")]
    pub keep: Option<TimeLimit>,
    /// The most bytes of all answers together, as 512M or 2G [default: 1G]
    #[arg(long, value_name = "BYTES")]
    pub keep_bytes: Option<String>,
    /// How long an answer goes on when its only client has left [default: 0s]
    #[arg(long, value_name = "TIME")]
    pub grace: Option<TimeLimit>,
    /// How long running answers may go on at the end [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub drain: Option<TimeLimit>,
    /// End when nothing ran and nobody was connected for so long
    #[arg(long, value_name = "TIME")]
    pub exit_when_idle: Option<TimeLimit>,
    /// How much to tell on standard error
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<LogLevel>,
    /// How to write it
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How much a relay tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What may need somebody.
    Warn,
    /// Each answer's end.
    Info,
    /// Each request.
    Debug,
}

/// How a relay tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}
