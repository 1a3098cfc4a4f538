//! The verbs that need no server.

use clap::Args;
use clap_complete::Shell;

use super::AtRelay;

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  source <(TOWLINE_COMPLETE=bash towline)     also completes models and answers; also for zsh
  towline completions bash > ~/.local/share/bash-completion/completions/towline
  towline completions zsh > ~/.zfunc/_towline          with fpath+=~/.zfunc in .zshrc
  towline completions fish > ~/.config/fish/completions/towline.fish
", help_template = super::TEMPLATE)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Write the manual pages, one for each command
#[cfg(feature = "man")]
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct ManArgs {
    /// The folder, which must exist
    #[arg(value_name = "FOLDER")]
    pub folder: std::path::PathBuf,
}

/// Open the window: a desktop chat over many streams
///
/// The window is the program towline-gui, which must be beside this one or on PATH.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline gui
  towline gui --host 192.168.1.20:11434
", help_template = super::TEMPLATE)]
pub struct GuiArgs {
    /// The server [default: OLLAMA_HOST, else Ollama on this machine, else the built-in model]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
}

/// Open the page: ask, read and control answers in a browser
///
/// The relay serves the page. Your own relay opens a port on this machine for it, and the link works once.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline page                                  open the page in the browser
  towline page --print                          print the link; it works once, for 10 minutes
", help_template = super::TEMPLATE)]
pub struct PageArgs {
    /// Print the link instead of opening it
    #[arg(long)]
    pub print: bool,
    #[command(flatten)]
    pub relay: AtRelay,
}
