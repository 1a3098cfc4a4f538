//! `towline serve`.

use std::net::SocketAddr;

use clap::Args;

/// Serve the built-in toy model behind the Ollama API
///
/// Use it to try Towline without another server. To serve your own models, use Ollama or llama.cpp; Towline works with both
/// (--host). Ctrl-C shuts the server down.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  towline serve
  towline serve --listen 127.0.0.1:0 --rate 20     any free port; 20 tokens a second
", help_template = super::TEMPLATE)]
pub struct ServeArgs {
    /// Where to listen; port 0 means any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:11434", value_parser = address)]
    pub listen: SocketAddr,
    /// The maximum number of tokens a second, for each answer
    #[arg(long, value_name = "TOKENS", value_parser = rate)]
    pub rate: Option<f32>,
    /// Exit when standard input ends: for a program that starts this server and must not leave it running
    #[arg(long)]
    pub until_input_ends: bool,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, for example 127.0.0.1:11434".to_owned())
}

fn rate(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        Ok(_) | Err(_) => Err("write a number of tokens a second above 0, for example 20".to_owned()),
    }
}
