//! `towline rm`.

use towline::{Api, DeleteRequest};

use super::{Context, UNARY_CLOCKS, answered};
use crate::args::RemoveArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::Out;
use crate::server::{Need, Server};

/// Deletes models. One that fails does not keep the others.
pub async fn run(args: &RemoveArgs, mut context: Context) -> Result<Exit, Failure> {
    let server =
        Server::find(&args.server, &context.environment, UNARY_CLOCKS, Api::Auto, Need::Keeper).await?;
    let mut out = Out::new();
    let mut exit = Exit::Completed;
    for model in &args.models {
        let request = DeleteRequest { model: model.clone() };
        match answered(server.client.delete(request), &server, &mut context, Some(model)).await {
            Ok(()) => out.line(&format!("deleted {model}"))?,
            Err(failure @ Failure::Request(..)) => exit = exit.or(failure.report()),
            Err(failure) => return Err(failure),
        }
    }
    Ok(exit)
}
