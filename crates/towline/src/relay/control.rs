//! The calls that list and control a relay's jobs.

use std::future::poll_fn;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use towline_core::error::Error;
use towline_core::http1::Method;
use towline_core::job::Deadline;

use super::job::Job;
use super::submit::Start;
use super::tail::{Follow, Tail, Tailed};
use super::watch::Watch;
use super::wire::{Position, StreamId, odd};
use crate::handle::Client;
use crate::via::{RelayConfig, Via};

/// Lists and controls the jobs of a relay.
///
/// ```no_run
/// use std::time::Duration;
/// use towline::Deadline;
/// use towline::relay::{Control, Filter};
///
/// # async fn example(client: &towline::Client) -> Result<(), towline::Error> {
/// let control: Control = client.relay();
/// for job in control.list(&Filter { running: Some(true), ..Filter::default() }).await? {
///     control.set_deadline(&job.id, Deadline::In(Duration::from_secs(30))).await?;
/// }
/// let story = control.find("story").await?; // by name, number (%3), id or the beginning of an id
/// control.cancel(&story.id, "not now").await?;
/// println!("{}", control.wait(&story.id, Duration::from_secs(60)).await?.state);
/// # Ok(()) }
/// ```
///
/// # Cancel safety
/// Dropping the future of a call closes its connection; the relay may have carried out the order.
///
/// # Errors
/// Every call returns an [`Error`]: [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) for an id that
/// the relay does not have for this owner, [`ErrorKind::Connect`](crate::error::ErrorKind::Connect) if no
/// relay answers.
#[derive(Debug, Clone)]
pub struct Control {
    client: Client,
}

/// A filter for lists of jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only running jobs (`Some(true)`) or ended ones (`Some(false)`). Default: all.
    pub running: Option<bool>,
    /// Only jobs of this model. Default: all.
    pub model: Option<String>,
    /// Only the job of this name. Default: all.
    pub name: Option<String>,
    /// Only jobs with this text in their name, question or model, in any case. Default: all.
    pub text: Option<String>,
    /// Only jobs of this conversation. Default: all.
    pub conversation: Option<String>,
    /// Only jobs of this group. Default: all.
    pub group: Option<String>,
    /// Only jobs that were created within this time before now. Default: all.
    pub since: Option<Duration>,
}

/// Which relay it is.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct RelayVersion {
    /// Its version.
    pub version: String,
    /// Its process id.
    #[serde(default)]
    pub pid: u32,
    /// How long it has been running, in seconds.
    #[serde(default)]
    pub uptime_s: f64,
    /// Number of running answers, including queued ones.
    #[serde(default)]
    pub running: u64,
    /// Number of queued answers among them.
    #[serde(default)]
    pub queued: u64,
    /// Number of streams, running or ended.
    #[serde(default)]
    pub streams: u64,
    /// The configured model servers.
    #[serde(default)]
    pub servers: Vec<RelayServer>,
    /// The addresses on which it listens.
    #[serde(default)]
    pub listen: Vec<String>,
}

/// A model server that a relay was configured with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct RelayServer {
    /// Its name, by which a request can choose it.
    pub name: String,
    /// Whether it responded to the relay's last check.
    pub up: bool,
}

/// The settings for pairing a phone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pairing {
    /// The name of the device. Default: `device`, with a number if that is taken.
    pub name: String,
    /// The owner whose answers the device sees. Default: the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The address on which the relay listens for phones if it has no address with TLS. Default:
    /// `0.0.0.0:11437`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Names and addresses for the certificate, if the relay makes one. Default: only this machine's name.
    pub hosts: Vec<String>,
}

/// A link for a phone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Paired {
    /// The secret of the link, the part after `#` in its address. It works once, for 10 minutes.
    pub token: String,
    /// The address on which the relay listens for the phone.
    pub listen: String,
    /// The SHA-256 fingerprint of the certificate, if the relay made it.
    pub fingerprint: Option<String>,
}

/// A browser that signed in with a link.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Whose answers it sees.
    pub owner: String,
    /// When it first signed in, in RFC 3339.
    pub created_at: String,
    /// The day of its last visit.
    pub seen_at: String,
}

