//! Determines where answers run: on a relay, so that they outlive the program that asks, or in that program.

use std::time::Duration;

use towline::Error;
use towline::client::{Api, RetryPolicy, Timeouts, host};
use towline::relay::{READER_TIMEOUTS, RelayConfig};

use super::{
    BUILTIN, Environment, OLLAMA, Reached, RelayPlace, ResolvedServer, ServerError, ServerSpec, answers,
};
use crate::settings::RelaySetting;

/// How long the detection of a server's dialect may take before Ollama's is assumed.
const DIALECT: Duration = Duration::from_secs(1);
/// The prefix of the address of a server with OpenAI's dialect.
const OPENAI: &str = "openai+";
/// The time limits for a request that needs no loaded model.
const PROBE: Timeouts = Timeouts {
    connect: Some(Duration::from_secs(10)),
    first_event: Some(Duration::from_secs(60)),
    idle: Some(Duration::from_secs(60)),
    record: Some(Duration::from_secs(300)),
    total: None,
};

/// Where answers should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunTarget {
    /// In this process.
    Here,
    /// On the user's own relay.
    Own {
        /// Whether the user chose it explicitly: then answers run nowhere else.
        is_named: bool,
    },
    /// On the relay at this address.
    At(String),
}

impl RunTarget {
    /// The default place for answers: the configuration's, else the environment's, else the own relay.
    /// Another relay does not let us choose its model server, so if the user named a server (`names_server`),
    /// answers run in this process then.
    pub fn by_default(relay: &RelaySetting, environment: &Environment, names_server: bool) -> Self {
        match (relay, &environment.relay) {
            (RelaySetting::Off, _) => Self::Here,
            (RelaySetting::Own, None) => Self::Own { is_named: false },
            (RelaySetting::At(_), _) | (RelaySetting::Own, Some(_)) if names_server => Self::Here,
            (RelaySetting::At(named), _) | (RelaySetting::Own, Some(named)) => Self::At(named.clone()),
        }
    }

    /// The same but, instead of this process, the relay that the configuration names, else the environment's,
    /// else the own one.
    #[must_use]
    pub fn on_relay(&self, relay: &RelaySetting, environment: &Environment) -> Self {
        match (self, relay, &environment.relay) {
            (Self::Own { .. } | Self::At(_), _, _) => self.clone(),
            (Self::Here, RelaySetting::At(named), _)
            | (Self::Here, RelaySetting::Own | RelaySetting::Off, Some(named)) => Self::At(named.clone()),
            (Self::Here, RelaySetting::Own | RelaySetting::Off, None) => Self::Own { is_named: false },
        }
    }

    /// The address of the relay, if it is neither the environment's nor the own one.
    pub fn relay(&self) -> Option<&str> {
        match self {
            Self::At(named) => Some(named),
            Self::Here | Self::Own { .. } => None,
        }
    }
}

/// Where answers run.
#[derive(Debug)]
pub enum Answering {
    /// On a relay.
    Relay {
        /// The relay.
        reached: Reached,
        /// The model server behind it, for display: the one that was named, else the one that the own relay
        /// finds. `None` if the relay does not say.
        shown: Option<String>,
    },
    /// In this process.
    Here {
        /// The server; `None` if none is named and none answers, so that the built-in model is used.
        server: Option<ResolvedServer>,
        /// The reason why they run here although they should not.
        why: Option<String>,
    },
}

impl Answering {
    /// Connects to the chosen relay, and starts the own one if it does not run; otherwise finds the server.
    /// `asked_by` is the program's name on the relay.
    ///
    /// # Cancel safety
    /// If the future is dropped, a relay may or may not have been started.
    ///
    /// # Errors
    /// Those of the server; those of a relay that the user asked for.
    pub async fn find(
        wanted: &RunTarget,
        spec: &ServerSpec,
        environment: &Environment,
        asked_by: &str,
    ) -> Result<Self, ServerError> {
        let (spec, environment) = spec.resolved(environment).await?;
        let is_needed = match wanted {
            RunTarget::Here => return Self::in_process(&spec, &environment, None).await,
            RunTarget::Own { is_named } => *is_named,
            RunTarget::At(_) => true,
        };
        match Self::on(wanted.relay(), &spec, &environment, asked_by).await {
            Err(error) if !is_needed => Self::in_process(&spec, &environment, Some(error.to_string())).await,
            done => done,
        }
    }

    async fn on(
        relay: Option<&str>,
        spec: &ServerSpec,
        environment: &Environment,
        asked_by: &str,
    ) -> Result<Self, ServerError> {
        let place = RelayPlace::find(relay, environment)?;
        let named = named_server(spec, Api::Auto, &place, environment);
        let server = match tokio::time::timeout(DIALECT, named).await {
            Ok(named) => named?,
            Err(_) => spec.host.clone().or_else(|| place.server(environment).map(str::to_owned)),
        };
        let mut shown = server.as_deref().and_then(shown);
        let is_own = place.own.is_some();
        let config = RelayConfig { server, asked_by: Some(asked_by.to_owned()), ..RelayConfig::default() };
        let reached = Reached::new(place, environment, READER_TIMEOUTS, config)?;
        reached.ensure().await?;
        if is_own && shown.is_none() {
            shown = found(&reached).await;
        }
        Ok(Self::Relay { reached, shown })
    }

