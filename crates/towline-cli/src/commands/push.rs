//! `towline push`.

use towline::api::PushRequest;

use super::Context;
use super::transfer::{Transfer, Verb, keeper};
use crate::args::PushArgs;
use crate::exit::Exit;
use crate::exit::failure::Failure;

/// Pushes models, one after the other. A failure does not affect the others.
pub async fn run(args: &PushArgs, mut context: Context) -> Result<Exit, Failure> {
    let server = keeper(&args.registry.transfer, &context).await?;
    let mut exit = Exit::Completed;
    for model in &args.models {
        let mut transfer = Transfer::begin(Verb::Push, &server, model, args.registry.transfer.json)?;
        let stream =
            server.client.push(PushRequest { model: model.clone(), insecure: args.registry.insecure });
        exit = exit.or(transfer.follow(stream, &mut context).await?);
        if context.stopper.stop().is_some() {
            break;
        }
    }
    Ok(exit)
}
