//! A relay that is there when it is needed.

use towline::relay::{Control, OwnRelay, RelayConfig};
use towline::{ApiKey, Clocks};

use super::place::{Place, client};
use crate::args::AtRelay;
use crate::cmd::Context;
use crate::failure::{Complaint, Failure};

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
    let reached = reached(place, context, clocks, relay)?;
    let Some(own) = &reached.place.own else { return Ok(reached) };
    if !cfg!(feature = "relay") {
        return missing(own, context).await.map(|()| reached);
    }
    let program = std::env::current_exe()
        .map_err(|error| cannot(format!("the relay cannot be started: {error}"), None))?;
    let api_key = context.environment.api_key.as_deref().map(ApiKey::new);
    let launch = own.launch(program, context.environment.host.as_deref()).with_api_key(api_key);
    tokio::select! {
        ensured = own.ensure(&launch, &reached.control) => {
            ensured.map_err(|error| cannot(error.message, error.last_words))?;
        }
        stop = context.stopper.stopped() => return Err(Failure::Stopped(stop)),
    }
    Ok(reached)
}

/// A program that is built without the feature `relay` cannot start one.
async fn missing(own: &OwnRelay, context: &mut Context) -> Result<(), Failure> {
    tokio::select! {
        listens = own.listens() => if listens { return Ok(()) },
        stop = context.stopper.stopped() => return Err(Failure::Stopped(stop)),
    }
    let complaint = Complaint::new("no relay runs, and this program was built without one".to_owned());
    Err(Failure::Local(complaint.hint("--relay or TOWLINE_RELAY names a relay elsewhere")))
}

fn cannot(message: String, last_words: Option<String>) -> Failure {
    let complaint = Complaint::new(message);
    Failure::Local(match last_words {
        Some(words) => complaint.hint(format!("it said: {words}")),
        None => complaint,
    })
}

/// The relay that is meant, if it runs; nothing is started.
pub async fn reach_running(
    args: &AtRelay,
    context: &Context,
    clocks: Clocks,
) -> Result<Option<Reached>, Failure> {
    let place = Place::find(args, &context.environment)?;
    if let Some(own) = &place.own
        && !own.listens().await
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
