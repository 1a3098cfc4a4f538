//! `towline` without a verb.

use std::path::PathBuf;

use clap::Args;

use super::shared::ServerArgs;

/// What the prompt is told.
#[derive(Debug, Args)]
#[command(next_help_heading = "Prompt")]
pub struct PromptArgs {
    /// The model [default: $TOWLINE_MODEL, the configuration's, else the only one there is]
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Go on with this session, or begin it
    #[arg(short, long, value_name = "NAME")]
    pub session: Option<String>,
    /// The configuration file [default: $TOWLINE_CONFIG, else ~/.config/towline/config.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Run answers on a relay: disown leaves them there, and they survive a crash [default: your own, which is started]
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, conflicts_with = "host")]
    pub relay: Option<Option<String>>,
    #[command(flatten)]
    pub server: ServerArgs,
}
