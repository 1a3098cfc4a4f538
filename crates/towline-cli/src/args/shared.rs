//! Arguments that several verbs share.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use towline::api::KeepAlive;
use towline::client::{Api, Timeouts};

use crate::input::Encoding;
use towline_app::servers::ServerSpec;
use towline_app::text::duration::{self, BadDuration, TimeLimit};

/// Which server.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// A server by its name under [servers] in the configuration
    #[arg(id = "named", long = "server", value_name = "NAME", conflicts_with = "host")]
    pub server: Option<String>,
    /// The address of the server, as in OLLAMA_HOST; also unix:/run/x.sock
    #[arg(long, value_name = "URL")]
    pub host: Option<String>,
}

impl From<&ServerArgs> for ServerSpec {
    fn from(args: &ServerArgs) -> Self {
        Self { host: args.host.clone(), server: args.server.clone() }
    }
}

/// The dialect for chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ApiChoice {
    // Ollama's, or OpenAI's if the server does not have Ollama's. (A doc comment would make the help long.)
    Auto,
    Ollama,
    #[value(name = "openai")]
    OpenAi,
}

impl From<ApiChoice> for Api {
    fn from(choice: ApiChoice) -> Self {
        match choice {
            ApiChoice::Auto => Self::Auto,
            ApiChoice::Ollama => Self::Ollama,
            ApiChoice::OpenAi => Self::OpenAi,
        }
    }
}

/// Parses a count; its type has no zero.
pub(super) fn count<N: FromStr<Err = ParseIntError>>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error: ParseIntError| {
        let is_too_many = *error.kind() == IntErrorKind::PosOverflow;
        if is_too_many { "write a smaller number" } else { "write a whole number, 1 or more" }.to_owned()
    })
}

/// How standard input is read, and how long the model stays in memory.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Request")]
pub struct InputArgs {
    /// The encoding of standard input [default: by its byte order mark, else utf-8]
    #[arg(long, value_enum, value_name = "ENCODING")]
    pub encoding: Option<Encoding>,
    /// How long the server keeps the model in memory afterwards: 5m, 0, forever [default: the server's]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub keep_alive: Option<KeepAliveArg>,
}

/// `5m`, `0`, `forever`; as for Ollama, a negative value is forever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepAliveArg(pub KeepAlive);

impl FromStr for KeepAliveArg {
    type Err = BadDuration;

    fn from_str(text: &str) -> Result<Self, BadDuration> {
        let negative = text.strip_prefix('-').map(duration::length).transpose()?;
        Ok(Self(match text {
            "forever" | "none" => KeepAlive::Forever,
            _ if negative.is_some() => KeepAlive::Forever,
            text => KeepAlive::For(duration::length(text)?),
        }))
    }
}

/// Time limits.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Time limits (30s, 1m30s, 500ms, none)")]
pub struct TimeoutArgs {
    /// Limit the whole answer [default: none]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<TimeLimit>,
    /// Limit the time to connect [default: 10s]
    #[arg(long, value_name = "TIME")]
    pub connect_timeout: Option<TimeLimit>,
    /// Limit the time to the first token, including the time to load the model [default: 20m]
    #[arg(long, value_name = "TIME")]
    pub first_timeout: Option<TimeLimit>,
    /// Limit the time between any bytes of the answer [default: 5m]
    #[arg(long, value_name = "TIME")]
    pub idle_timeout: Option<TimeLimit>,
    /// Limit the time between whole records of the answer [default: 20m]
    #[arg(long, value_name = "TIME")]
    pub record_timeout: Option<TimeLimit>,
}

impl TimeoutArgs {
    /// These limits, and the library's default for each that is not given.
    pub fn timeouts(&self) -> Timeouts {
        let or = |given: Option<TimeLimit>, default| given.map_or(default, |TimeLimit(limit)| limit);
        let defaults = Timeouts::default();
        Timeouts {
            connect: or(self.connect_timeout, defaults.connect),
            first_event: or(self.first_timeout, defaults.first_event),
            idle: or(self.idle_timeout, defaults.idle),
            record: or(self.record_timeout, defaults.record),
            total: or(self.timeout, defaults.total),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_model_stays_as_long_as_ollama_would_keep_it() {
        for (text, keep_alive) in [
            ("5m", KeepAlive::For(Duration::from_secs(300))),
            ("30", KeepAlive::For(Duration::from_secs(30))),
            ("0", KeepAlive::For(Duration::ZERO)),
            ("-1", KeepAlive::Forever),
            ("-1m", KeepAlive::Forever),
            ("forever", KeepAlive::Forever),
        ] {
            assert_eq!(text.parse(), Ok(KeepAliveArg(keep_alive)), "{text}");
        }
        assert!("soon".parse::<KeepAliveArg>().is_err() && "-".parse::<KeepAliveArg>().is_err());
    }
}
