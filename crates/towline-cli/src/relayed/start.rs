//! A relay that is there when it is needed.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use towline::Timeouts;
use towline::relay::{Control, LaunchError, OwnRelay, RelayConfig};

use super::place::{Place, client};
use crate::args::AtRelay;
use crate::cmd::Context;
use crate::failure::{Complaint, Failure};

/// How often a reader looks whether the own relay listens.
const LOOK: Duration = Duration::from_millis(500);

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
    timeouts: Timeouts,
    relay: RelayConfig,
) -> Result<Reached, Failure> {
    reach_at(Place::find(args, &context.environment)?, context, timeouts, relay).await
}

/// The relay at this place; the own one is started where it is not there.
pub async fn reach_at(
    place: Place,
    context: &mut Context,
    timeouts: Timeouts,
    relay: RelayConfig,
) -> Result<Reached, Failure> {
    let reached = reached(place, context, timeouts, relay)?;
    let Some(own) = &reached.place.own else { return Ok(reached) };
    if !cfg!(feature = "relay") {
        return missing(own, context).await.map(|()| reached);
    }
    tokio::select! {
        ensured = reached.ensure() => {
            ensured.map_err(|error| cannot(error.message, error.last_words))?;
        }
        stop = context.stopper.stopped() => return Err(Failure::Stopped(stop)),
    }
    Ok(reached)
}

impl Reached {
    /// Starts the own relay again whenever it does not listen, without end: a reader of what runs there needs it.
    pub async fn keep(&self) {
        let (Some(own), true) = (&self.place.own, cfg!(feature = "relay")) else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(LOOK).await;
            if !own.listens().await {
                // What cannot be started is tried again; the reader says that it is out of reach.
                drop(self.ensure().await);
            }
        }
    }

    /// Starts the own relay where it does not run. A relay elsewhere is somebody else's to start.
    ///
    /// # Errors
    /// None can be started.
    pub async fn ensure(&self) -> Result<(), LaunchError> {
        let Some(own) = &self.place.own else { return Ok(()) };
        let program = std::env::current_exe().map_err(|error| LaunchError {
            message: format!("the relay cannot be started: {error}"),
            last_words: None,
        })?;
        own.ensure(&own.launch(program, None), &self.control).await
    }

    /// Whether the own relay does not listen. Never waits: a socket of this machine takes a connection or does not.
    pub fn is_gone(&self) -> bool {
        self.place.own.as_ref().is_some_and(|own| UnixStream::connect(own.socket()).is_err())
    }
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
    timeouts: Timeouts,
) -> Result<Option<Reached>, Failure> {
    let place = Place::find(args, &context.environment)?;
    if let Some(own) = &place.own
        && !own.listens().await
    {
        return Ok(None);
    }
    reached(place, context, timeouts, RelayConfig::default()).map(Some)
}

fn reached(
    place: Place,
    context: &Context,
    timeouts: Timeouts,
    relay: RelayConfig,
) -> Result<Reached, Failure> {
    let client = client(&place, &context.environment, timeouts, relay)?;
    let control = client.relay();
    Ok(Reached { client, control, place })
}
