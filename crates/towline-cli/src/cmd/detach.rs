//! `towline run -d`: an answer that runs on the relay.

use towline::relay::RelayConfig;
use towline::{Ending, RetryPolicy};

use super::{Context, UNARY_CLOCKS, unless_stopped};
use crate::args::{ApiChoice, RunArgs};
use crate::exit::Exit;
use crate::failure::{Complaint, Failure};
use crate::hint;
use crate::models::{self, Choice};
use crate::out::Out;
use crate::prompt::Asked;
use crate::relayed::{Place as RelayPlace, reach_at};
use crate::server::{Named, Need, Place, Server};

/// What stands before the address of a server of OpenAI's dialect.
const OPENAI: &str = "openai+";

/// Hands the request over and prints the job's id.
pub async fn run(args: &RunArgs, asked: Asked, mut context: Context) -> Result<Exit, Failure> {
    let place = RelayPlace::find(&args.relay, &context.environment)?;
    let server = named_server(args, &place, &context).await?;
    let config = RelayConfig {
        name: args.name.clone(),
        asked_by: Some("command".to_owned()),
        server,
        ..RelayConfig::default()
    };
    let reached = reach_at(place, &mut context, args.clocks.clocks(), config).await?;
    // Which models there are, it knows as a server does.
    let server = Server { client: reached.client.clone(), place: Place::Named(Named::Relay) };
    let choosing = models::choose(args.model.as_deref(), asked.words(), &context.environment, &server);
    let chosen = match unless_stopped(choosing, &mut context.stopper.clone()).await? {
        Ok(Choice::Model(chosen)) => chosen,
        Ok(Choice::Unclear(complaint)) => return Err(Failure::Usage(complaint)),
        Err(error) => return Err(failed(&error)),
    };
    let detaching = async { Ok(reached.client.chat(asked.request(&chosen)).detach().await) };
    match unless_stopped(detaching, &mut context.stopper.clone()).await? {
        Ok(Ok(id)) => {
            Out::new().line(&id)?;
            Ok(Exit::Completed)
        }
        Ok(Err(outcome)) => Err(match &outcome.ending {
            Ending::Completed(_) => unreachable!("a stream that completes was accepted"),
            ending @ (Ending::Truncated(_)
            | Ending::Cancelled { .. }
            | Ending::TimedOut { .. }
            | Ending::Failed(_)) => match ending.error() {
                Some(error) => failed(&error),
                None => unreachable!("only a stream that completed has no error"),
            },
        }),
        Err(error) => Err(failed(&error)),
    }
}

/// The model server that the relay is to ask, where one is named. Only the own relay asks an address, which is named to it as
/// what it is; another relay knows its servers by name.
async fn named_server(
    args: &RunArgs,
    relay: &RelayPlace,
    context: &Context,
) -> Result<Option<String>, Failure> {
    let Some(host) = args.server.host.as_deref().or_else(|| relay.server(&context.environment)) else {
        return Ok(None);
    };
    let is_settled = relay.own.is_none() || host.starts_with(OPENAI);
    let is_openai = match args.api {
        _ if is_settled => false,
        ApiChoice::OpenAi => true,
        ApiChoice::Ollama => false,
        // Who cannot be asked now may answer the relay later.
        ApiChoice::Auto => {
            let (clocks, api) = (UNARY_CLOCKS, args.api.into());
            let server = Server::find(&args.server, &context.environment, clocks, api, Need::Any).await?;
            let client = server.client.with_request_config(|config| config.retry = RetryPolicy::NEVER);
            let version = unless_stopped(client.version(), &mut context.stopper.clone()).await?;
            version.is_err_and(|error| error.is_missing_endpoint())
        }
    };
    Ok(Some(if is_openai { format!("{OPENAI}{host}") } else { host.to_owned() }))
}

fn failed(error: &towline::Error) -> Failure {
    let complaint = Complaint::new(error.message.clone());
    let complaint = match hint::for_relay(error) {
        Some(hint) => complaint.hint(hint),
        None => complaint,
    };
    Failure::Request(complaint, Exit::from(error))
}
