//! `live=sse`: data and control events, in turn.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::answer::{Answer, Refusal, set, typed};
use super::super::body::Body;
use super::live::wait;
use super::read::{available, offset_text};
use super::{cursor as next_cursor, too_many_readers};
use crate::log::Cursor;
use crate::registry::{Entry, Reading};
use crate::relay::Relay;

/// Number of events that wait for a slow reader; more are made when these are taken.
const EVENTS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Text,
    Base64,
}

impl Encoding {
    fn of(entry: &Entry) -> Self {
        let media_type = entry.log.with_meta(|meta, _| meta.media_type());
        if media_type.starts_with("text/") || media_type == "application/json" {
            Self::Text
        } else {
            Self::Base64
        }
    }
}

pub(super) fn answer(
    relay: &Arc<Relay>,
    entry: Entry,
    position: u64,
    given_cursor: Option<String>,
) -> Result<Answer, Refusal> {
    let encoding = Encoding::of(&entry);
    let reading = relay.attach(entry).ok_or_else(|| too_many_readers(relay))?;
    let until = Instant::now() + relay.config.times.sse;
    let (events, pieces) = mpsc::channel(EVENTS);
    relay.tasks.start(async move {
        let sending = send(&reading, position, given_cursor, encoding, &events);
        tokio::select! {
            () = sending => {}
            () = events.closed() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    });
    let mut answer = typed(StatusCode::OK, "text/event-stream", Body::Pieces(pieces));
    set(&mut answer, "cache-control", "no-cache");
    if encoding == Encoding::Base64 {
        set(&mut answer, "stream-sse-data-encoding", "base64");
    }
    Ok(answer)
}

/// Sends the existing and the new bytes, until the stream is closed or the reader disconnects.
async fn send(
    reading: &Reading,
    position: u64,
    mut given_cursor: Option<String>,
    encoding: Encoding,
    events: &mpsc::Sender<Bytes>,
) {
    let entry = &reading.entry;
    let mut cursor = Cursor::whole(Arc::clone(&entry.log), position);
    loop {
        let mut piece = Vec::new();
        if !cursor.is_at_end().0 {
            // If the stream is deleted, the reader is disconnected, and learns of it when it reconnects.
            let Ok(bytes) = available(entry, &mut cursor).await else { return };
            data(&mut piece, &bytes, encoding, &offset_text(entry, cursor.position()));
        }
        let (at_end, closed) = cursor.is_at_end();
        let own_cursor = next_cursor(given_cursor.as_deref());
        let mut control = json!({"streamNextOffset": offset_text(entry, cursor.position())});
        if closed {
            control["streamClosed"] = true.into();
        } else {
            control["streamCursor"] = own_cursor.as_str().into();
        }
        if at_end {
            control["upToDate"] = true.into();
        }
        given_cursor = Some(own_cursor).filter(|_| given_cursor.is_some());
        let id = offset_text(entry, cursor.position());
        piece.extend_from_slice(format!("id: {id}\nevent: control\ndata:{control}\n\n").as_bytes());
        if events.send(piece.into()).await.is_err() || closed {
            return;
        }
        if at_end {
            wait(&cursor, entry).await;
            if entry.log.broken().is_some() {
                return;
            }
        }
    }
}

/// One data event, whose id is the offset after it. Every line end of the text starts a new line of the
/// event, so that no text can end the event.
fn data(piece: &mut Vec<u8>, bytes: &[u8], encoding: Encoding, id: &str) {
    piece.extend_from_slice(format!("id: {id}\nevent: data\n").as_bytes());
    match encoding {
        Encoding::Base64 => {
            piece.extend_from_slice(b"data:");
            piece.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            piece.push(b'\n');
        }
        Encoding::Text => {
            let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
            for line in text.split('\n') {
                piece.extend_from_slice(b"data:");
                piece.extend_from_slice(line.as_bytes());
                piece.push(b'\n');
            }
        }
    }
    piece.push(b'\n');
}
