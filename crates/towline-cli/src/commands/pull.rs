//! `towline pull`.

use towline::api::PullRequest;

use super::Context;
use super::transfer::{Transfer, Verb, keeper};
use crate::args::PullArgs;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::server::Server;

/// Pulls models, one after the other. A failure does not affect the others.
pub async fn run(args: &PullArgs, mut context: Context) -> Result<Exit, Failure> {
    let server = keeper(&args.registry.transfer, &context).await?;
    let mut exit = Exit::Completed;
    for model in &args.models {
        let request = PullRequest { model: model.clone(), insecure: args.registry.insecure };
        exit = exit.or(follow(request, &server, args.registry.transfer.json, &mut context).await?);
        if context.stopper.stop().is_some() {
            break;
        }
    }
    Ok(exit)
}

/// Pulls a model that another command needs.
pub(super) async fn fetch(model: &str, server: &Server, context: &mut Context) -> Result<Exit, Failure> {
    let request = PullRequest { model: model.to_owned(), insecure: false };
    follow(request, server, false, context).await
}

async fn follow(
    request: PullRequest,
    server: &Server,
    json: bool,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let model = request.model.clone();
    let mut transfer = Transfer::begin(Verb::Pull, server, &model, json)?;
    transfer.follow(server.client.pull(request), context).await
}
