//! The server that a command uses: which one, how to reach it, which models it has.
//!
//! | module | its one job |
//! |---|---|
//! | [`builtin`] | the model in this program, where there is no server |
//! | [`environment`], [`places`] | the settings from environment and configuration; this user's folders |
//! | [`models`] | which models a server has, and which one is meant |
//! | [`hint`] | what to do when it fails |

pub mod builtin;
pub mod environment;
pub mod hint;
pub mod models;
pub mod places;

use std::time::Duration;

use towline::client::{Api, Timeouts, host};
use towline::{Client, Config};
use towline_app::servers::{self, BUILTIN, Environment, ResolvedServer, ServerSource, ServerSpec};

use crate::args::ServerArgs;
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure};
use crate::server::builtin::Builtin;

/// The timeouts of a request with a single response, which needs no model in memory.
pub const UNARY_TIMEOUTS: Timeouts = Timeouts {
    connect: Some(Duration::from_secs(10)),
    first_event: Some(Duration::from_secs(60)),
    idle: Some(Duration::from_secs(60)),
    record: Some(Duration::from_secs(300)),
    total: None,
};

/// A server, and how it was found.
#[derive(Debug)]
pub struct Server {
    /// A client for it.
    pub client: Client,
    /// How it is reached, and how it was found.
    pub kind: ServerKind,
}

/// How a server is reached, and how it was found.
#[derive(Debug)]
pub enum ServerKind {
    /// It was named, or it answers at Ollama's default address.
    Found(ServerSource),
    /// No server answers there: the built-in model, in this process.
    Builtin(Builtin),
    /// Behind the user's own relay: the named server, as it is shown, or one that the relay finds.
    OwnRelay(Option<String>),
}

/// Whether the built-in model is acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Any server.
    Any,
    /// A server that stores models.
    Keeper,
}

impl Server {
    /// Finds the server, with a client for it.
    pub async fn find(
        args: &ServerArgs,
        environment: &Environment,
        timeouts: Timeouts,
        api: Api,
        need: Need,
    ) -> Result<Self, Failure> {
        let found = ServerSpec::from(args).find(environment, timeouts, api).await?;
        Self::or_builtin(found, timeouts, api, need).await
    }

    /// The server that was found, or the built-in model.
    pub async fn or_builtin(
        found: Option<ResolvedServer>,
        timeouts: Timeouts,
        api: Api,
        need: Need,
    ) -> Result<Self, Failure> {
        if let Some(ResolvedServer { client, source }) = found {
            return Ok(Self { client, kind: ServerKind::Found(source) });
        }
        if need == Need::Keeper {
            return Err(Failure::Request(
                Complaint::new(format!(
                    "no server answers at {}, and the built-in model cannot do this",
                    host::local().host_port()
                ))
                .hint("start Ollama (ollama serve), or name another server with --host"),
                Exit::Failed,
            ));
        }
        let builtin = Builtin::start().await?;
        let config = Config { timeouts, api, ..Config::default() };
        Ok(Self { client: servers::client(builtin.endpoint(), config)?, kind: ServerKind::Builtin(builtin) })
    }

    /// Its address for messages: without path and credentials.
    pub fn shown(&self) -> String {
        match &self.kind {
            ServerKind::Found(_) => self.client.endpoint().to_string(),
            ServerKind::Builtin(_) => BUILTIN.to_owned(),
            ServerKind::OwnRelay(named) => named.clone().unwrap_or_else(|| "your own relay".to_owned()),
        }
    }

    /// Whether the built-in model is the only one; it cannot pull others.
    pub fn is_builtin(&self) -> bool {
        match &self.kind {
            ServerKind::Builtin(_) => true,
            ServerKind::OwnRelay(shown) => shown.as_deref() == Some(BUILTIN),
            ServerKind::Found(_) => false,
        }
    }
}
