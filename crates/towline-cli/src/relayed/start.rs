//! A relay that is there when it is needed.

use towline::relay::{Control, RelayConfig};
use towline::{Clocks, ErrorKind, host};

use super::own::{ensure, listens};
use super::place::{Place, client};
use crate::args::AtRelay;
use crate::cmd::{Context, unless_stopped};
use crate::failure::Failure;

/// So often a relay that ends while it is spoken to is started again.
const TRIES: u32 = 3;

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
    // Whoever points Ollama's clients at the relay does not mean that it relays to itself.
    let is_itself = |text: &String| host::parse(text).is_ok_and(|host| host.endpoint == place.endpoint);
    let upstream = context.environment.host.clone().filter(|text| !is_itself(text));
    let reached = reached(place, context, clocks, relay)?;
    let (Some(folder), Some(socket)) = (&reached.place.own_folder, reached.place.socket()) else {
        return Ok(reached);
    };
    for _ in 0..TRIES {
        tokio::select! {
            started = ensure(folder, socket, upstream.as_deref()) => started?,
            stop = context.stopper.stopped() => return Err(Failure::Stopped(stop)),
        }
        // One that is just ending still takes connections.
        let answer = unless_stopped(reached.control.version(), &mut context.stopper).await?;
        match answer.map_err(|error| error.kind) {
            Err(ErrorKind::Connect | ErrorKind::ConnectionLost) => {}
            // What else may be wrong, the command itself finds out.
            Ok(_) | Err(_) => break,
        }
    }
    Ok(reached)
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
