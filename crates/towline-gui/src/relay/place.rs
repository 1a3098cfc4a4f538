//! Where the relay is, and clients of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use towline::relay::{Control, LaunchError, OwnRelay, READER_TIMEOUTS, Reconnect, RelayConfig, Via};
use towline::{ApiKey, Client, Config, Endpoint, NetworkVariables, Timeouts, host};

use crate::server::Named;

/// How long the relay may take over an order.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long the relay may be out of reach before its list counts as lost.
const LOST: Duration = Duration::from_secs(1);

/// Where the relay is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its address.
    pub endpoint: Endpoint,
    /// Nobody named another, so it may be started when it is not there.
    pub own: Option<OwnRelay>,
    /// The token that is sent along, to a named relay only.
    pub token: Option<ApiKey>,
    /// Proxies and certificates on the way to a named relay.
    pub network: NetworkVariables,
    /// Where the program `towline` is, which is started as the relay.
    pub program: PathBuf,
}

impl Place {
    /// The relay that was named, else this user's own, in `runtime` (what `XDG_RUNTIME_DIR` says) or the folder for
    /// temporary files.
    ///
    /// # Errors
    /// What is wrong with the name or the folder, for people.
    pub fn find(
        named: Option<&str>,
        token: Option<ApiKey>,
        runtime: Option<&Path>,
        network: NetworkVariables,
        program: PathBuf,
    ) -> Result<Self, String> {
        if let Some(text) = named {
            let endpoint =
                host::parse(text).map_err(|error| format!("TOWLINE_RELAY does not name a relay: {error}"))?;
            return Ok(Self { endpoint, own: None, token, network, program });
        }
        let own = OwnRelay::find(runtime, &std::env::temp_dir())
            .map_err(|error| format!("there is no place for the relay's socket: {error}"))?;
        Ok(Self { endpoint: own.endpoint(), own: Some(own), token: None, network, program })
    }

    /// A client whose answers run there.
    ///
    /// # Errors
    /// An address that cannot be used, for people.
    pub fn client(&self) -> Result<Client, String> {
        self.with(Timeouts::default(), Reconnect::default())
    }

    /// A client that reads what runs there.
    pub(super) fn reader(&self) -> Result<Client, String> {
        self.with(READER_TIMEOUTS, Reconnect::default())
    }

    /// Control of what runs there, which says at once when the relay is lost.
    pub(super) fn control(&self) -> Result<Control, String> {
        let timeouts =
            Timeouts { first_event: Some(ANSWER_TIME), idle: Some(ANSWER_TIME), ..READER_TIMEOUTS };
        let reconnect = Reconnect { give_up_after: LOST, ..Reconnect::default() };
        self.with(timeouts, reconnect).map(Control::new)
    }

    fn with(&self, timeouts: Timeouts, reconnect: Reconnect) -> Result<Client, String> {
        let relay = RelayConfig { reconnect, ..RelayConfig::default() };
        let (api_key, transport) = (self.token.clone(), self.network.transport(&self.endpoint));
        let config = Config { via: Via::Relay(relay), timeouts, api_key, transport, ..Config::default() };
        Client::with_config(self.endpoint.clone(), config).map_err(|error| error.message)
    }

    /// Sees to it that it runs; `None` for a relay that was named, which is somebody else's to start.
    pub fn ensure(
        &self,
        named: Option<&Named>,
    ) -> Option<impl Future<Output = Result<(), LaunchError>> + Send + 'static> {
        let own = self.own.clone()?;
        let launch = own
            .launch(self.program.clone(), named.map(|named| named.host.as_str()))
            .with_api_key(named.and_then(|named| named.api_key.clone()));
        let control = self.control();
        Some(async move {
            match control {
                Ok(control) => own.ensure(&launch, &control).await,
                Err(message) => Err(LaunchError { message, last_words: None }),
            }
        })
    }

    /// For people.
    pub fn shown(&self) -> String {
        match self.own {
            Some(_) => "the relay on this machine".to_owned(),
            None => format!("the relay at {}", self.endpoint),
        }
    }
}