impl Filter {
    pub(super) fn query(&self) -> String {
        let state = match self.running {
            None => "all",
            Some(true) => "running",
            Some(false) => "ended",
        };
        let mut query = format!("?state={state}");
        let texts = [
            ("model", &self.model),
            ("name", &self.name),
            ("text", &self.text),
            ("conversation", &self.conversation),
            ("group", &self.group),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        if let Some(since) = self.since {
            query.push_str(&format!("&since_s={}", since.as_secs_f64()));
        }
        query
    }
}

impl Control {
    /// Control of the relay that the client talks to.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The current jobs, oldest first.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Job>, Error> {
        #[derive(Deserialize)]
        struct Page {
            jobs: Vec<Job>,
            next: Option<String>,
        }
        let mut jobs = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("{JOBS}{}&limit={PAGE}{after}", filter.query());
            let mut page: Page = self.client.call(Method::Get, &path, None::<&()>).await?;
            jobs.append(&mut page.jobs);
            match page.next {
                Some(next) => after = format!("&after={}", encoded(&next)),
                None => return Ok(jobs),
            }
        }
    }

    /// The current jobs, and every later change.
    pub fn watch(&self, filter: &Filter) -> Watch {
        Watch::new(self.client.clone(), self.config(), filter)
    }

    /// One job.
    pub async fn job(&self, id: &str) -> Result<Job, Error> {
        self.client.call(Method::Get, &path(id, "")?, None::<&()>).await
    }

    /// The job once it has ended, or its current state after `time`, to the second.
    pub async fn wait(&self, id: &str, time: Duration) -> Result<Job, Error> {
        let until = tokio::time::Instant::now() + time;
        loop {
            // Short enough for middleboxes that close silent connections.
            let left = until.saturating_duration_since(tokio::time::Instant::now()).min(LONGEST_WAIT);
            let path = path(id, &format!("?wait={}", left.as_secs_f64().ceil()))?;
            let job: Job = self.client.call(Method::Get, &path, None::<&()>).await?;
            if job.state.is_ended() || left < LONGEST_WAIT {
                return Ok(job);
            }
        }
    }

    /// Cancels a job. It may be *cancelling* for a while: [`wait`](Self::wait) returns when it has ended.
    /// `reason` is for people.
    pub async fn cancel(&self, id: &str, reason: &str) -> Result<Job, Error> {
        self.post(id, "/cancel", &json!({ "reason": reason })).await
    }

    /// Changes a job's deadline.
    pub async fn set_deadline(&self, id: &str, deadline: Deadline) -> Result<Job, Error> {
        let body = match deadline {
            Deadline::In(time) => json!({ "in_s": time.as_secs_f64() }),
            Deadline::ExtendBy(time) => json!({ "extend_s": time.as_secs_f64() }),
            Deadline::Never => json!({ "none": true }),
        };
        self.post(id, "/deadline", &body).await
    }

    /// Pauses a job: the relay stops reading from the job's server until it is unpaused.
    pub async fn pause(&self, id: &str) -> Result<Job, Error> {
        self.post(id, "/pause", &json!({})).await
    }

    /// Unpauses a job: the relay reads again.
    pub async fn unpause(&self, id: &str) -> Result<Job, Error> {
        self.post(id, "/unpause", &json!({})).await
    }

    /// Deletes a job and its log. A running job is cancelled first.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        let path = path(id, "")?;
        self.client.call_for_status(Method::Delete, &path, None::<&()>).await
    }

    /// The bytes of a job's log from `start` on, exactly as its server sent them. With `live` it ends when
    /// the log is closed, otherwise at the current end of the log.
    pub async fn log(&self, id: &str, start: Start, live: bool) -> Result<JobLog, Error> {
        let id = StreamId::parse(id)?;
        let job = self.job(id.as_str()).await?;
        let tail = Position::parse(&job.offset)
            .ok_or_else(|| odd("the relay does not say how long the stream is"))?;
        let at = match start {
            Start::Beginning => tail.at(0),
            Start::Byte(byte) => tail.at(byte),
            Start::Tail => tail,
        };
        let follow = if live { Follow::Live } else { Follow::Snapshot };
        Ok(JobLog { tail: Tail::start(&self.client, &self.config(), id, at, follow) })
    }

    /// The job that `handle` refers to: a name, an id, a number (`%3`), or a unique prefix of an id with at
    /// least 4 characters. Every call that takes an id also takes such a handle.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) if there is none,
    /// [`ErrorKind::Rejected`](crate::error::ErrorKind::Rejected) if there are several.
    pub async fn find(&self, handle: &str) -> Result<Job, Error> {
        self.job(handle).await
    }

    /// Repeats the request in a new job, which belongs to the same conversation and turn.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::error::ErrorKind::Rejected) if the request was not kept.
    pub async fn retry(&self, id: &str) -> Result<Job, Error> {
        #[derive(Deserialize)]
        struct Accepted {
            id: String,
        }
        let accepted: Accepted =
            self.client.call(Method::Post, &path(id, "/retry")?, Some(&json!({}))).await?;
        self.job(&accepted.id).await
    }

    /// Renames a job. No other job of the owner may have the new name.
    pub async fn rename(&self, id: &str, name: &str) -> Result<Job, Error> {
        self.post(id, "/rename", &json!({ "name": name })).await
    }

    /// The request of a job, if the relay kept it.
    pub async fn request(&self, id: &str) -> Result<Value, Error> {
        self.client.call(Method::Get, &path(id, "/request")?, None::<&()>).await
    }

    /// Which relay it is.
    pub async fn version(&self) -> Result<RelayVersion, Error> {
        self.client.call(Method::Get, "/towline/v1/version", None::<&()>).await
    }

    /// Shuts the relay down after it has drained its running answers. Only over a Unix socket.
    pub async fn shutdown(&self) -> Result<(), Error> {
        self.client.call_for_status(Method::Post, SHUTDOWN, Some(&json!({}))).await
    }

    /// Shuts the relay down if no answer runs. Only over a Unix socket.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::error::ErrorKind::Rejected) if an answer runs.
    pub async fn shutdown_if_idle(&self) -> Result<(), Error> {
        self.client.call_for_status(Method::Post, SHUTDOWN, Some(&json!({ "if_idle": true }))).await
    }

    /// Writes a consistent copy of the store of the running relay into a new folder, and returns the number
    /// of streams. The relay writes the folder, so the path must be absolute. Only over a Unix socket.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::error::ErrorKind::Rejected) if the folder already exists.
    pub async fn back_up(&self, folder: &std::path::Path) -> Result<u64, Error> {
        #[derive(Deserialize)]
        struct Copied {
            streams: u64,
        }
        let order = json!({ "folder": folder });
        let copied: Copied = self.client.call(Method::Post, "/towline/v1/backup", Some(&order)).await?;
        Ok(copied.streams)
    }

    /// A link to the relay's page for a browser on this machine. It works once, for 10 minutes; the browser
    /// stays signed in while the relay runs. Only over a Unix socket.
    pub async fn page(&self) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Opened {
            url: String,
        }
        let opened: Opened = self.client.call(Method::Post, "/towline/v1/page", Some(&json!({}))).await?;
        Ok(opened.url)
    }

    /// The secret of a link for a device of this owner. It works once, for 10 minutes. The link is the
    /// relay's address, `#` and the secret. `name` is the name of the device.
    pub async fn link(&self, name: &str) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Made {
            token: String,
        }
        let order = json!({ "name": name });
        let made: Made = self.client.call(Method::Post, DEVICES, Some(&order)).await?;
        Ok(made.token)
    }

    /// A link for a phone, and an address with TLS for it: the relay opens one if it has none. Only over a
    /// Unix socket.
    pub async fn pair(&self, pairing: &Pairing) -> Result<Paired, Error> {
        self.client.call(Method::Post, "/towline/v1/pair", Some(pairing)).await
    }

    /// The browsers that signed in with a link: those of this owner, or over a Unix socket all of them.
    pub async fn devices(&self) -> Result<Vec<Device>, Error> {
        #[derive(Deserialize)]
        struct Listed {
            devices: Vec<Device>,
        }
        let listed: Listed = self.client.call(Method::Get, DEVICES, None::<&()>).await?;
        Ok(listed.devices)
    }

    /// Revokes the device of this name; the relay closes its streams at once.
    pub async fn revoke(&self, name: &str) -> Result<(), Error> {
        let path = format!("{DEVICES}/{}", encoded(name));
        self.client.call_for_status(Method::Delete, &path, None::<&()>).await
    }

    async fn post(&self, id: &str, what: &str, body: &Value) -> Result<Job, Error> {
        self.client.call(Method::Post, &path(id, what)?, Some(body)).await
    }

    fn config(&self) -> RelayConfig {
        match &self.client.config().via {
            Via::Server => RelayConfig::default(),
            Via::Relay(config) => config.clone(),
        }
    }
}

