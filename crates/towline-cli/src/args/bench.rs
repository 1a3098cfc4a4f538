//! `towline bench`.

use std::num::NonZeroUsize;

use clap::Args;

use super::run::OptionArg;
use super::shared::{ApiChoice, ServerArgs, TimeoutArgs, count};

/// Measure the waiting times of a server's users
///
/// Measures the time to the first token, the gaps between tokens, tokens a second, outcomes, and the cost for this program.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline bench                                  the Ollama on this machine, or the built-in model
  towline bench -m llama3.2 --streams 8 --requests 64
  towline bench --host https://gateway.example -m gpt-x --api openai --json
", help_template = super::TEMPLATE)]
pub struct BenchArgs {
    /// The model [default: $TOWLINE_MODEL, else the only installed one]
    #[arg(short, long, value_name = "MODEL", help_heading = "Request")]
    pub model: Option<String>,
    /// The prompt of each request
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

    /// How many streams run at once
    #[arg(long, value_name = "N", default_value = "1", value_parser = count::<NonZeroUsize>, help_heading = "Load")]
    pub streams: NonZeroUsize,
    /// The total number of requests [default: 4 for each stream]
    #[arg(long, value_name = "R", value_parser = count::<NonZeroUsize>, help_heading = "Load")]
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
