//! What is done now and then: streams whose time is over go, and what is no longer needed in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::http::is_over;
use crate::meta::now_ms;
use crate::relay::Relay;
use crate::shelf::Entry;

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(1);

/// Keeps house for ever.
///
/// # Cancel safety
/// Dropping the future stops it between two rounds.
pub(crate) async fn keep(relay: Arc<Relay>) {
    let mut rounds = tokio::time::interval(ROUND);
    let mut busy = Instant::now();
    loop {
        rounds.tick().await;
        round(&relay);
        let is_idle =
            relay.running.load(Ordering::Relaxed) == 0 && relay.connections.load(Ordering::Relaxed) == 0;
        if !is_idle {
            busy = Instant::now();
        }
        if relay.config.times.idle_exit.is_some_and(|idle| busy.elapsed() >= idle) {
            tracing::info!("nothing to do: the relay ends");
            relay.ending.send_replace(true);
            return;
        }
    }
}

/// One round over all streams.
fn round(relay: &Relay) {
    let retention = &relay.config.retention;
    let now = now_ms();
    let age = u64::try_from(retention.age.as_millis()).unwrap_or(u64::MAX);
    let mut ended: Vec<(u64, u64, Entry)> = Vec::new();
    let mut together = 0;
    for entry in relay.shelf.list(None) {
        if is_over(relay, &entry) {
            relay.shelf.expire(&entry);
            continue;
        }
        let (bytes, ended_ms) =
            entry.log.look(|meta, bytes| (bytes, meta.job.as_ref().and_then(|job| job.ended_ms)));
        together += bytes;
        let is_running = entry.job.as_ref().is_some_and(|job| !job.state().is_ended());
        if !is_running {
            entry.log.forget_tail();
        }
        let Some(ended_ms) = ended_ms else { continue };
        if ended_ms.saturating_add(age) <= now {
            together -= bytes;
            relay.shelf.expire(&entry);
        } else {
            ended.push((ended_ms, bytes, entry));
        }
    }
    if together <= retention.bytes {
        return;
    }
    ended.sort_by_key(|(ended_ms, _, entry)| (*ended_ms, entry.log.no));
    for (_, bytes, entry) in ended {
        if together <= retention.bytes {
            return;
        }
        together -= bytes;
        tracing::info!(stream = entry.id.as_str(), "an answer goes to make room");
        relay.shelf.expire(&entry);
    }
}
