//! Live reads without events: the long poll and the raw tail.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::TE;
use hyper::{Request, StatusCode};

use super::super::answer::{Answer, Refusal, empty, plain, set};
use super::super::body::Body;
use super::read::{Part, offset_text, part};
use super::{cursor as next_cursor, describe, set_position, too_many_readers};
use crate::log::Cursor;
use crate::registry::Entry;
use crate::relay::Relay;

/// How often a waiting reader renews the stream's time to live.
const RENEW: Duration = Duration::from_millis(500);

pub(super) async fn long_poll(
    relay: &Arc<Relay>,
    entry: Entry,
    position: u64,
    given_cursor: Option<&str>,
) -> Result<Answer, Refusal> {
    let reading = relay.attach(entry).ok_or_else(|| too_many_readers(relay))?;
    let entry = &reading.entry;
    let cursor = Cursor::new(Arc::clone(&entry.log), position);
    // A wait takes nothing from the cursor.
    let something = wait(&cursor, entry);
    drop(tokio::time::timeout(relay.config.times.long_poll, something).await);
    let (was_at_end, closed) = cursor.is_at_end();
    let (mut answer, end, at_end, closed) = if was_at_end {
        // Bytes that arrive after an empty read are for the next poll.
        (empty(StatusCode::NO_CONTENT), position, true, closed)
    } else {
        let Part { body, end, at_end, closed } = part(entry, position).await?;
        let mut answer = plain(StatusCode::OK, body);
        describe(&mut answer, entry);
        (answer, end, at_end, closed)
    };
    set_position(&mut answer, &offset_text(entry, end), at_end, closed);
    set(&mut answer, "stream-cursor", &next_cursor(given_cursor));
    set(&mut answer, "cache-control", "no-store");
    Ok(answer)
}

/// Waits until there are bytes to read, or there will be none; renews the time to live meanwhile.
pub(super) async fn wait(cursor: &Cursor, entry: &Entry) {
    let mut probe = Cursor::new(Arc::clone(&entry.log), cursor.position());
    let mut renew = tokio::time::interval(RENEW);
    loop {
        tokio::select! {
            // The cursor will see any change.
            _ = probe.read() => return,
            _ = renew.tick() => entry.log.touch(crate::meta::now_ms()),
        }
    }
}

/// The raw bytes, until the stream is closed.
pub(super) fn raw(
    relay: &Relay,
    entry: Entry,
    position: u64,
    request: &Request<Incoming>,
) -> Result<Answer, Refusal> {
    let reading = relay.attach(entry.clone()).ok_or_else(|| too_many_readers(relay))?;
    let visible = entry.log.visible();
    let wants = |value: &hyper::header::HeaderValue| {
        value.to_str().is_ok_and(|value| value.split(',').any(|part| part.trim() == "trailers"))
    };
    let trailers = request.headers().get(TE).is_some_and(wants);
    let is_over = visible.closed && position >= visible.end.position;
    let body = if is_over {
        Body::empty()
    } else {
        Body::Live(Box::new(Body::live(reading, position, trailers, relay.config.limits.lag_bytes)))
    };
    let mut answer = plain(StatusCode::OK, body);
    describe(&mut answer, &entry);
    let begins = entry.log.with_meta(|meta, _| meta.incarnations.latest(position));
    set_position(&mut answer, &begins.to_string(), false, is_over);
    set(&mut answer, "towline-stream", entry.id.as_str());
    set(&mut answer, "cache-control", "no-store");
    if trailers && !is_over {
        set(&mut answer, "trailer", "stream-closed, towline-lagged");
    }
    Ok(answer)
}
