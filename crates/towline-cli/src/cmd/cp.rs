//! `towline cp`.

use towline::api::CopyRequest;
use towline::client::Api;

use super::{Context, UNARY_TIMEOUTS, answered};
use crate::args::CopyArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::Out;
use crate::server::{Need, Server};

/// Copies a model to another name.
pub async fn run(args: &CopyArgs, mut context: Context) -> Result<Exit, Failure> {
    let server =
        Server::find(&args.server, &context.environment, UNARY_TIMEOUTS, Api::Auto, Need::Keeper).await?;
    let request = CopyRequest { source: args.source.clone(), destination: args.destination.clone() };
    answered(server.client.copy(request), &server, &mut context, Some(&args.source)).await?;
    Out::new().line(&format!("copied {} to {}", args.source, args.destination))?;
    Ok(Exit::Completed)
}
