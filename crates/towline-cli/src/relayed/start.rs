//! A relay that is there when it is needed.

use towline::Clocks;
use towline::relay::{Control, RelayConfig};

use super::own::{ensure, listens};
use super::place::{Place, client};
use crate::args::RelayArgs;
use crate::cmd::Context;
use crate::failure::Failure;

/// A relay, and a client of it.
#[derive(Debug)]
pub struct Reached {
    /// A client whose streams run on the relay.
    pub client: towline::Client,
    /// Its jobs.
    pub control: Control,
    /// Where it is.
    pub place: Place,
}

/// The relay that is meant; the own one is started where it is not there.
pub async fn reach(
    args: &RelayArgs,
    context: &mut Context,
    clocks: Clocks,
    relay: RelayConfig,
) -> Result<Reached, Failure> {
    let place = Place::find(args, &context.environment)?;
    if let (Some(folder), Some(socket)) = (&place.own_folder, place.socket()) {
        tokio::select! {
            started = ensure(folder, socket) => started?,
            stop = context.stopper.stopped() => return Err(Failure::Stopped(stop)),
        }
    }
    reached(place, context, clocks, relay)
}

/// The relay that is meant, if it runs; nothing is started.
pub async fn reach_running(
    args: &RelayArgs,
    context: &Context,
    clocks: Clocks,
) -> Result<Option<Reached>, Failure> {
    let place = Place::find(args, &context.environment)?;
    if let (Some(_), Some(socket)) = (&place.own_folder, place.socket())
        && !listens(socket).await
    {
        return Ok(None);
    }
    reached(place, context, clocks, RelayConfig::default()).map(Some)
}

fn reached(place: Place, context: &Context, clocks: Clocks, relay: RelayConfig) -> Result<Reached, Failure> {
    let client = client(&place, &context.environment, clocks, relay)?;
    let control = client.relay();
    Ok(Reached { client, control, place })
}
