//! `towline cp`.

use towline::api::CopyRequest;
use towline::client::Api;

use super::{Context, answered};
use crate::args::CopyArgs;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::output::Out;
use crate::server::UNARY_TIMEOUTS;
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
