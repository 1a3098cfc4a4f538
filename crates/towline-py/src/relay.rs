//! The relay, for Python: finds this user's own relay, and sends commands for the streams that a relay runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use serde::Deserialize;
use tokio::sync::Mutex;
use towline::error::{ErrorKind, Fault};
use towline::relay::{Change, Control, Filter, OwnRelay, Pairing, RelayConfig, Start, Via};
use towline::{Client, Config, Deadline, Error};

use crate::call::Call;
use crate::failure;
use crate::forked::ProcessBound;
use crate::registry::Registry;

/// The maximum length of a group's name on a relay.
const GROUP_MAX_BYTES: usize = 128;

/// A command to a relay. Its fields are the arguments of Python's `Relay`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RelayCommand {
    List(JobFilter),
    Find { id: String },
    Wait { id: String, timeout: f64 },
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
    Shutdown { if_idle: bool },
    BackUp { folder: PathBuf },
    Page {},
    Link { name: String },
    Pair(Paired),
    Devices {},
    Revoke { name: String },
}

/// A phone to pair.
#[derive(Debug, Deserialize)]
pub(crate) struct Paired {
    name: String,
    owner: Option<String>,
    listen: Option<String>,
    hosts: Vec<String>,
}

/// A filter for jobs. `since` is in seconds.
#[derive(Debug, Deserialize)]
pub(crate) struct JobFilter {
    running: Option<bool>,
    model: Option<String>,
    name: Option<String>,
    text: Option<String>,
    conversation: Option<String>,
    group: Option<String>,
    since: Option<f64>,
}

impl JobFilter {
    pub(crate) fn filter(self) -> Result<Filter, Error> {
        let Self { running, model, name, text, conversation, group, since } = self;
        Ok(Filter { running, model, name, text, conversation, group, since: since.map(time).transpose()? })
    }
}

/// Sends a command to a relay. Returns the changed job, or the requested data, in JSON.
pub(crate) async fn run_command(control: Control, command: RelayCommand) -> Result<Vec<u8>, Error> {
    let job = match command {
        RelayCommand::List(listed) => return json(&control.list(&listed.filter()?).await?),
        RelayCommand::Find { id } => control.find(&id).await?,
        RelayCommand::Wait { id, timeout } => control.wait(&id, time(timeout)?).await?,
        RelayCommand::Cancel { id, reason } => control.cancel(&id, &reason).await?,
        RelayCommand::Deadline { id, seconds: None } => control.set_deadline(&id, Deadline::Never).await?,
        RelayCommand::Deadline { id, seconds: Some(seconds) } => {
            control.set_deadline(&id, Deadline::In(time(seconds)?)).await?
        }
        RelayCommand::Extend { id, seconds } => {
            control.set_deadline(&id, Deadline::ExtendBy(time(seconds)?)).await?
        }
        RelayCommand::Pause { id } => control.pause(&id).await?,
        RelayCommand::Unpause { id } => control.unpause(&id).await?,
        RelayCommand::Retry { id } => control.retry(&id).await?,
        RelayCommand::Rename { id, name } => control.rename(&id, &name).await?,
        RelayCommand::Request { id } => return json(&control.request(&id).await?),
        RelayCommand::Forget { id } => {
            control.delete(&id).await?;
            return Ok(b"{}".to_vec());
        }
        RelayCommand::Version {} => return json(&control.version().await?),
        RelayCommand::Shutdown { if_idle } => {
            if if_idle {
                control.shutdown_if_idle().await?
            } else {
                control.shutdown().await?
            }
            return Ok(b"{}".to_vec());
        }
        RelayCommand::BackUp { folder } => return json(&control.back_up(&folder).await?),
        RelayCommand::Page {} => return json(&control.page().await?),
        RelayCommand::Link { name } => return json(&control.link(&name).await?),
        RelayCommand::Pair(Paired { name, owner, listen, hosts }) => {
            return json(&control.pair(&Pairing { name, owner, listen, hosts }).await?);
        }
        RelayCommand::Devices {} => return json(&control.devices().await?),
        RelayCommand::Revoke { name } => {
            control.revoke(&name).await?;
            return Ok(b"{}".to_vec());
        }
    };
    json(&job)
}

