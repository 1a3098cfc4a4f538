//! Messages of the store: notifications about the journal, and the bytes of other relays' answers that have
//! readers here.

use std::convert::Infallible;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{Shared, journal};
use crate::log::News;
use crate::store::redis::{Commands, Connection, PATIENCE, Reply, bytes_channel, key};
use crate::store::{RedisError, StreamNo};

/// The silence after which the server is pinged.
const SILENCE: Duration = Duration::from_secs(2);
/// Time between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(200);

/// Receives messages until the relay ends. [`refresh_followed`] finds the changes whose messages were missed.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub(crate) async fn listen(shared: &Shared) -> Infallible {
    loop {
        tokio::select! {
            received = receive(shared) => {
                if let Err(error) = received {
                    tracing::debug!(%error, "messages cannot be received");
                }
                tokio::time::sleep(PAUSE).await;
            }
            // Its orders are at another key now.
            () = shared.is_another.notified() => {}
        }
    }
}

async fn receive(shared: &Shared) -> Result<(), RedisError> {
    let bytes = bytes_channel(shared.store.address().database);
    let mut connection = Connection::open(shared.store.address()).await?;
    let mut commands = Commands::default();
    commands.push(&["SUBSCRIBE", &key("journal"), &key(format_args!("orders:{}", shared.relay()))]);
    for stream in shared.followed().keys() {
        commands.push(&["SUBSCRIBE", &format!("{bytes}{stream}")]);
    }
    connection.send(&commands).await?;
    // Earlier replies are skipped.
    shared.poked.notify_one();
    loop {
        tokio::select! {
            message = connection.next() => handle_message(shared, message?).await?,
            () = shared.store.follow_requested.notified() => follow(shared, &mut connection).await?,
            () = tokio::time::sleep(SILENCE) => {
                connection.send(&Commands::one(&[b"PING"])).await?;
                let silent = |_| RedisError::Silent(shared.store.address().to_string());
                let message = timeout(PATIENCE, connection.next()).await.map_err(silent)??;
                handle_message(shared, message).await?;
            }
        }
    }
}

/// Subscribes to streams that have got readers, and unsubscribes from those that have lost them.
async fn follow(shared: &Shared, connection: &mut Connection) -> Result<(), RedisError> {
    let bytes = bytes_channel(shared.store.address().database);
    let mut commands = Commands::default();
    let unread = std::mem::take(&mut *shared.unread.lock().unwrap_or_else(PoisonError::into_inner));
    for stream in unread {
        if !shared.followed().contains_key(&stream) {
            commands.push(&["UNSUBSCRIBE", &format!("{bytes}{stream}")]);
        }
    }
    for stream in shared.store.take_to_follow() {
        if let Some(entry) = shared.registry.numbered(stream) {
            shared.followed().insert(stream, entry.log);
            commands.push(&["SUBSCRIBE", &format!("{bytes}{stream}")]);
        }
    }
    connection.send(&commands).await
}

async fn handle_message(shared: &Shared, message: Reply) -> Result<(), RedisError> {
    let bytes = bytes_channel(shared.store.address().database);
    let [kind, channel, payload] = message.many() else { return Ok(()) };
    let stream = channel.text().and_then(|channel| channel.strip_prefix(&bytes)?.parse::<StreamNo>().ok());
    match (kind.text(), stream) {
        // From here on no message is missed; earlier writes are read.
        (Some("subscribe"), Some(stream)) => refresh(shared, &[stream]).await,
        (Some("message"), Some(stream)) => {
            let log = shared.followed().get(&stream).cloned();
            let news = payload.bytes().and_then(parse_news);
            match (log, news) {
                (Some(log), Some(news)) => {
                    if news
                        .bytes
                        .as_ref()
                        .is_some_and(|bytes| log.visible().end.position + (bytes.len() as u64) < news.end)
                    {
                        // A message was lost.
                        return refresh(shared, &[stream]).await;
                    }
                    log.feed(news);
                    Ok(())
                }
                (Some(_), None) => refresh(shared, &[stream]).await,
                (None, _) => Ok(()),
            }
        }
        (Some("message"), None) => {
            shared.poked.notify_one();
            Ok(())
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// `<position> <bytes>`.
fn parse_news(payload: &Bytes) -> Option<News> {
    let space = payload.iter().position(|byte| *byte == b' ')?;
    let start: u64 = std::str::from_utf8(&payload[..space]).ok()?.parse().ok()?;
    let bytes = payload.slice(space + 1..);
    Some(News { meta: None, end: start + bytes.len() as u64, bytes: Some(bytes) })
}

async fn refresh(shared: &Shared, streams: &[StreamNo]) -> Result<(), RedisError> {
    for (stream, stored) in shared.store.stored(streams).await? {
        journal::apply_if_known(shared, stream, stored);
    }
    Ok(())
}

/// Checks all followed streams, whether a message arrived or not, and stops following those without readers.
pub(super) async fn refresh_followed(shared: &Shared) -> Result<(), RedisError> {
    let mut unread = Vec::new();
    let mut read = Vec::new();
    shared.followed().retain(|stream, log| {
        let is_read = log.stays_followed();
        if is_read {
            read.push(*stream)
        } else {
            unread.push(*stream)
        }
        is_read
    });
    if !unread.is_empty() {
        shared.unread.lock().unwrap_or_else(PoisonError::into_inner).append(&mut unread);
        shared.store.follow_requested.notify_one();
    }
    for some in read.chunks(256) {
        refresh(shared, some).await?;
    }
    Ok(())
}