    /// They run in this process.
    ///
    /// # Cancel safety
    /// Safe.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn in_process(
        spec: &ServerSpec,
        environment: &Environment,
        why: Option<String>,
    ) -> Result<Self, ServerError> {
        let server = spec.find(environment, Timeouts::default(), Api::Auto).await?;
        Ok(Self::Here { server, why })
    }
}

/// The model server that a relay should ask, if one is named. Only the own relay accepts an address, with its
/// dialect; another relay knows its servers by name.
///
/// # Cancel safety
/// Safe.
///
/// # Errors
/// Those of the server's name. An unreachable server is not an error.
pub async fn named_server(
    spec: &ServerSpec,
    api: Api,
    relay: &RelayPlace,
    environment: &Environment,
) -> Result<Option<String>, ServerError> {
    let Some(host) = spec.host.as_deref().or_else(|| relay.server(environment)) else {
        return Ok(None);
    };
    let is_settled = relay.own.is_none() || host.starts_with(OPENAI);
    let is_openai = match api {
        _ if is_settled => false,
        Api::OpenAi => true,
        Api::Ollama => false,
        // A server that cannot be reached now may answer the relay later.
        Api::Auto => match spec.find(environment, PROBE, api).await? {
            Some(server) => speaks_openai(&server).await,
            None => false,
        },
    };
    Ok(Some(if is_openai { format!("{OPENAI}{host}") } else { host.to_owned() }))
}

/// Whether a server knows only OpenAI's dialect.
async fn speaks_openai(server: &ResolvedServer) -> bool {
    let client = server.client.with_request_config(|config| config.retry = RetryPolicy::NEVER);
    // A proxy may pass only a part of Ollama's API.
    let is_missing = |error: Error| error.is_missing_endpoint();
    client.version().await.is_err_and(is_missing)
        && !client.get_json::<serde_json::Value>("/v1/models").await.is_err_and(is_missing)
}

/// The model servers that the own relay finds if none is named.
async fn found(relay: &Reached) -> Option<String> {
    let known = relay.control.version().await.ok()?;
    let names: Vec<&str> = known.servers.iter().map(|server| server.name.as_str()).collect();
    Some(match names.as_slice() {
        [OLLAMA, BUILTIN] if answers(host::DEFAULT_PORT).await => host::local().to_string(),
        [OLLAMA, BUILTIN] => BUILTIN.to_owned(),
        names => names.join(", "),
    })
}

/// A model server's address without its secrets.
fn shown(server: &str) -> Option<String> {
    let address = server.strip_prefix(OPENAI).unwrap_or(server);
    host::parse(address).ok().map(|endpoint| endpoint.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_run_on_the_own_relay_unless_somebody_says_otherwise() {
        let at = |relay: &str| RunTarget::At(relay.to_owned());
        let through = |relay: &str| RelaySetting::At(relay.to_owned());
        for (relay, variable, names_server, wanted) in [
            (RelaySetting::Own, None, false, RunTarget::Own { is_named: false }),
            (RelaySetting::Own, None, true, RunTarget::Own { is_named: false }),
            (RelaySetting::Own, Some("r"), false, at("r")),
            (RelaySetting::Own, Some("r"), true, RunTarget::Here),
            (RelaySetting::Off, Some("r"), false, RunTarget::Here),
            (through("s"), Some("r"), false, at("s")),
            (through("s"), None, true, RunTarget::Here),
        ] {
            let environment = Environment { relay: variable.map(str::to_owned), ..Environment::default() };
            assert_eq!(
                RunTarget::by_default(&relay, &environment, names_server),
                wanted,
                "{relay:?} {variable:?}"
            );
        }
    }

    #[test]
    fn in_place_of_this_process_answers_run_on_the_relay_that_is_configured() {
        let at = |relay: &str| RunTarget::At(relay.to_owned());
        for (relay, variable, wanted) in [
            (RelaySetting::At("s".to_owned()), Some("r"), at("s")),
            (RelaySetting::At("s".to_owned()), None, at("s")),
            (RelaySetting::Own, Some("r"), at("r")),
            (RelaySetting::Off, Some("r"), at("r")),
            (RelaySetting::Own, None, RunTarget::Own { is_named: false }),
            (RelaySetting::Off, None, RunTarget::Own { is_named: false }),
        ] {
            let environment = Environment { relay: variable.map(str::to_owned), ..Environment::default() };
            assert_eq!(RunTarget::Here.on_relay(&relay, &environment), wanted, "{relay:?} {variable:?}");
            assert_eq!(at("t").on_relay(&relay, &environment), at("t"));
        }
    }
}