/// The jobs of a relay as they change.
#[pyclass(module = "towline._towline", frozen)]
pub(crate) struct Watch {
    registry: Arc<Registry>,
    watch: ProcessBound<Arc<Mutex<towline::relay::Watch>>>,
}

impl Watch {
    pub(crate) fn new(registry: Arc<Registry>, watch: towline::relay::Watch) -> Self {
        Self { registry, watch: ProcessBound::new(Arc::new(Mutex::new(watch))) }
    }
}

#[pymethods]
impl Watch {
    /// The next change, in JSON. Dropping the call loses no change.
    fn next(&self, py: Python<'_>) -> PyResult<Call> {
        let watch = Arc::clone(self.watch.get()?);
        let change = async move {
            json(&match watch.lock().await.next().await? {
                Change::Job(job) => serde_json::json!({ "job": job }),
                Change::Removed(id) => serde_json::json!({ "removed": id }),
                Change::Reset => serde_json::json!({ "reset": true }),
            })
        };
        self.registry.call(py, change, true)
    }
}

/// The client for a job of the engine: a relay lists the stream under the job's name and in its group.
///
/// # Errors
/// `RequestError` for a group that a relay does not accept.
pub(crate) fn labelled(client: &Client, name: &Option<String>, group: &Option<String>) -> PyResult<Client> {
    let Via::Relay(relay) = &client.config().via else { return Ok(client.clone()) };
    if let Some(group) = group.as_ref().filter(|group| !group.is_ascii() || group.len() > GROUP_MAX_BYTES) {
        return Err(failure::bad_input(format!(
            "group {group:?} cannot be sent to a relay, which takes up to {GROUP_MAX_BYTES} ASCII characters"
        )));
    }
    // The relay turns it into a name that works like an id; a header cannot contain line breaks.
    let name = name.as_ref().map(|name| name.replace(char::is_control, " "));
    let relay = RelayConfig { name, group: group.clone(), ..relay.clone() };
    Ok(client.with_request_config(|config| config.via = Via::Relay(relay)))
}

/// Starts this user's own relay unless it is running. `program` is `towline`.
pub(crate) async fn ensure_own(own: OwnRelay, program: PathBuf) -> Result<Vec<u8>, Error> {
    let config = Config { via: Via::Relay(RelayConfig::default()), ..Config::default() };
    let control = Control::new(Client::with_config(own.endpoint(), config)?);
    let failed = |error: towline::relay::LaunchError| {
        Error::new(ErrorKind::Connect, Fault::Transport, error.to_string())
    };
    own.ensure(&program, &control).await.map(|()| Vec::new()).map_err(failed)
}

/// Finds this user's own relay.
pub(crate) fn find_own(runtime: Option<&Path>, temporary: &Path) -> Result<OwnRelay, Error> {
    OwnRelay::find(runtime, temporary)
        .map_err(|error| Error::new(ErrorKind::InvalidRequest, Fault::Caller, error.to_string()))
}

/// Where a reader starts: `beginning`, `tail`, or a byte offset.
///
/// # Errors
/// `RequestError` for anything else.
pub(crate) fn start(start: &str) -> PyResult<Start> {
    match (start, start.parse()) {
        ("beginning", _) => Ok(Start::Beginning),
        ("tail", _) => Ok(Start::Tail),
        (_, Ok(byte)) => Ok(Start::Byte(byte)),
        (other, Err(_)) => Err(failure::bad_input(format!(
            "a reader starts at \"beginning\", \"tail\" or a byte offset, not {other:?}"
        ))),
    }
}

fn time(seconds: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        let message = format!("{seconds} is not a number of seconds, 0 or more");
        Error::new(ErrorKind::InvalidRequest, Fault::Caller, message)
    })
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorKind::Protocol, Fault::Protocol, error.to_string()))
}
