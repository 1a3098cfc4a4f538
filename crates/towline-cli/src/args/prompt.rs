//! `towline` without a verb.

use std::path::PathBuf;

use clap::Args;

use super::shared::ServerArgs;

/// The arguments of the prompt.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Prompt")]
pub struct PromptArgs {
    /// The model [default: $TOWLINE_MODEL, else the configuration's, else the only installed one]
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Continue the conversation with this name, or start it
    #[arg(short = 'S', long, value_name = "NAME")]
    pub session: Option<String>,
    /// The configuration file [default: $TOWLINE_CONFIG, else ~/.config/towline/config.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Run answers on this relay, so that they survive the prompt [default: the configuration's, else $TOWLINE_RELAY, else your own,
    /// which is started]
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true)]
    pub relay: Option<Option<String>>,
    /// Run answers in this process; they end when it exits
    #[arg(long, conflicts_with = "relay")]
    pub direct: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}