pub(super) const JOBS: &str = "/towline/v1/jobs";
const DEVICES: &str = "/towline/v1/devices";
const SHUTDOWN: &str = "/towline/v1/shutdown";

/// Number of jobs that are fetched at once.
const PAGE: usize = 1000;

/// The longest time that one call waits for a job's end.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

fn path(id: &str, rest: &str) -> Result<String, Error> {
    Ok(format!("{JOBS}/{}{rest}", encoded(StreamId::parse(id)?.as_str())))
}

/// A text in a query.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    let byte = |b: u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(byte).collect()
}

/// The bytes of a log. Reconnects automatically.
#[derive(Debug)]
pub struct JobLog {
    tail: Tail,
}

impl JobLog {
    /// Appends the next bytes to `out` and returns their number; `None` at the end.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// The relay no longer has the log, or was out of reach for too long.
    pub async fn read(&mut self, out: &mut Vec<u8>) -> Result<Option<usize>, Error> {
        loop {
            match poll_fn(|cx| self.tail.poll_read(cx, out)).await? {
                Tailed::Bytes(count) => return Ok(Some(count)),
                Tailed::End => return Ok(None),
                Tailed::Lost | Tailed::Regained => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_queries() {
        let filter = Filter { running: Some(true), model: Some("a:b c&d".into()), ..Filter::default() };
        assert_eq!(filter.query(), "?state=running&model=a%3Ab%20c%26d");
        assert_eq!(Filter::default().query(), "?state=all");
    }
}
