//! Lists of jobs, once or with changes. Both are produced as they are read, because a list may be long and
//! its reader slow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::{self, Sender, error::SendError};
use towline::relay::{AnswerState, Job};

use super::answer::{Answer, Refusal, typed};
use super::body::Body;
use super::control::{find, shown};
use super::input;
use crate::access::Caller;
use crate::id::{Owner, StreamId};
use crate::job::job_state;
use crate::meta::now_ms;
use crate::registry::Entry;
use crate::relay::{Relay, RelayPhase};
use crate::store::StreamNo;

/// The size at which a piece of a list is sent, in bytes.
const PIECE_BYTES: usize = 16 << 10;
/// The number of streams that are checked before the task yields, because a filter may match few of a long
/// list.
const YIELD_EVERY: usize = 256;
/// More rows than a tall screen shows.
const NEWEST: usize = 30;
/// The number of changes that wait for a slow watcher.
const WATCHED: usize = 16;
/// How often a watcher gets the running jobs, in addition to changes.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// A filter for jobs.
#[derive(Debug, Clone, Default)]
struct Filter {
    running: Option<bool>,
    state: Option<AnswerState>,
    model: Option<String>,
    name: Option<String>,
    conversation: Option<String>,
    group: Option<String>,
    /// In lower case.
    text: Option<String>,
    /// Unix milliseconds.
    since_ms: u64,
}

