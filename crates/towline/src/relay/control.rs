//! The calls that look at a relay's jobs and control them.

use std::future::poll_fn;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use towline_core::error::Error;
use towline_core::http1::Method;
use towline_core::job::Deadline;

use super::config::{RelayConfig, Via};
use super::job::Job;
use super::submit::Start;
use super::tail::{Follow, Tail, Tailed};
use super::watch::Watch;
use super::wire::{Position, StreamId, odd};
use crate::client::Client;

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
/// Dropping the future of a call closes its connection; the relay may have done what it was told.
///
/// # Errors
/// Every call returns an [`Error`]: [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) for an id that the relay does not have, or not for this
/// owner, [`ErrorKind::Connect`](crate::error::ErrorKind::Connect) where no relay answers.
#[derive(Debug, Clone)]
pub struct Control {
    client: Client,
}

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that run (`Some(true)`) or that have ended (`Some(false)`). Default: all.
    pub running: Option<bool>,
    /// Only those of this model. Default: all.
    pub model: Option<String>,
    /// Only the one of this name. Default: all.
    pub name: Option<String>,
    /// Only those with this text in their name, question or model, whatever its case. Default: all.
    pub text: Option<String>,
    /// Only those of this conversation. Default: all.
    pub conversation: Option<String>,
    /// Only those of this group. Default: all.
    pub group: Option<String>,
    /// Only those that were made within this time until now. Default: all.
    pub since: Option<Duration>,
}

/// Which relay it is.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct RelayVersion {
    /// Its version.
    pub version: String,
    /// Its process.
    #[serde(default)]
    pub pid: u32,
    /// How long it runs, in seconds.
    #[serde(default)]
    pub uptime_s: f64,
    /// Answers that run, those included that wait for their turn.
    #[serde(default)]
    pub running: u64,
    /// Of these, those that wait.
    #[serde(default)]
    pub queued: u64,
    /// Streams that are kept, running or not.
    #[serde(default)]
    pub streams: u64,
    /// The model servers that it was configured with.
    #[serde(default)]
    pub servers: Vec<RelayServer>,
    /// Where it listens.
    #[serde(default)]
    pub listen: Vec<String>,
}

/// A model server that a relay was configured with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct RelayServer {
    /// Its name, by which a request can choose it.
    pub name: String,
    /// It answered when the relay last looked.
    pub up: bool,
}

/// What a phone is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pairing {
    /// What it is called. Default: `device`, with a number where that is taken.
    pub name: String,
    /// Whose answers it sees. Default: the caller's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where the relay listens for phones, where it has no address with TLS. Default: `0.0.0.0:11437`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Names and addresses for the certificate, where the relay makes one. Default: this machine's name alone.
    pub hosts: Vec<String>,
}

/// A link for a phone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Paired {
    /// The secret of the link, which stands behind `#` in its address. It works once, for 10 minutes.
    pub token: String,
    /// Where the phone comes in, as the relay listens.
    pub listen: String,
    /// The SHA-256 fingerprint of the certificate, where the relay made it itself.
    pub fingerprint: Option<String>,
}

