//! `towline rm`: models.

use towline::api::DeleteRequest;
use towline::client::Api;
use towline::relay::Job;

use super::control::reported;
use super::{Context, answered};
use crate::args::{AtRelay, RemoveArgs};
use crate::commands::relayed::reach_running;
use crate::exit::Exit;
use crate::exit::failure::unless_stopped;
use crate::exit::failure::{Complaint, Failure};
use crate::output::Out;
use crate::server::UNARY_TIMEOUTS;
use crate::server::{Need, Server};
use towline_app::servers::Reached;

/// Deletes models. A failure does not affect the others.
pub async fn run(args: &RemoveArgs, mut context: Context) -> Result<Exit, Failure> {
    let relay = reach_running(&AtRelay::default(), &context, UNARY_TIMEOUTS).await?;
    let mut server = None;
    let mut exit = Exit::Completed;
    for name in &args.names {
        if let Some(relay) = &relay
            && is_answer(name, relay, &mut context).await?
        {
            let refused = Complaint::new(format!("{name} is an answer on the relay, and rm deletes models"));
            let hint = format!("towline forget {name} deletes it; a model of that name is {name}:latest");
            exit = exit.or(reported(Err(Failure::Request(refused.hint(hint), Exit::Usage)))?);
            continue;
        }
        let server = match &mut server {
            Some(server) => server,
            empty @ None => empty.insert(
                Server::find(&args.server, &context.environment, UNARY_TIMEOUTS, Api::Auto, Need::Keeper)
                    .await?,
            ),
        };
        exit = exit.or(reported(remove_model(name, server, &mut context).await)?);
    }
    Ok(exit)
}

/// Whether it is exactly the name or the id of an answer. An unreachable relay does not prevent the removal
/// of a model.
async fn is_answer(name: &str, relay: &Reached, context: &mut Context) -> Result<bool, Failure> {
    let found = unless_stopped(relay.control.find(name), &mut context.stopper).await?;
    Ok(found.is_ok_and(|Job { id, name: known, .. }| id == name || known.as_deref() == Some(name)))
}

async fn remove_model(model: &str, server: &Server, context: &mut Context) -> Result<Exit, Failure> {
    let request = DeleteRequest { model: model.to_owned() };
    answered(server.client.delete(request), server, context, Some(model)).await?;
    Out::new().line(&format!("deleted {model}"))?;
    Ok(Exit::Completed)
}
