//! `GET`: reads the existing bytes, or follows the stream.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::header::IF_NONE_MATCH;
use hyper::{Request, StatusCode};

use super::super::answer::{Answer, Code, Refusal, empty, plain, set};
use super::super::body::Body;
use super::super::input;
use super::{broken, describe, json, live, set_position, sse, store_failed};
use crate::log::{Cursor, CursorRead};
use crate::meta::now_ms;
use crate::offset::Offset;
use crate::registry::Entry;
use crate::relay::Relay;

/// The maximum size of one read, in bytes; a longer append is still returned whole.
const READ_BYTES: usize = 1 << 20;

/// How a reader follows a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LiveMode {
    No,
    LongPoll,
    Sse,
    Raw,
}

pub(super) async fn get(
    relay: &Arc<Relay>,
    entry: Entry,
    request: &Request<Incoming>,
) -> Result<Answer, Refusal> {
    let query = request.uri().query();
    let live = match input::query(query, "live")?.as_deref() {
        None => LiveMode::No,
        Some("long-poll") => LiveMode::LongPoll,
        Some("sse") => LiveMode::Sse,
        Some("raw") => LiveMode::Raw,
        Some(_) => return Err(Refusal::bad("live takes long-poll, sse or raw")),
    };
    let offset = match input::header(request.headers(), "last-event-id")? {
        // A browser that reconnects requests the same URL, and sends its offset in this header.
        Some(last) if live == LiveMode::Sse && Offset::parse(last).is_some() => Some(last.to_owned()),
        Some(_) | None => input::query(query, "offset")?,
    };
    if offset.is_none() && matches!(live, LiveMode::LongPoll | LiveMode::Sse) {
        return Err(Refusal::bad("a live read needs an offset; -1 is the beginning"));
    }
    entry.log.touch(now_ms());
    let position = position(relay, &entry, offset.as_deref()).await?;
    let given_cursor = input::query(query, "cursor")?;
    match live {
        LiveMode::No => catch_up(&entry, position, offset.as_deref() == Some("now"), request).await,
        LiveMode::LongPoll => live::long_poll(relay, entry, position, given_cursor.as_deref()).await,
        LiveMode::Sse => {
            let visible = entry.log.visible();
            if visible.closed
                && position >= visible.end.position
                && request.headers().contains_key("last-event-id")
            {
                // The only response after which a browser does not reconnect.
                return Ok(empty(StatusCode::NO_CONTENT));
            }
            sse::answer(relay, entry, position, given_cursor)
        }
        LiveMode::Raw => live::raw(relay, entry, position, request),
    }
}

/// The position of an offset.
async fn position(relay: &Relay, entry: &Entry, offset: Option<&str>) -> Result<u64, Refusal> {
    let end = entry.log.visible().end.position;
    let offset = match offset {
        None | Some("-1") => return Ok(0),
        Some("now") => return Ok(end),
        Some(text) => Offset::parse(text).ok_or_else(|| {
            Refusal::bad("the offset is not one of this server's; -1 is the beginning, now is the end")
        })?,
    };
    let (known, is_json) =
        entry.log.with_meta(|meta, shown| (meta.incarnations.knows(offset, shown), meta.is_json()));
    if !known && !is_stored(relay, entry, offset).await? {
        let message = "the data before this offset was lost in a crash or never existed; read from -1 again";
        return Err(
            Refusal::new(Code::Gone, message).with("stream-next-offset", entry.log.visible().end.to_string())
        );
    }
    let position = offset.position;
    if is_json && position > 0 && position < end {
        let before = Cursor::new(Arc::clone(&entry.log), position - 1).read().await;
        if !matches!(before, CursorRead::Bytes(bytes) if bytes.starts_with(b"\n")) {
            return Err(Refusal::bad("the offset is inside a JSON value"));
        }
    }
    Ok(position)
}

/// Whether the store of several relays has the data before `offset`. Readers at other relays may receive a record
/// from Redis before the relay that wrote it receives the reply to its write.
async fn is_stored(relay: &Relay, entry: &Entry, offset: Offset) -> Result<bool, Refusal> {
    let Some(shared) = &relay.shared else { return Ok(false) };
    shared.knows(entry, offset).await.map_err(store_failed)
}

/// The existing bytes from `position` on, in the reader's form.
pub(super) async fn available(entry: &Entry, cursor: &mut Cursor) -> Result<Bytes, Refusal> {
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    while !cursor.is_at_end().0 && all.len() + first.as_ref().map_or(0, Bytes::len) < READ_BYTES {
        let bytes = match cursor.read().await {
            CursorRead::Bytes(bytes) => bytes,
            CursorRead::Closed => break,
            CursorRead::Broken(why) => return Err(broken(why)),
        };
        if first.is_none() && all.is_empty() {
            first = Some(bytes);
            continue;
        }
        if let Some(first) = first.take() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&bytes);
    }
    let bytes = first.unwrap_or_else(|| all.freeze());
    Ok(if is_json(entry) { json::array(&bytes).into() } else { bytes })
}

pub(super) fn is_json(entry: &Entry) -> bool {
    entry.log.with_meta(|meta, _| meta.is_json())
}

pub(super) fn offset_text(entry: &Entry, position: u64) -> String {
    entry.log.with_meta(|meta, _| meta.incarnations.offset(position)).to_string()
}

/// The existing bytes from a position on, as a body.
pub(super) struct Part {
    pub(super) body: Body,
    /// The position after it.
    pub(super) end: u64,
    pub(super) at_end: bool,
    pub(super) closed: bool,
}

/// The existing bytes from `position` on. Bytes are read while the body is sent; JSON values are collected
/// into an array first.
pub(super) async fn part(entry: &Entry, position: u64) -> Result<Part, Refusal> {
    if is_json(entry) {
        let mut cursor = Cursor::whole(Arc::clone(&entry.log), position);
        let body = Body::whole(available(entry, &mut cursor).await?);
        let (at_end, closed) = cursor.is_at_end();
        return Ok(Part { body, end: cursor.position(), at_end, closed });
    }
    if let Some(why) = entry.log.broken() {
        return Err(broken(why));
    }
    let visible = entry.log.visible();
    let end = visible.end.position.min(position.saturating_add(READ_BYTES as u64)).max(position);
    let at_end = end >= visible.end.position;
    let body = Body::part(Arc::clone(&entry.log), position, end);
    Ok(Part { body, end, at_end, closed: at_end && visible.closed })
}

async fn catch_up(
    entry: &Entry,
    position: u64,
    from_now: bool,
    request: &Request<Incoming>,
) -> Result<Answer, Refusal> {
    let Part { body, end, at_end, closed } = part(entry, position).await?;
    let mark = if closed { "-closed" } else { "" };
    let etag = format!("\"{}-{position}-{}{mark}\"", entry.log.no, offset_text(entry, end));
    let matches = |given: &str| given.split(',').any(|tag| tag.trim() == etag || tag.trim() == "*");
    let given = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut answer = match given {
        Some(given) if !from_now && matches(given) => empty(StatusCode::NOT_MODIFIED),
        Some(_) | None => plain(StatusCode::OK, body),
    };
    describe(&mut answer, entry);
    set_position(&mut answer, &offset_text(entry, end), at_end, closed);
    if from_now {
        set(&mut answer, "cache-control", "no-store");
    } else {
        set(&mut answer, "etag", &etag);
        // Only the owner may see it, so only the owner's private cache may store it.
        set(&mut answer, "cache-control", "private, max-age=60, stale-while-revalidate=300");
    }
    Ok(answer)
}
