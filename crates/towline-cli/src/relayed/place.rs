//! Where the relay is.

use towline::relay::{OwnRelay, RelayConfig, Via};
use towline::{ApiKey, Client, Config, Endpoint, Timeouts, host};

use crate::args::AtRelay;
use crate::environment::Environment;
use crate::failure::{Complaint, Failure};
use crate::relay::place;
use crate::server;

/// Where the relay is, and how it came to be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Nobody named another, so it may be started when it is not there.
    pub own: Option<OwnRelay>,
}

impl Place {
    /// `--relay`, else `TOWLINE_RELAY`, else the own socket of this user.
    pub fn find(args: &AtRelay, environment: &Environment) -> Result<Self, Failure> {
        let named = args.relay.as_deref().map(|text| ("--relay", text));
        let named = named.or_else(|| Some(("TOWLINE_RELAY", environment.relay.as_deref()?)));
        if let Some((name, text)) = named {
            let endpoint = host::parse(text).map_err(|error| {
                Failure::usage_with(
                    format!("{name} does not name a relay: {error}"),
                    "for example unix:/run/towline/relay.sock or https://relay.example:4437",
                )
            })?;
            return Ok(Self { endpoint, own: None });
        }
        let own = place::own().map_err(|error| {
            let complaint = Complaint::new(format!("there is no place for the relay's socket: {error}"));
            Failure::Local(complaint.hint("--relay or TOWLINE_RELAY names a relay elsewhere"))
        })?;
        Ok(Self { endpoint: own.endpoint(), own: Some(own) })
    }

    /// The model server that the environment names, where the relay may be told one: the own relay asks any, and another
    /// chooses among its own.
    pub fn server<'a>(&self, environment: &'a Environment) -> Option<&'a str> {
        let own = self.own.as_ref()?;
        let is_relay = |text: &&str| host::parse(text).is_ok_and(|named| named == own.endpoint());
        environment.host.as_deref().filter(|text| !is_relay(text))
    }
}

/// A client of the relay.
pub fn client(
    place: &Place,
    environment: &Environment,
    timeouts: Timeouts,
    mut relay: RelayConfig,
) -> Result<Client, Failure> {
    let key = match &place.own {
        None => &environment.relay_token,
        // Each request names its model server there, and brings the key.
        Some(_) => {
            relay.server = relay.server.or_else(|| place.server(environment).map(str::to_owned));
            relay.server_running = environment.server_running;
            if relay.server.is_some() { &environment.api_key } else { &None }
        }
    };
    let api_key = key.as_deref().map(ApiKey::new);
    let transport = environment.network.transport(&place.endpoint);
    let config = Config { via: Via::Relay(relay), timeouts, api_key, transport, ..Config::default() };
    server::client(place.endpoint.clone(), config)
}
