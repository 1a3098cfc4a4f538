//! Where the relay is, and a relay that is there when it is needed.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use towline::client::{ApiKey, Endpoint, RetryPolicy, Timeouts, host};
use towline::error::ErrorKind;
use towline::relay::{Control, OwnRelay, RelayConfig, Via};
use towline::{Client, Config, Error};

use super::{Environment, ServerError, client};

/// How often a reader looks whether the own relay listens.
const LOOK: Duration = Duration::from_millis(500);

/// How long a relay elsewhere may take to say that it is one. One that takes longer is left to the request itself.
const INTRODUCTION: Duration = Duration::from_secs(2);

/// What can be done where there is no own relay.
const ELSEWHERE: &str = "--relay or TOWLINE_RELAY names a relay elsewhere";

/// Where the relay is, and how it came to be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayPlace {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Nobody named another, so it may be started when it is not there.
    pub own: Option<OwnRelay>,
}

impl RelayPlace {
    /// The relay that `--relay` names, else `TOWLINE_RELAY`, else this user's own: in `XDG_RUNTIME_DIR`, else in the folder for
    /// temporary files.
    ///
    /// # Errors
    /// What is named cannot be a relay, or there is no place for the own one's socket.
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
            message: format!("there is no place for the relay's socket: {error}"),
            hint: Some(ELSEWHERE.to_owned()),
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

    /// A client whose streams run there.
    ///
    /// # Errors
    /// When a proxy or a file of certificates cannot be used.
    pub fn client(
        &self,
        environment: &Environment,
        timeouts: Timeouts,
        mut relay: RelayConfig,
    ) -> Result<Client, ServerError> {
        let key = match &self.own {
            None => &environment.relay_token,
            // Each request names its model server there, and brings the key.
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

    /// For people: no path, no credentials.
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
    /// The program that can be the own relay.
    program: Option<PathBuf>,
}

impl Reached {
    /// A relay, of which nobody knows yet whether it is there.
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

    /// Starts the own relay where it does not run. A relay elsewhere is somebody else's to start.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether a relay was started.
    ///
    /// # Errors
    /// None can be started; a model server is where a relay elsewhere should be.
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

    /// Sees whether a model server is where the relay should be. What else may be wrong, the request itself will say.
    async fn is_relay(&self) -> Result<(), ServerError> {
        let asked = self.client.with_request_config(|config| config.retry = RetryPolicy::NEVER).relay();
        let Err(error) = asked.version().await else { return Ok(()) };
        let has_none =
            |error: &Error| matches!(error.status, Some(404 | 405 | 501)) || error.is_missing_endpoint();
        // A server of HTTP/1.1 alone breaks the connection off; a relay whose connection was cut answers now.
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
            format!("{} is a model server and no relay", self.place.endpoint),
            "--host and OLLAMA_HOST name a model server; without --relay and TOWLINE_RELAY, towline uses your own relay",
        ))
    }

    /// Starts the own relay again whenever it does not listen, without end: a reader of what runs there needs it.
    ///
    /// # Cancel safety
    /// Dropping the future ends it.
    pub async fn keep(&self) {
        let (Some(own), Some(_)) = (&self.place.own, &self.program) else {
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

    /// Whether the own relay does not listen. Never waits: a socket of this machine takes a connection or does not.
    pub fn is_gone(&self) -> bool {
        self.place.own.as_ref().is_some_and(|own| UnixStream::connect(own.socket()).is_err())
    }
}
