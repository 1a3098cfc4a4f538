//! The verbs that need no server.

use clap::Args;
use clap_complete::Shell;

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline completions bash > ~/.local/share/bash-completion/completions/towline
  towline completions zsh > ~/.zfunc/_towline          with fpath+=~/.zfunc in .zshrc
  towline completions fish > ~/.config/fish/completions/towline.fish
", help_template = super::TEMPLATE)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Open the window: a desktop chat over many streams
///
/// It is a program of its own, towline-gui, that is looked for beside this one and then on the path.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline gui
  towline gui --host 192.168.1.20:11434
", help_template = super::TEMPLATE)]
pub struct GuiArgs {
    /// The server; else OLLAMA_HOST, else Ollama on this machine, else the built-in model
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
}
