//! `towline run -d`: an answer that runs on the relay.

use towline::Ending;
use towline::relay::RelayConfig;
use towline_app::history::{InHistory, for_answer};
use towline_app::servers::ServerSource;

use super::{Context, relay_failure};
use crate::args::RunArgs;
use crate::commands::memory::Memory;
use crate::commands::question::QuestionRequest;
use crate::commands::relayed::reach_server;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::exit::failure::unless_stopped;
use crate::output::Out;
use crate::server::models::{self, Choice};
use crate::server::{Server, ServerKind};

/// Submits the request and prints the job's id.
pub async fn run(args: &RunArgs, asked: QuestionRequest, mut context: Context) -> Result<Exit, Failure> {
    let config = RelayConfig {
        name: args.name.clone(),
        asked_by: Some("command".to_owned()),
        ..RelayConfig::default()
    };
    let asking = (&args.relay, &args.server, args.api.into());
    let reached = reach_server(asking, &mut context, args.timeouts.timeouts(), config).await?;
    // The relay lists models like a server.
    let server = Server { client: reached.client.clone(), kind: ServerKind::Found(ServerSource::Relay) };
    let memory = Memory::of(args, &context.config)?;
    let mut memory = if reached.place.own.is_some() { memory } else { memory.without_history() };
    let named = args.model.as_deref().or_else(|| asked.model()).or_else(|| memory.model()).map(str::to_owned);
    let choosing = models::choose(named.as_deref(), asked.words(), &context.environment, &server);
    let chosen = match unless_stopped(choosing, &mut context.stopper.clone()).await? {
        Ok(Choice::Model(chosen)) => chosen,
        Ok(Choice::Unclear(complaint)) => return Err(Failure::Usage(complaint)),
        Err(error) => return Err(relay_failure(&error)),
    };
    let request = asked.request(&chosen);
    let request = memory.ask(&request.model.clone(), request);
    // The question is recorded before it is sent, so that the relay's process finds it however soon the
    // answer ends.
    let place = memory.detach();
    let client = match place {
        Some((chat, answer)) => for_answer(&reached.client, Some(InHistory::Chat(chat)), answer),
        None => reached.client.clone(),
    };
    let detaching = async { Ok(client.chat(request).detach().await) };
    let detached = unless_stopped(detaching, &mut context.stopper.clone()).await;
    if let (Some(place), Ok(Ok(Err(_)))) = (place, &detached) {
        memory.withdraw(place);
    }
    match detached? {
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
                Some(error) => relay_failure(&error),
                None => unreachable!("only a stream that completed has no error"),
            },
        }),
        Err(error) => Err(relay_failure(&error)),
    }
}
