//! The model server that the own relay is told to ask.

use towline::RetryPolicy;

use super::Place;
use crate::args::{ApiChoice, ServerArgs};
use crate::cmd::{Context, UNARY_TIMEOUTS, unless_stopped};
use crate::failure::Failure;
use crate::server::{Need, Server};

/// What stands before the address of a server of OpenAI's dialect.
const OPENAI: &str = "openai+";

/// The model server that a relay is to ask, where one is named. Only the own relay asks an address, which is named to it as
/// what it is; another relay knows its servers by name.
pub async fn named_server(
    args: &ServerArgs,
    api: ApiChoice,
    relay: &Place,
    context: &mut Context,
) -> Result<Option<String>, Failure> {
    let Some(host) = args.host.as_deref().or_else(|| relay.server(&context.environment)) else {
        return Ok(None);
    };
    let is_settled = relay.own.is_none() || host.starts_with(OPENAI);
    let is_openai = match api {
        _ if is_settled => false,
        ApiChoice::OpenAi => true,
        ApiChoice::Ollama => false,
        // Who cannot be asked now may answer the relay later.
        ApiChoice::Auto => {
            let (timeouts, api) = (UNARY_TIMEOUTS, api.into());
            let server = Server::find(args, &context.environment, timeouts, api, Need::Any).await?;
            let client = server.client.with_request_config(|config| config.retry = RetryPolicy::NEVER);
            let version = unless_stopped(client.version(), &mut context.stopper.clone()).await?;
            // Something on the way may let only a part of Ollama's API through.
            version.is_err_and(|error| error.is_missing_endpoint()) && {
                let models = client.get_json::<serde_json::Value>("/v1/models");
                let models = unless_stopped(models, &mut context.stopper.clone()).await?;
                !models.is_err_and(|error| error.is_missing_endpoint())
            }
        }
    };
    Ok(Some(if is_openai { format!("{OPENAI}{host}") } else { host.to_owned() }))
}
