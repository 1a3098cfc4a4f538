//! A relay that is there when it is needed.

use towline::relay::{Control, RelayConfig};
use towline::{Clocks, host};

use super::own::{ensure, listens};
use super::place::{Place, client};
use crate::args::AtRelay;
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
    args: &AtRelay,
    context: &mut Context,
    clocks: Clocks,
    relay: RelayConfig,
) -> Result<Reached, Failure> {
    let place = Place::find(args, &context.environment)?;
    if let (Some(folder), Some(socket)) = (&place.own_folder, place.socket()) {
        // Whoever points Ollama's clients at the relay does not mean that it relays to itself.
        let is_itself = |text: &String| host::parse(text).is_ok_and(|host| host.endpoint == place.endpoint);
        let upstream = context.environment.host.clone().filter(|text| !is_itself(text));
        tokio::select! {
            started = ensure(folder, socket, upstream.as_deref()) => started?,
            stop = context.stopper.stopped() => return Err(Failure::Stopped(stop)),
        }
    }
    reached(place, context, clocks, relay)
}

/// The relay that is meant, if it runs; nothing is started.
pub async fn reach_running(
    args: &AtRelay,
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
