//! `towline relay`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::AtRelay;
use towline_app::text::duration::TimeLimit;

/// The commands for your own relay and for stores.
#[derive(Debug, Subcommand)]
pub enum RelayVerb {
    /// Show the state of a relay, by default your own
    Status(StatusArgs),
    /// Stop your own relay; running answers may finish within its drain time
    Stop,
    /// Stop your own relay and start it again
    Restart,
    /// Pair a phone: show a QR code and a link that works once
    Pair(PairArgs),
    /// Create tokens for a shared relay; list and revoke paired devices
    #[command(subcommand)]
    Token(TokenVerb),
    /// Check a store that no relay uses, and report damage
    Check(CheckArgs),
    /// Copy the store of a relay on this machine while it runs
    Backup(BackupArgs),
}

/// The arguments of `towline relay pair`.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline relay pair                        a QR code for a phone in the same network
  towline relay pair tablet --png code.png  write the code as a picture too
  towline relay token list                  list the paired devices
  towline relay token revoke phone          revoke the device
", help_template = super::TEMPLATE)]
pub struct PairArgs {
    /// The name of the device
    #[arg(value_name = "NAME", default_value = "phone")]
    pub name: String,
    /// The name or address that the phone uses for this machine [default: its address in the network]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The address for phones, if the relay has no TLS address [default: 0.0.0.0:11437]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<std::net::SocketAddr>,
    /// On a relay with tokens: the owner whose answers the phone sees [default: you]
    #[arg(long, value_name = "OWNER")]
    pub owner: Option<String>,
    /// Write the code as a PNG picture
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// The commands for tokens and paired devices.
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Create a token: print its configuration, and its secret on standard error
    New(TokenNewArgs),
    /// List paired devices and their last visits
    List(TokenListArgs),
    /// Revoke devices; their connections are cut at once
    Revoke(RevokeArgs),
}

/// The arguments of `towline relay token new`.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline relay token new ann >> /etc/towline/relay.toml     then send SIGHUP to the relay
  towline relay token new grafana --role metrics --expires 2027-12-31
", help_template = super::TEMPLATE)]
pub struct TokenNewArgs {
    /// The owner of the token; an owner sees only the owner's answers
    #[arg(value_name = "OWNER")]
    pub owner: String,
    /// The roles of the token; can be repeated [default: read, ask, models, metrics]
    #[arg(long = "role", value_name = "ROLE", value_parser = ["read", "ask", "models", "metrics", "admin"])]
    pub roles: Vec<String>,
    /// When the token expires: a date (UTC) or a time such as 2027-01-31T12:00:00Z [default: never]
    #[arg(long, value_name = "DATE")]
    pub expires: Option<String>,
}

/// The arguments of `towline relay token list`.
#[derive(Debug, Args)]
pub struct TokenListArgs {
    #[command(flatten)]
    pub relay: AtRelay,
}

/// The arguments of `towline relay token revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The devices, by name
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// The arguments of `towline relay check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The folder of the store [default: your own relay's]
    #[arg(long, value_name = "FOLDER")]
    pub store: Option<PathBuf>,
    /// Remove the damaged parts, so that a relay can use the rest
    #[arg(long)]
    pub repair: bool,
}

/// The help of `--relay` where no relay is started.
const RUNNING: &str =
    "The address of the relay, which must be running [default: $TOWLINE_RELAY, else your own]";

/// The arguments of `towline relay backup`.
#[derive(Debug, Args)]
#[command(mut_arg("relay", |arg| arg.help(RUNNING)), before_help = "Examples:
  towline relay backup ~/backups/relay-2026-11-29
  towline relay --store ~/backups/relay-2026-11-29    run a relay on the copy
", help_template = super::TEMPLATE)]
pub struct BackupArgs {
    /// The folder of the copy; it must not exist yet
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// The arguments of `towline relay status`.
#[derive(Debug, Args)]
#[command(mut_arg("relay", |arg| arg.help(RUNNING)))]
pub struct StatusArgs {
    /// Print the relay's own JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub relay: AtRelay,
}

/// Run a relay in front of model servers: it records every answer, so answers survive their readers
///
/// Every Ollama client works with it: set OLLAMA_HOST to its address. Without --upstream it uses the Ollama on this machine,
/// else the toy model. A closed laptop, a killed terminal or a lost
/// connection loses nothing: a reader that reconnects resumes. Ctrl-C stops the relay when running answers have ended; a
/// second one stops it at once.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline relay                                        for the Ollama on this machine
  towline relay --listen own --listen 127.0.0.1:11435  also on TCP: OLLAMA_HOST=127.0.0.1:11435
  towline relay --upstream gpu1=http://10.0.0.5:11434 --upstream gpu2=http://10.0.0.6:11434
  towline relay --upstream openai+https://llm.example  a server with OpenAI's API
  towline relay --config /etc/towline/relay.toml
  towline relay status                                 your own relay, which towline run -d starts
", help_template = super::TEMPLATE, args_conflicts_with_subcommands = true)]
pub struct RelayArgs {
    /// A command for an existing relay; without one, run a relay.
    #[command(subcommand)]
    pub verb: Option<RelayVerb>,
    /// The configuration file; flags take precedence over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen: ADDRESS:PORT, unix:/path, or own, the socket that towline jobs uses; can be repeated [default: own]
    #[arg(long, value_name = "WHERE")]
    pub listen: Vec<String>,
    /// A model server: URL or NAME=URL, with openai+ before the URL for OpenAI's API; can be repeated
    #[arg(long, value_name = "URL")]
    pub upstream: Vec<String>,
    /// Send the key in OLLAMA_API_KEY to the servers of --upstream
    #[arg(long, requires = "upstream")]
    pub send_api_key: bool,
    /// The store: a folder, memory, or redis://host:6379[,host:6379] that several relays share [default: relay in the state folder of towline]
    #[arg(long, value_name = "STORE")]
    pub store: Option<String>,
    /// How often to sync the store to disk: always, never, or a time [default: 1s]
    #[arg(long, value_name = "WHEN")]
    pub fsync: Option<String>,
    /// Delete an answer this long after it finished [default: 24h]
    #[arg(long, value_name = "TIME")]
    pub keep: Option<TimeLimit>,
    /// The maximum size of all answers together, such as 512M or 2G; the oldest are evicted [default: 1G]
    #[arg(long, value_name = "BYTES")]
    pub keep_bytes: Option<String>,
    /// How long an answer continues after its only client disconnected [default: 0s]
    #[arg(long, value_name = "TIME")]
    pub grace: Option<TimeLimit>,
    /// How long running answers may take to finish on shutdown [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub drain: Option<TimeLimit>,
    /// Exit after this long without running answers and clients
    #[arg(long, value_name = "TIME")]
    pub exit_when_idle: Option<TimeLimit>,
    /// How much to log on standard error
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<LogLevel>,
    /// The format of the log
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How much a relay logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Failures.
    Error,
    /// Also warnings.
    Warn,
    /// Also the end of each answer, and who asked for, cancelled or deleted it.
    Info,
    /// Also every other request.
    Debug,
}

/// The format of a relay's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}
