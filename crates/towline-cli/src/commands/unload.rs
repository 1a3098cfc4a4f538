//! `towline unload`.

use serde_json::{Value, json};
use towline::client::Api;

use super::control::reported;
use super::{Context, answered};
use crate::args::UnloadArgs;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::output::Out;
use crate::server::UNARY_TIMEOUTS;
use crate::server::{Need, Server};

/// Unloads models. A failure does not affect the others.
pub async fn run(args: &UnloadArgs, mut context: Context) -> Result<Exit, Failure> {
    let environment = &context.environment;
    let server = Server::find(&args.server, environment, UNARY_TIMEOUTS, Api::Ollama, Need::Keeper).await?;
    let mut exit = Exit::Completed;
    for model in &args.models {
        exit = exit.or(reported(unload(model, &server, &mut context).await)?);
    }
    Ok(exit)
}

async fn unload(model: &str, server: &Server, context: &mut Context) -> Result<Exit, Failure> {
    // A request without a prompt loads the model or, with a keep-alive of zero, unloads it.
    let request = json!({ "model": model, "keep_alive": 0, "stream": false });
    let asking = server.client.post_json("/api/generate", &request);
    let _done: Value = answered(asking, server, context, Some(model)).await?;
    Out::new().line(&format!("unloaded {model}"))?;
    Ok(Exit::Completed)
}
