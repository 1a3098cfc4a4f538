//! `PUT`: creates a stream.

use hyper::body::Incoming;
use hyper::{HeaderMap, Request, StatusCode};

use super::super::answer::{Answer, Code, Refusal, empty, set};
use super::super::guard::host_of;
use super::super::input;
use super::{broken, content_type, describe, json, next_offset, room_for, too_many};
use crate::access::Caller;
use crate::housekeeping;
use crate::id::StreamId;
use crate::log::Broken;
use crate::meta::{Meta, media_type};
use crate::registry::{CreateError, Entry};
use crate::relay::Relay;

const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";
/// The maximum length of a content type, in bytes.
const CONTENT_TYPE_BYTES: usize = 256;

pub(super) async fn create(
    relay: &Relay,
    caller: &Caller,
    id: StreamId,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let owner = &caller.owner;
    let location = location(caller, &id, &request)?;
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    for fork in ["stream-forked-from", "stream-fork-offset", "stream-fork-sub-offset"] {
        if headers.contains_key(fork) {
            return Err(Refusal::new(Code::Unsupported, "this server does not support forks"));
        }
    }
    let content_type = content_type(headers)?.unwrap_or(DEFAULT_CONTENT_TYPE);
    if content_type.len() > CONTENT_TYPE_BYTES {
        return Err(Refusal::bad(format!("the Content-Type is longer than {CONTENT_TYPE_BYTES} bytes")));
    }
    let mut meta = Meta::new(id.clone(), owner.clone(), content_type, relay.registry.incarnation());
    (meta.ttl_s, meta.expires_at) = lifetime(headers)?;
    meta.closed = input::is_true(headers, "stream-closed");
    let input::ReceivedBody { bytes: body, room: _room } =
        input::read(relay, body, relay.config.limits.append_bytes).await?;
    let bytes = if meta.is_json() && !body.is_empty() { json::messages(&body, true)? } else { body };
    if let Some(entry) = relay.registry.find(owner, &id)
        && entry.is_over(relay.config.retention.longest)
    {
        relay.registry.expire(&entry);
    }
    room_for(relay, owner, bytes.len())?;
    housekeeping::make_room(relay, owner);
    let wanted = meta.clone();
    match relay.registry.create(meta, &bytes, None, |_| None) {
        Ok((entry, ticket)) => {
            match entry.log.written(ticket).await {
                // Another relay has created a stream with this id meanwhile.
                Err(Broken::Taken) => {
                    relay.registry.forget(&entry);
                    let _is_fresh = relay.fresh().await;
                    let found = relay.registry.find(owner, &id).ok_or_else(|| broken(Broken::Taken))?;
                    return known(&found, &wanted);
                }
                written => written.map_err(broken)?,
            }
            let mut answer = described(&entry, StatusCode::CREATED);
            set(&mut answer, "location", &location);
            Ok(answer)
        }
        Err(CreateError::Exists(entry)) => known(&entry, &wanted),
        Err(CreateError::Full) => Err(too_many(relay)),
    }
}

/// The response for a stream that already existed.
fn known(entry: &Entry, wanted: &Meta) -> Result<Answer, Refusal> {
    if is_same(entry, wanted) {
        return Ok(described(entry, StatusCode::OK));
    }
    Err(Refusal::new(Code::Conflict, "a stream with this id exists and has another configuration"))
}

/// The URL of the stream, with the scheme and host that the client used, also through a proxy that terminates
/// TLS.
fn location<B>(caller: &Caller, id: &StreamId, request: &Request<B>) -> Result<String, Refusal> {
    let host = host_of(request)?;
    if host.is_empty() {
        return Ok(format!("/streams/{id}"));
    }
    let is_https = caller.over_tls || input::header(request.headers(), "x-forwarded-proto")? == Some("https");
    Ok(format!("{}://{host}/streams/{id}", if is_https { "https" } else { "http" }))
}

fn described(entry: &Entry, status: StatusCode) -> Answer {
    let mut answer = empty(status);
    let visible = entry.log.visible();
    set(&mut answer, "stream-next-offset", &next_offset(visible));
    if visible.closed {
        set(&mut answer, "stream-closed", "true");
    }
    describe(&mut answer, entry);
    answer
}

fn is_same(entry: &Entry, wanted: &Meta) -> bool {
    entry.log.with_meta(|meta, _| {
        meta.job.is_none()
            && media_type(&meta.content_type) == media_type(&wanted.content_type)
            && meta.ttl_s == wanted.ttl_s
            && meta.expires_at.as_ref().map(|(_, at)| at) == wanted.expires_at.as_ref().map(|(_, at)| at)
            && meta.closed == wanted.closed
    })
}

type Lifetime = (Option<u64>, Option<(String, u64)>);

fn lifetime(headers: &HeaderMap) -> Result<Lifetime, Refusal> {
    let ttl = input::header(headers, "stream-ttl")?;
    let expires = input::header(headers, "stream-expires-at")?;
    match (ttl, expires) {
        (Some(_), Some(_)) => Err(Refusal::bad("Stream-TTL and Stream-Expires-At exclude each other")),
        (Some(ttl), None) => {
            let seconds = input::digits(ttl);
            let seconds = seconds
                .ok_or_else(|| Refusal::bad("Stream-TTL takes a whole number of seconds, in digits"))?;
            Ok((Some(seconds), None))
        }
        (None, Some(text)) => {
            let wrong = || Refusal::bad("Stream-Expires-At takes a time such as 2026-01-31T12:00:00Z");
            let at: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
            let ms = u64::try_from(at.as_millisecond()).map_err(|_| wrong())?;
            Ok((None, Some((text.to_owned(), ms))))
        }
        (None, None) => Ok((None, None)),
    }
}
