//! Connects to the relay, and starts the own one if needed.

use towline::client::{Api, Timeouts};
use towline::relay::RelayConfig;
use towline_app::servers::{Reached, RelayPlace, ServerSpec, named_server};

use crate::args::{AtRelay, ServerArgs};
use crate::commands::Context;
use crate::exit::failure::Failure;

/// The chosen relay; starts the own one if it does not run.
pub async fn reach(
    args: &AtRelay,
    context: &mut Context,
    timeouts: Timeouts,
    relay: RelayConfig,
) -> Result<Reached, Failure> {
    let place = RelayPlace::find(args.relay.as_deref(), &context.environment)?;
    reach_at(place, context, timeouts, relay).await
}

/// The chosen relay, with the chosen model server, which becomes that of the context.
pub async fn reach_server(
    (relay, server, api): (&AtRelay, &ServerArgs, Api),
    context: &mut Context,
    timeouts: Timeouts,
    mut config: RelayConfig,
) -> Result<Reached, Failure> {
    let place = RelayPlace::find(relay.relay.as_deref(), &context.environment)?;
    let (server, environment) = ServerSpec::from(server).resolved(&context.environment).await?;
    context.environment = environment;
    config.server = tokio::select! {
        named = named_server(&server, api, &place, &context.environment) => named?,
        stop = context.stopper.stopped() => return Err(Failure::Stopped(stop)),
    };
    reach_at(place, context, timeouts, config).await
}

async fn reach_at(
    place: RelayPlace,
    context: &mut Context,
    timeouts: Timeouts,
    relay: RelayConfig,
) -> Result<Reached, Failure> {
    let reached = Reached::new(place, &context.environment, timeouts, relay)?;
    tokio::select! {
        ensured = reached.ensure() => ensured?,
        stop = context.stopper.stopped() => return Err(Failure::Stopped(stop)),
    }
    Ok(reached)
}

/// The chosen relay, if it runs; starts nothing.
pub async fn reach_running(
    args: &AtRelay,
    context: &Context,
    timeouts: Timeouts,
) -> Result<Option<Reached>, Failure> {
    let place = RelayPlace::find(args.relay.as_deref(), &context.environment)?;
    let reached = Reached::new(place, &context.environment, timeouts, RelayConfig::default())?;
    if reached.place.own.is_none() {
        reached.ensure().await?;
    }
    Ok(Some(reached).filter(|reached| !reached.is_gone()))
}
