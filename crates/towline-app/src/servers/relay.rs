//! Finds the relay, and starts the own one when it is needed.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use towline::client::{ApiKey, Endpoint, RetryPolicy, Timeouts, host};
use towline::error::ErrorKind;
use towline::relay::{Control, OwnRelay, RelayConfig, Via};
use towline::{Client, Config, Error};

use super::{Environment, ServerError, client};

/// How often a reader checks whether the own relay listens.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How long another relay may take to identify itself. After that, the request itself has to find out.
const INTRODUCTION: Duration = Duration::from_secs(2);

/// The hint for when there is no own relay.
const ELSEWHERE: &str = "--relay or TOWLINE_RELAY names a relay elsewhere";

/// The address of the relay, and whether it is the own one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayPlace {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The own relay, if no other was named: it may be started if it does not run.
    pub own: Option<OwnRelay>,
}

impl RelayPlace {
    /// The relay that `--relay` names, else `TOWLINE_RELAY`, else this user's own: in `XDG_RUNTIME_DIR`, else in the folder for
    /// temporary files.
    ///
    /// # Errors
    /// The named address is invalid for a relay, or there is no folder for the own relay's socket.
    pub fn find(argument: Option<&str>, environment: &Environment) -> Result<Self, ServerError> {
        let named = argument.map(|text| ("--relay", text));
        let named = named.or_else(|| Some(("TOWLINE_RELAY", environment.relay.as_deref()?)));
        if let Some((name, text)) = named {
            let endpoint = host::parse(text).map_err(|error| {
                ServerError::usage(
                    format!("{name} does not name a relay: {error}"),
                    "for example unix:/run/towline/relay.sock or https://relay.example:4437",
                )
            })?;
            return Ok(Self { endpoint, own: None });
        }
        let own = OwnRelay::find(environment.runtime.as_deref(), &environment.temporary);
        let own = own.map_err(|error| ServerError {
            is_usage: false,
            message: format!("there is no folder for the relay's socket: {error}"),
            hint: Some(ELSEWHERE.to_owned()),
        })?;
        Ok(Self { endpoint: own.endpoint(), own: Some(own) })
    }

    /// The model server that the environment names, if the relay accepts one: the own relay can ask any
    /// server, and another relay chooses among its own.
    pub fn server<'a>(&self, environment: &'a Environment) -> Option<&'a str> {
        let own = self.own.as_ref()?;
        let is_relay = |text: &&str| host::parse(text).is_ok_and(|named| named == own.endpoint());
        environment.host.as_deref().filter(|text| !is_relay(text))
    }

    /// A client whose streams run there.
    ///
    /// # Errors
    /// If a proxy or a certificate file is unusable.
    pub fn client(
        &self,
        environment: &Environment,
        timeouts: Timeouts,
        mut relay: RelayConfig,
    ) -> Result<Client, ServerError> {
        let key = match &self.own {
            None => &environment.relay_token,
            // Each request names its model server, and contains the key.
            Some(_) => {
                relay.server = relay.server.or_else(|| self.server(environment).map(str::to_owned));
                relay.server_running = environment.server_running;
                if relay.server.is_some() { &environment.api_key } else { &None }
            }
        };
        let api_key = key.as_deref().map(ApiKey::new);
        let transport = environment.network.transport(&self.endpoint);
        let config = Config { via: Via::Relay(relay), timeouts, api_key, transport, ..Config::default() };
        client(self.endpoint.clone(), config)
    }

    /// The address for display: no path, no credentials.
    pub fn shown(&self) -> String {
        match self.own {
            Some(_) => "the relay on this machine".to_owned(),
            None => format!("the relay at {}", self.endpoint),
        }
    }
}

/// A relay, and a client of it.
#[derive(Debug, Clone)]
pub struct Reached {
    /// A client whose streams run on the relay.
    pub client: Client,
    /// Its jobs.
    pub control: Control,
    /// Where it is.
    pub place: RelayPlace,
    /// A client of the same place as a model server.
    as_server: Client,
    /// The program to start as the own relay.
    program: Option<PathBuf>,
}

impl Reached {
    /// A relay that was not contacted yet.
    ///
    /// # Errors
    /// Those of [`RelayPlace::client`].
    pub fn new(
        place: RelayPlace,
        environment: &Environment,
        timeouts: Timeouts,
        relay: RelayConfig,
    ) -> Result<Self, ServerError> {
        let client = place.client(environment, timeouts, relay)?;
        let transport = environment.network.transport(&place.endpoint);
        let config = Config { retry: RetryPolicy::NEVER, transport, ..Config::default() };
        let as_server = super::client(place.endpoint.clone(), config)?;
        let (control, program) = (client.relay(), environment.program.clone());
        Ok(Self { client, control, place, as_server, program })
    }

    /// Starts the own relay if it does not run. Other relays are not started.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether a relay was started.
    ///
    /// # Errors
    /// The own relay cannot be started, or the address of another relay is that of a model server.
    pub async fn ensure(&self) -> Result<(), ServerError> {
        let Some(own) = &self.place.own else {
            return tokio::time::timeout(INTRODUCTION, self.is_relay()).await.unwrap_or(Ok(()));
        };
        match &self.program {
            Some(program) => Ok(own.ensure(program, &self.control).await?),
            None if own.listens().await => Ok(()),
            None => Err(ServerError {
                is_usage: false,
                message: "no relay runs, and this program was built without one".to_owned(),
                hint: Some(ELSEWHERE.to_owned()),
            }),
        }
    }

    /// Checks whether the address of the relay is that of a model server. The request itself reports other
    /// problems.
    async fn is_relay(&self) -> Result<(), ServerError> {
        let asked = self.client.with_request_config(|config| config.retry = RetryPolicy::NEVER).relay();
        let Err(error) = asked.version().await else { return Ok(()) };
        let has_none =
            |error: &Error| matches!(error.status, Some(404 | 405 | 501)) || error.is_missing_endpoint();
        // A server with only HTTP/1.1 closes the connection; a relay whose connection was cut answers this
        // time.
        let is_cut = matches!(error.kind, ErrorKind::ConnectionLost | ErrorKind::Protocol);
        if !(has_none(&error)
            || is_cut && self.as_server.relay().version().await.is_err_and(|error| has_none(&error)))
        {
            return Ok(());
        }
        let models = async { self.as_server.get_json::<serde_json::Value>("/v1/models").await };
        if self.as_server.version().await.is_err() && models.await.is_err() {
            return Ok(());
        }
        Err(ServerError::usage(
            format!("{} is a model server, not a relay", self.place.endpoint),
            "--host and OLLAMA_HOST name a model server; without --relay and TOWLINE_RELAY, towline uses your own relay",
        ))
    }

    /// Restarts the own relay whenever it does not listen, because its readers need it. Never returns.
    ///
    /// # Cancel safety
    /// Dropping the future ends it.
    pub async fn keep_running(&self) {
        let (Some(own), Some(_)) = (&self.place.own, &self.program) else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            if !own.listens().await {
                // A failed start is retried; the reader reports that the relay is out of reach.
                drop(self.ensure().await);
            }
        }
    }

    /// Whether the own relay does not listen. Never waits: a local socket accepts or refuses a connection at
    /// once.
    pub fn is_gone(&self) -> bool {
        self.place.own.as_ref().is_some_and(|own| UnixStream::connect(own.socket()).is_err())
    }
}