/// A browser that came in by a link.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Whose answers it sees.
    pub owner: String,
    /// When it came first, as RFC 3339 has it.
    pub created_at: String,
    /// When it came last, to the day.
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
    /// Control of the relay that the client speaks to.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The jobs as they are now, those that were made first, first.
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

    /// The jobs as they are, and every change from then on.
    pub fn watch(&self, filter: &Filter) -> Watch {
        Watch::new(self.client.clone(), self.config(), filter)
    }

    /// One job.
    pub async fn job(&self, id: &str) -> Result<Job, Error> {
        self.client.call(Method::Get, &path(id, "")?, None::<&()>).await
    }

    /// The job once it has ended, or as it is when `time` is up, to the second.
    pub async fn wait(&self, id: &str, time: Duration) -> Result<Job, Error> {
        let until = tokio::time::Instant::now() + time;
        loop {
            // Short enough for whatever on the way ends silent connections.
            let left = until.saturating_duration_since(tokio::time::Instant::now()).min(LONGEST_WAIT);
            let path = path(id, &format!("?wait={}", left.as_secs_f64().ceil()))?;
            let job: Job = self.client.call(Method::Get, &path, None::<&()>).await?;
            if job.state.is_ended() || left < LONGEST_WAIT {
                return Ok(job);
            }
        }
    }

    /// Tells a job to stop. It may be *cancelling* for a while: [`wait`](Self::wait) says when it has ended. `reason`
    /// is for people.
    pub async fn cancel(&self, id: &str, reason: &str) -> Result<Job, Error> {
        self.post(id, "/cancel", &json!({ "reason": reason })).await
    }

    /// Moves a job's deadline.
    pub async fn set_deadline(&self, id: &str, deadline: Deadline) -> Result<Job, Error> {
        let body = match deadline {
            Deadline::In(time) => json!({ "in_s": time.as_secs_f64() }),
            Deadline::ExtendBy(time) => json!({ "extend_s": time.as_secs_f64() }),
            Deadline::Never => json!({ "none": true }),
        };
        self.post(id, "/deadline", &body).await
    }

    /// The relay reads no more from the job's server until it is unpaused.
    pub async fn pause(&self, id: &str) -> Result<Job, Error> {
        self.post(id, "/pause", &json!({})).await
    }

    /// The relay reads again.
    pub async fn unpause(&self, id: &str) -> Result<Job, Error> {
        self.post(id, "/unpause", &json!({})).await
    }

    /// Forgets a job and its log. One that runs is cancelled first.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        let path = path(id, "")?;
        self.client.call_for_status(Method::Delete, &path, None::<&()>).await
    }

    /// The bytes of a job's log from `start` on, exactly as its server sent them. With `live` it ends when the log is
    /// closed, else with what there is now.
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

    /// The job that `handle` stands for: its name, its id, its number (`%3`), or what its id alone begins with, from 4
    /// characters on. Every call
    /// that takes an id takes a handle.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) where there is none, [`ErrorKind::Rejected`](crate::error::ErrorKind::Rejected) where there are several.
    pub async fn find(&self, handle: &str) -> Result<Job, Error> {
        self.job(handle).await
    }

    /// Asks the same again: a new job, which belongs to the same conversation and turn.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::error::ErrorKind::Rejected) where the request was not kept.
    pub async fn retry(&self, id: &str) -> Result<Job, Error> {
        #[derive(Deserialize)]
        struct Accepted {
            id: String,
        }
        let accepted: Accepted =
            self.client.call(Method::Post, &path(id, "/retry")?, Some(&json!({}))).await?;
        self.job(&accepted.id).await
    }

    /// Gives a job another name, which no other job of this owner may have.
    pub async fn rename(&self, id: &str, name: &str) -> Result<Job, Error> {
        self.post(id, "/rename", &json!({ "name": name })).await
    }

    /// The request that a job was begun with, where the relay kept it.
    pub async fn request(&self, id: &str) -> Result<Value, Error> {
        self.client.call(Method::Get, &path(id, "/request")?, None::<&()>).await
    }

    /// Which relay it is.
    pub async fn version(&self) -> Result<RelayVersion, Error> {
        self.client.call(Method::Get, "/towline/v1/version", None::<&()>).await
    }

    /// Ends the relay, once what it runs has had its time to drain. Only over a Unix socket.
    pub async fn shutdown(&self) -> Result<(), Error> {
        self.client.call_for_status(Method::Post, SHUTDOWN, Some(&json!({}))).await
    }

    /// Ends the relay if nothing runs there. Only over a Unix socket.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::error::ErrorKind::Rejected) where something runs.
    pub async fn shutdown_if_idle(&self) -> Result<(), Error> {
        self.client.call_for_status(Method::Post, SHUTDOWN, Some(&json!({ "if_idle": true }))).await
    }

    /// Copies the relay's store into a new folder, as it is at this moment, while the relay runs. Gives the number of streams. The
    /// relay writes the folder, so the path is absolute. Only over a Unix socket.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::error::ErrorKind::Rejected) where the folder is there already.
    pub async fn back_up(&self, folder: &std::path::Path) -> Result<u64, Error> {
        #[derive(Deserialize)]
        struct Copied {
            streams: u64,
        }
        let order = json!({ "folder": folder });
        let copied: Copied = self.client.call(Method::Post, "/towline/v1/backup", Some(&order)).await?;
        Ok(copied.streams)
    }

    /// A link to the relay's page for a browser on this machine. It works once, for 10 minutes; what comes in by it lasts as long
    /// as the relay. Only over a Unix socket.
    pub async fn page(&self) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Opened {
            url: String,
        }
        let opened: Opened = self.client.call(Method::Post, "/towline/v1/page", Some(&json!({}))).await?;
        Ok(opened.url)
    }

    /// The secret of a link for a device of this owner, which works once, for 10 minutes: the relay's address with it behind `#`
    /// is the link. `name` is what the device is called.
    pub async fn link(&self, name: &str) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Made {
            token: String,
        }
        let order = json!({ "name": name });
        let made: Made = self.client.call(Method::Post, DEVICES, Some(&order)).await?;
        Ok(made.token)
    }

    /// A link for a phone, and an address with TLS where it can come in: the relay opens one where it has none. Only over a Unix socket.
    pub async fn pair(&self, pairing: &Pairing) -> Result<Paired, Error> {
        self.client.call(Method::Post, "/towline/v1/pair", Some(pairing)).await
    }

    /// The browsers that came in by a link: those of this owner, or over a Unix socket all.
    pub async fn devices(&self) -> Result<Vec<Device>, Error> {
        #[derive(Deserialize)]
        struct Listed {
            devices: Vec<Device>,
        }
        let listed: Listed = self.client.call(Method::Get, DEVICES, None::<&()>).await?;
        Ok(listed.devices)
    }

    /// Revokes the device of this name; what it reads is cut at once.
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

/// Jobs that are fetched at once.
const PAGE: usize = 1000;

/// The longest that one call waits for a job's end.
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

/// The bytes of a log. Connections that are lost are made again by themselves.
#[derive(Debug)]
pub struct JobLog {
    tail: Tail,
}

impl JobLog {
    /// Appends the bytes that come next to `out` and says how many; `None` at the end.
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
