//! The relay, for Python: finding this user's own, and telling one what to do with the streams that it runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Deserialize;
use towline::error::{ErrorKind, Fault};
use towline::relay::{Control, Filter, OwnRelay, RelayConfig, Start, Via};
use towline::{Client, Config, Deadline, Error};

/// How long the name of a group may be on a relay.
const GROUP_MAX_BYTES: usize = 128;

/// What a relay is told. Its fields are the arguments of Python's `Relay`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    List(Listed),
    Find { id: String },
    Wait { id: String, seconds: f64 },
    Cancel { id: String, reason: String },
    Deadline { id: String, seconds: Option<f64> },
    Extend { id: String, seconds: f64 },
    Pause { id: String },
    Unpause { id: String },
    Retry { id: String },
    Rename { id: String, name: String },
    Request { id: String },
    Forget { id: String },
    Version {},
}

/// Which jobs. `since` is in seconds.
#[derive(Debug, Deserialize)]
pub(crate) struct Listed {
    running: Option<bool>,
    model: Option<String>,
    name: Option<String>,
    text: Option<String>,
    conversation: Option<String>,
    group: Option<String>,
    since: Option<f64>,
}

/// Does what a relay is told: the job as it then is, in JSON.
pub(crate) async fn obey(control: Control, order: Order) -> Result<Vec<u8>, Error> {
    let job = match order {
        Order::List(Listed { running, model, name, text, conversation, group, since }) => {
            let since = since.map(time).transpose()?;
            let filter = Filter { running, model, name, text, conversation, group, since };
            return json(&control.list(&filter).await?);
        }
        Order::Find { id } => control.find(&id).await?,
        Order::Wait { id, seconds } => control.wait(&id, time(seconds)?).await?,
        Order::Cancel { id, reason } => control.cancel(&id, &reason).await?,
        Order::Deadline { id, seconds: None } => control.set_deadline(&id, Deadline::Never).await?,
        Order::Deadline { id, seconds: Some(seconds) } => {
            control.set_deadline(&id, Deadline::In(time(seconds)?)).await?
        }
        Order::Extend { id, seconds } => {
            control.set_deadline(&id, Deadline::ExtendBy(time(seconds)?)).await?
        }
        Order::Pause { id } => control.pause(&id).await?,
        Order::Unpause { id } => control.unpause(&id).await?,
        Order::Retry { id } => control.retry(&id).await?,
        Order::Rename { id, name } => control.rename(&id, &name).await?,
        Order::Request { id } => return json(&control.request(&id).await?),
        Order::Forget { id } => {
            control.delete(&id).await?;
            return Ok(b"{}".to_vec());
        }
        Order::Version {} => return json(&control.version().await?),
    };
    json(&job)
}

/// The client for a job of the engine: a relay lists its stream under the job's name and in its group.
///
/// # Errors
/// `ValueError` for a group that a relay does not take.
pub(crate) fn labelled(client: &Client, name: &Option<String>, group: &Option<String>) -> PyResult<Client> {
    let Via::Relay(relay) = &client.config().via else { return Ok(client.clone()) };
    if let Some(group) = group.as_ref().filter(|group| !group.is_ascii() || group.len() > GROUP_MAX_BYTES) {
        return Err(PyValueError::new_err(format!(
            "group {group:?} is not for a relay, which takes up to {GROUP_MAX_BYTES} ASCII characters"
        )));
    }
    // The relay makes a name of it that works wherever an id does; a header takes no line breaks.
    let name = name.as_ref().map(|name| name.replace(char::is_control, " "));
    let relay = RelayConfig { name, group: group.clone(), ..relay.clone() };
    Ok(client.with_request_config(|config| config.via = Via::Relay(relay)))
}

/// Sees to it that this user's own relay runs. `program` is `towline`.
pub(crate) async fn ensure_own(own: OwnRelay, program: PathBuf) -> Result<Vec<u8>, Error> {
    let config = Config { via: Via::Relay(RelayConfig::default()), ..Config::default() };
    let control = Control::new(Client::with_config(own.endpoint(), config)?);
    let failed = |error: towline::relay::LaunchError| {
        Error::new(ErrorKind::Connect, Fault::Transport, error.to_string())
    };
    own.ensure(&program, &control).await.map(|()| Vec::new()).map_err(failed)
}

/// Where this user's own relay is.
pub(crate) fn own(runtime: Option<&Path>, temporary: &Path) -> Result<OwnRelay, Error> {
    OwnRelay::find(runtime, temporary)
        .map_err(|error| Error::new(ErrorKind::InvalidRequest, Fault::Caller, error.to_string()))
}

/// Where a reader begins: `beginning`, `tail`, or a byte.
///
/// # Errors
/// `ValueError` for anything else.
pub(crate) fn start(start: &str) -> PyResult<Start> {
    match (start, start.parse()) {
        ("beginning", _) => Ok(Start::Beginning),
        ("tail", _) => Ok(Start::Tail),
        (_, Ok(byte)) => Ok(Start::Byte(byte)),
        (other, Err(_)) => Err(PyValueError::new_err(format!(
            "a reader starts at \"beginning\", \"tail\" or a byte, not {other:?}"
        ))),
    }
}

fn time(seconds: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        let message = format!("{seconds} is not a time in seconds from 0 on");
        Error::new(ErrorKind::InvalidRequest, Fault::Caller, message)
    })
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorKind::Protocol, Fault::Protocol, error.to_string()))
}
