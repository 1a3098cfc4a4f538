//! `towline rm`: models, and jobs of the relay.

use towline::relay::Job;
use towline::{Api, DeleteRequest};

use super::kill::reported;
use super::{Context, UNARY_CLOCKS, answered, asked};
use crate::args::RemoveArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::Out;
use crate::relayed::{Reached, reach_running};
use crate::server::{Need, Server};

/// A shorter text is a model's name, whatever jobs there are.
const SHORTEST_ID: usize = 4;

/// Deletes models and jobs. One that fails does not keep the others.
pub async fn run(args: &RemoveArgs, mut context: Context) -> Result<Exit, Failure> {
    let relay = if args.model { None } else { reach_running(&args.relay, &context, UNARY_CLOCKS).await? };
    let mut server = None;
    let mut exit = Exit::Completed;
    for name in &args.names {
        if let Some(relay) = &relay
            && let Some(job) = job(name, relay, &mut context).await?
        {
            exit = exit.or(reported(remove_job(&job, relay, &mut context).await)?);
            continue;
        }
        let server = match &mut server {
            Some(server) => server,
            empty @ None => empty.insert(
                Server::find(&args.server, &context.environment, UNARY_CLOCKS, Api::Auto, Need::Keeper)
                    .await?,
            ),
        };
        exit = exit.or(reported(remove_model(name, server, &mut context).await)?);
    }
    Ok(exit)
}

/// The job that is meant, if one is: what looks like an id, and is one.
async fn job(name: &str, relay: &Reached, context: &mut Context) -> Result<Option<Job>, Failure> {
    let is_id =
        name.len() >= SHORTEST_ID && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !is_id {
        return Ok(None);
    }
    match asked(relay.control.find(name), context).await {
        Ok(job) => Ok(Some(job)),
        Err(failure @ Failure::Request(_, Exit::Usage)) => Err(failure),
        // A relay that does not know it, or is not there, keeps nobody from removing a model.
        Err(Failure::Request(..)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn remove_job(job: &Job, relay: &Reached, context: &mut Context) -> Result<Exit, Failure> {
    asked(relay.control.delete(&job.id), context).await?;
    Out::new().line(&format!("removed the job {}", job.id))?;
    Ok(Exit::Completed)
}

async fn remove_model(model: &str, server: &Server, context: &mut Context) -> Result<Exit, Failure> {
    let request = DeleteRequest { model: model.to_owned() };
    answered(server.client.delete(request), server, context, Some(model)).await?;
    Out::new().line(&format!("deleted {model}"))?;
    Ok(Exit::Completed)
}
