//! `towline serve` and the verbs without a server.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Serve the built-in model, and GGUF files of yours, behind the Ollama API
///
/// Ctrl-C stops it in good order.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline serve
  towline serve --listen 127.0.0.1:0 --rate 20     any free port; 20 tokens a second
  towline serve --gguf ~/models/qwen3-0.6b-q8_0.gguf
", help_template = super::TEMPLATE)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:11434")]
    pub listen: SocketAddr,
    /// The most tokens a second, for each answer
    #[arg(long, value_name = "TOKENS", value_parser = rate)]
    pub rate: Option<f32>,
    /// A model file to serve besides the built-in model; it runs in a process of its own
    #[arg(long, value_name = "FILE")]
    pub gguf: Vec<PathBuf>,
    /// Stop when standard input ends: for a program that starts this one and must not leave it behind
    #[arg(long)]
    pub until_input_ends: bool,
}

fn rate(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        Ok(_) | Err(_) => Err("a number of tokens a second, above 0".to_owned()),
    }
}

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

/// What a server tells the process that runs a model for it.
#[derive(Debug, Args)]
pub struct RunnerArgs {
    pub errand: String,
}
