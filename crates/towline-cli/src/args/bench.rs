//! `towline bench`.

use std::num::NonZeroUsize;

use clap::Args;

use super::run::OptionArg;
use super::shared::{ApiChoice, ServerArgs, TimeoutArgs};

/// Measure a server as its users feel it
///
/// Time to the first token, gaps between tokens, tokens a second, endings, and what it costs this program.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline bench                                  the built-in model, or the Ollama on this machine
  towline bench -m llama3.2 --streams 8 --requests 64
  towline bench --host https://gateway.example -m gpt-x --api openai --json
", help_template = super::TEMPLATE)]
pub struct BenchArgs {
    /// The model [default: $TOWLINE_MODEL, else the only one there is]
    #[arg(short, long, value_name = "MODEL", help_heading = "Request")]
    pub model: Option<String>,
    /// What is asked
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "Tell me about rivers, in a few sentences.",
        help_heading = "Request"
    )]
    pub prompt: String,
    /// An option by Ollama's name, for example num_predict=64
    #[arg(short, long = "option", value_name = "KEY=VALUE", help_heading = "Request")]
    pub options: Vec<OptionArg>,

    /// Streams at once
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Load")]
    pub streams: NonZeroUsize,
    /// Requests in all [default: 4 a stream]
    #[arg(long, value_name = "R", help_heading = "Load")]
    pub requests: Option<NonZeroUsize>,

    /// Print the results as one JSON object
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    #[command(flatten)]
    pub server: ServerArgs,
    /// Which dialect the server speaks
    #[arg(long, value_enum, default_value_t = ApiChoice::Auto, help_heading = "Server")]
    pub api: ApiChoice,

    #[command(flatten)]
    pub timeouts: TimeoutArgs,
}
