//! Streams over HTTP: the base part of the Durable Streams protocol (draft 1.0), and the raw live tail.
//!
//! Forks and subscriptions are not supported. Our extensions have their own names: `live=raw`, `Towline-*`.

mod append;
mod create;
mod json;
mod live;
mod read;
mod sse;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method, Request, StatusCode};

use super::answer::{Answer, Code, Refusal, empty, set};
use super::{control, input};
use crate::access::Caller;
use crate::id::{Owner, StreamId};
use crate::log::{Broken, Visible};
use crate::registry::Entry;
use crate::relay::Relay;
use crate::store::RedisError;

pub(super) async fn answer(
    relay: &Arc<Relay>,
    caller: &Caller,
    id: &str,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let id = StreamId::parse(id).ok_or_else(|| {
        Refusal::bad(
            "the stream's id has characters that are not allowed, an empty segment, or more than 256 bytes",
        )
    })?;
    let owner = &caller.owner;
    match *request.method() {
        Method::GET => read::get(relay, find_fresh(relay, owner, &id).await?, &request).await,
        Method::HEAD => Ok(head(&find_fresh(relay, owner, &id).await?)),
        Method::PUT => create::create(relay, caller, id, request).await,
        Method::POST => append::post(relay, find_fresh(relay, owner, &id).await?, request).await,
        Method::DELETE => delete(relay, &find(relay, owner, &id)?).await,
        _ => Err(Refusal::wrong_method("GET, HEAD, PUT, POST, DELETE")),
    }
}

/// The stream, unless it has expired.
fn find(relay: &Relay, owner: &Owner, id: &StreamId) -> Result<Entry, Refusal> {
    let entry = relay.registry.find(owner, id).ok_or_else(Refusal::no_such_stream)?;
    if entry.is_over(relay.config.retention.longest) {
        relay.registry.expire(&entry);
        return Err(Refusal::no_such_stream());
    }
    Ok(entry)
}

/// The stream, including the writes of other relays.
async fn find_fresh(relay: &Relay, owner: &Owner, id: &StreamId) -> Result<Entry, Refusal> {
    let entry = find(relay, owner, id)?;
    if let Some(shared) = &relay.shared {
        shared.fresh_stream(&entry).await.map_err(store_failed)?;
    }
    Ok(entry)
}

fn head(entry: &Entry) -> Answer {
    let mut answer = empty(StatusCode::OK);
    let visible = entry.log.visible();
    set(&mut answer, "cache-control", "no-store");
    set(&mut answer, "stream-next-offset", &visible.end.to_string());
    if visible.closed {
        set(&mut answer, "stream-closed", "true");
    }
    describe(&mut answer, entry);
    answer
}

/// Sets the headers that every response about a stream has.
fn describe(answer: &mut Answer, entry: &Entry) {
    entry.log.with_meta(|meta, _| {
        set(answer, "content-type", &meta.content_type);
        if let Some(ttl) = meta.ttl_s {
            set(answer, "stream-ttl", &ttl.to_string());
        }
        if let Some((text, _)) = &meta.expires_at {
            set(answer, "stream-expires-at", text);
        }
        if meta.job.is_some() {
            set(answer, "towline-stream", meta.id.as_str());
        }
    });
}

