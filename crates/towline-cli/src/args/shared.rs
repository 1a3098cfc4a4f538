//! Arguments that several verbs share.

use clap::{Args, ValueEnum};
use towline::{Api, Clocks};

use crate::duration::TimeLimit;

/// Which server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Where the server is, as in OLLAMA_HOST; also unix:/run/x.sock
    #[arg(long, value_name = "URL")]
    pub host: Option<String>,
}

/// Which dialect chat is spoken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ApiChoice {
    // Ollama's, and OpenAI's where the server does not know that. (A doc comment would make the help long.)
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

/// How long things may take.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Time limits (30s, 1m30s, 500ms, none)")]
pub struct ClockArgs {
    /// For the whole [default: none]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<TimeLimit>,
    /// To make the connection [default: 10s]
    #[arg(long, value_name = "TIME")]
    pub connect_timeout: Option<TimeLimit>,
    /// To the first token; a model may have to be loaded [default: 20m]
    #[arg(long, value_name = "TIME")]
    pub first_timeout: Option<TimeLimit>,
    /// Between two tokens [default: 5m]
    #[arg(long, value_name = "TIME")]
    pub idle_timeout: Option<TimeLimit>,
}

impl ClockArgs {
    /// These limits, and the library's where none is given.
    pub fn clocks(&self) -> Clocks {
        let or = |given: Option<TimeLimit>, default| given.map_or(default, |TimeLimit(limit)| limit);
        let defaults = Clocks::default();
        Clocks {
            connect: or(self.connect_timeout, defaults.connect),
            first_event: or(self.first_timeout, defaults.first_event),
            idle: or(self.idle_timeout, defaults.idle),
            total: or(self.timeout, defaults.total),
        }
    }
}