impl Filter {
    fn read(query: Option<&str>) -> Result<Self, Refusal> {
        let (running, state) = match input::query(query, "state")?.as_deref() {
            None | Some("all") => (None, None),
            Some("running") => (Some(true), None),
            Some("ended") => (Some(false), None),
            Some(one) => match serde_json::from_value(one.into()) {
                Ok(AnswerState::Other(_)) | Err(_) => {
                    return Err(Refusal::bad("state takes running, ended, all, or one of a job's states"));
                }
                Ok(state) => (None, Some(state)),
            },
        };
        let since_ms = match input::query(query, "since_s")? {
            None => 0,
            Some(text) => {
                let since = input::seconds(&text)
                    .ok_or_else(|| Refusal::bad("since_s takes a number of seconds before now"))?;
                now_ms().saturating_sub(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
        };
        Ok(Self {
            running,
            state,
            model: input::query(query, "model")?,
            name: input::query(query, "name")?,
            conversation: input::query(query, "conversation")?,
            group: input::query(query, "group")?,
            text: input::query(query, "text")?.map(|text| text.to_lowercase()),
            since_ms,
        })
    }

    fn takes(&self, entry: &Entry) -> bool {
        entry.log.with_meta(|meta, _| {
            let Some(record) = &meta.job else { return false };
            let Some(state) = job_state(entry.job.as_ref(), meta) else { return false };
            let has = |text: &String| {
                let question = record.question.as_deref().unwrap_or_default();
                [record.name.as_str(), question, record.model.as_str()]
                    .iter()
                    .any(|own| own.to_lowercase().contains(text.as_str()))
            };
            self.running.is_none_or(|running| running != state.is_ended())
                && self.state.as_ref().is_none_or(|wanted| *wanted == state)
                && self.model.as_ref().is_none_or(|model| *model == record.model)
                && self.name.as_ref().is_none_or(|name| *name == record.name)
                && (self.conversation.is_none() || self.conversation == record.conversation)
                && (self.group.is_none() || self.group == record.group)
                && meta.created_ms >= self.since_ms
                && self.text.as_ref().is_none_or(has)
        })
    }
}

pub(super) fn list(relay: &Arc<Relay>, caller: &Caller, query: Option<&str>) -> Result<Answer, Refusal> {
    let filter = Filter::read(query)?;
    match input::query(query, "watch")?.as_deref() {
        None | Some("false") => {}
        Some("true" | "") => return Ok(watch(relay, caller.clone(), filter)),
        Some(_) => return Err(Refusal::bad("watch takes true or false")),
    }
    let limit = match input::query(query, "limit")? {
        None => u64::MAX,
        Some(text) => input::digits(&text)
            .filter(|limit| *limit > 0)
            .ok_or_else(|| Refusal::bad("limit takes a whole number of jobs, 1 or more"))?,
    };
    let after = input::query(query, "after")?.map(|after| from(relay, caller, &after)).transpose()?;
    let mut jobs =
        Jobs { relay: Arc::clone(relay), owner: caller.owner.clone(), filter, after, limit, count: 0 };
    let (mut first, is_all) = jobs.next();
    first.splice(..0, *b"{\"jobs\":[");
    if is_all {
        return Ok(typed(StatusCode::OK, "application/json", Body::whole(first)));
    }
    let (pieces, body) = mpsc::channel(1);
    relay.tasks.start(async move {
        let (mut piece, mut is_all) = (first, false);
        // The reader has disconnected.
        while pieces.send(piece.into()).await.is_ok() && !is_all {
            (piece, is_all) = jobs.next();
            while piece.is_empty() && !pieces.is_closed() {
                tokio::task::yield_now().await;
                (piece, is_all) = jobs.next();
            }
        }
    });
    Ok(typed(StatusCode::OK, "application/json", Body::Pieces(body)))
}

/// The newest jobs, as many as fit on a screen, for the page's document.
pub(super) fn newest(relay: &Relay, caller: &Caller) -> Vec<Job> {
    relay.registry.newest(&caller.owner, NEWEST).iter().filter_map(shown).collect()
}

/// The number of the stream after which a page begins: the `next` of the previous page, which may be deleted
/// by now, or a job.
fn from(relay: &Relay, caller: &Caller, after: &str) -> Result<StreamNo, Refusal> {
    match input::digits(after) {
        Some(no) => Ok(no),
        None => Ok(find(relay, caller, after)?.log.no),
    }
}

/// A list of jobs, piece by piece.
struct Jobs {
    relay: Arc<Relay>,
    owner: Owner,
    filter: Filter,
    after: Option<StreamNo>,
    limit: u64,
    count: u64,
}

impl Jobs {
    /// The next piece, which may be empty, and whether it is the last.
    fn next(&mut self) -> (Vec<u8>, bool) {
        let mut is_page = false;
        let mut piece = Vec::new();
        for (checked, entry) in self.relay.registry.each(self.owner.clone(), self.after).enumerate() {
            if checked == YIELD_EVERY {
                return (piece, false);
            }
            self.after = Some(entry.log.no);
            let Some(job) = Some(entry).filter(|entry| self.filter.takes(entry)).as_ref().and_then(shown)
            else {
                continue;
            };
            if self.count > 0 {
                piece.push(b',');
            }
            piece.append(&mut to_json(&job));
            self.count += 1;
            if self.count == self.limit {
                is_page = true;
                break;
            }
            if piece.len() >= PIECE_BYTES {
                return (piece, false);
            }
        }
        let next = self.after.filter(|_| is_page).map(|no| no.to_string());
        piece.extend_from_slice(b"],\"next\":");
        piece.append(&mut to_json(&next));
        piece.push(b'}');
        (piece, true)
    }
}

fn watch(relay: &Arc<Relay>, caller: Caller, filter: Filter) -> Answer {
    let (lines, pieces) = mpsc::channel(WATCHED);
    let own = Arc::clone(relay);
    relay.tasks.start(async move {
        let mut watcher = Watcher {
            relay: &own,
            caller: &caller,
            filter: &filter,
            lines: &lines,
            reported: BTreeMap::new(),
            running: BTreeMap::new(),
        };
        tokio::select! {
            _ = watcher.run() => {}
            () = lines.closed() => {}
            () = own.reaches(RelayPhase::Closing) => {}
        }
    });
    typed(StatusCode::OK, "application/x-ndjson", Body::Pieces(pieces))
}

/// A watcher, which receives every job in its current state, then each change.
struct Watcher<'a> {
    relay: &'a Relay,
    caller: &'a Caller,
    filter: &'a Filter,
    lines: &'a Sender<Bytes>,
    /// The streams that were reported and not removed.
    reported: BTreeMap<StreamNo, StreamId>,
    /// The running ones among these, with their reported sizes in bytes.
    running: BTreeMap<StreamNo, u64>,
}

impl Watcher<'_> {
    async fn run(&mut self) -> Result<(), SendError<Bytes>> {
        let mut changes = self.relay.registry.watch();
        let mut pause = tokio::time::interval(WATCH_PAUSE);
        self.send_all().await?;
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Ok(change) if change.owner != self.caller.owner => {}
                    Ok(change) => self.send_change(change.no, &change.id).await?,
                    Err(RecvError::Lagged(_)) => self.send_all().await?,
                    Err(RecvError::Closed) => return Ok(()),
                },
                _ = pause.tick() => self.send_running().await?,
            }
        }
    }

    /// Reports every job in its current state, and the jobs that are gone since the last report.
    async fn send_all(&mut self) -> Result<(), SendError<Bytes>> {
        let mut gone = std::mem::take(&mut self.reported);
        self.running.clear();
        let (relay, caller) = (self.relay, self.caller);
        for (checked, entry) in (1..).zip(relay.registry.each(caller.owner.clone(), None)) {
            if checked % YIELD_EVERY == 0 {
                tokio::task::yield_now().await;
            }
            if self.filter.takes(&entry) {
                gone.remove(&entry.log.no);
                self.send_job(&entry).await?;
            }
        }
        for id in gone.into_values() {
            self.send_removed(&id).await?;
        }
        Ok(())
    }

    async fn send_change(&mut self, no: StreamNo, id: &StreamId) -> Result<(), SendError<Bytes>> {
        let entry = self.relay.registry.find(&self.caller.owner, id).filter(|entry| entry.log.no == no);
        match entry {
            Some(entry) if self.filter.takes(&entry) => self.send_job(&entry).await,
            // A job that no longer matches the filter is reported once more.
            Some(entry) if self.reported.remove(&no).is_some() => {
                self.running.remove(&no);
                match shown(&entry) {
                    Some(job) => self.send(&job).await,
                    None => Ok(()),
                }
            }
            None if self.reported.remove(&no).is_some() => {
                self.running.remove(&no);
                self.send_removed(id).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Reports the running jobs that have grown.
    async fn send_running(&mut self) -> Result<(), SendError<Bytes>> {
        let ran: Vec<(StreamNo, u64)> = self.running.iter().map(|(no, bytes)| (*no, *bytes)).collect();
        for (no, bytes) in ran {
            let Some(id) = self.reported.get(&no) else { continue };
            let Some(entry) = self.relay.registry.find(&self.caller.owner, id) else { continue };
            if entry.log.visible().end.position != bytes && self.filter.takes(&entry) {
                self.send_job(&entry).await?;
            }
        }
        Ok(())
    }

    async fn send_job(&mut self, entry: &Entry) -> Result<(), SendError<Bytes>> {
        let Some(job) = shown(entry) else { return Ok(()) };
        self.reported.insert(entry.log.no, entry.id.clone());
        if job.state.is_ended() {
            self.running.remove(&entry.log.no);
        } else {
            self.running.insert(entry.log.no, job.bytes);
        }
        self.send(&job).await
    }

    async fn send_removed(&self, id: &StreamId) -> Result<(), SendError<Bytes>> {
        self.send(&json!({"removed": id.as_str()})).await
    }

    async fn send(&self, value: &impl Serialize) -> Result<(), SendError<Bytes>> {
        let mut line = to_json(value);
        line.push(b'\n');
        self.lines.send(line.into()).await
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    // Plain data can always be written as JSON.
    serde_json::to_vec(value).unwrap_or_default()
}