async fn delete(relay: &Relay, entry: &Entry) -> Result<Answer, Refusal> {
    remove(relay, entry).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Removes a stream; a job that writes it is cancelled first, and has ended when this returns.
pub(super) async fn remove(relay: &Relay, entry: &Entry) -> Result<(), Refusal> {
    if let Some(job) = &entry.job
        && let Ok(sent) = job.cancel("its stream was deleted")
    {
        control::arrived(sent).await?;
        let mut changes = job.watch();
        // The sender lives as long as the job.
        while !job.state().is_ended() && changes.changed().await.is_ok() {}
    }
    let mut entry = entry.clone();
    loop {
        let ticket = relay.registry.remove(&entry).ok_or_else(Refusal::no_such_stream)?;
        match (entry.log.written(ticket).await, &relay.shared) {
            // Other relays have written to it meanwhile; it is deleted anyway.
            (Err(Broken::Taken), Some(shared)) => {
                shared.restore(entry.log.no).await.map_err(store_failed)?;
                let Some(found) = relay.registry.numbered(entry.log.no) else { return Ok(()) };
                entry = found;
            }
            (written, _) => return written.map_err(broken),
        }
    }
}

pub(super) fn store_failed(error: RedisError) -> Refusal {
    broken(Broken::Store(error.to_string()))
}

pub(super) fn broken(broken: Broken) -> Refusal {
    match broken {
        Broken::Removed => Refusal::no_such_stream(),
        Broken::Full => Refusal::new(Code::Full, broken.to_string()).with("retry-after", "5"),
        Broken::Store(_) | Broken::Taken => {
            Refusal::new(Code::Unavailable, broken.to_string()).with("retry-after", "5")
        }
    }
}

/// Refuses further bytes of an owner whose clients' streams have reached their limit: these streams are not
/// evicted, so they would take the room of others.
fn room_for(relay: &Relay, owner: &Owner, bytes: usize) -> Result<(), Refusal> {
    let most = relay.config.share_of(relay.config.retention.bytes);
    if relay.registry.add_written(owner, bytes as u64, most) {
        return Ok(());
    }
    let message = format!(
        "the streams of this owner would have more than {most} bytes, which is limits.share of keep.bytes; delete some"
    );
    Err(Refusal::new(Code::Full, message))
}

pub(super) fn too_many(relay: &Relay) -> Refusal {
    let most = relay.config.limits.streams;
    let own = relay.config.share_of(most as u64);
    let message = if own < most as u64 {
        format!(
            "there are {most} streams (limits.streams), or {own} of this owner (limits.share); delete some"
        )
    } else {
        format!("there are {most} streams, which is limits.streams; delete some")
    };
    Refusal::new(Code::Limit, message)
}

pub(super) fn too_many_readers(relay: &Relay) -> Refusal {
    let most = relay.config.limits.readers;
    Refusal::new(Code::Limit, format!("the stream has {most} readers, which is limits.readers"))
}

fn content_type(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    Ok(input::header(headers, CONTENT_TYPE.as_str())?.map(str::trim).filter(|text| !text.is_empty()))
}

/// The refusal of a write to a closed stream, with its final offset.
fn is_closed(seen_end: &str) -> Refusal {
    Refusal::new(Code::Conflict, "the stream is closed; nothing can be appended")
        .with("stream-closed", "true")
        .with("stream-next-offset", seen_end)
}

/// Sets the offset of the next read, and the state there.
fn set_position(answer: &mut Answer, next: &str, at_end: bool, closed: bool) {
    set(answer, "stream-next-offset", next);
    if at_end {
        set(answer, "stream-up-to-date", "true");
    }
    if closed {
        set(answer, "stream-closed", "true");
    }
}

/// The array for a body of JSON values; `None` if the body is refused.
pub(crate) fn read_json_lines(body: &bytes::Bytes) -> Option<Vec<u8>> {
    json::messages(body, true).ok().map(|lines| json::array(&lines))
}

/// Seconds between two cursors, counted from 2024-10-09, as the protocol specifies for caches that merge
/// readers.
const CURSOR_SECONDS: u64 = 20;
const CURSOR_EPOCH: u64 = 1_728_432_000;
/// A reader that returns within one cursor interval is advanced by up to this many, so that no cache loops.
const CURSOR_JITTER: u64 = 180;

/// The cursor after the client's.
fn cursor(given: Option<&str>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let current = now.saturating_sub(CURSOR_EPOCH) / CURSOR_SECONDS;
    let next = match given.and_then(input::digits) {
        Some(given) if given >= current => given + 1 + now % CURSOR_JITTER,
        Some(_) | None => current,
    };
    next.to_string()
}

fn next_offset(visible: Visible) -> String {
    visible.end.to_string()
}
