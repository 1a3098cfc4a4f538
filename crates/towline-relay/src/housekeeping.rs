//! Periodic work: deletes expired streams, and frees memory that is no longer needed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::id::Owner;
use crate::log::Broken;
use crate::meta::steady_now_ms;
use crate::recovery;
use crate::registry::{Entry, REMOVED_AT_ONCE};
use crate::relay::Relay;
use crate::store::Room;

/// A gap of this length between rounds means that the whole process was suspended.
const STOPPED: Duration = Duration::from_secs(10);
/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(1);

/// Number of streams that are checked before the task yields.
const BREATH: usize = 4096;

/// Does the periodic work as long as it is polled.
///
/// # Cancel safety
/// Dropping the future stops it between two rounds.
pub(crate) async fn run(relay: Arc<Relay>) -> Infallible {
    let mut rounds = tokio::time::interval(ROUND);
    let (mut busy, mut last) = (Instant::now(), Instant::now());
    loop {
        rounds.tick().await;
        if std::mem::replace(&mut last, Instant::now()).elapsed() > STOPPED {
            // The process was suspended, which does not count as idle time.
            busy = last;
        }
        let own = Arc::clone(&relay);
        if tokio::task::spawn_blocking(move || mend(&own)).await.is_err() {
            tracing::error!("the store could not be checked");
        }
        round(&relay).await;
        // A paired phone must always find the relay running.
        let is_awaited = relay.phone_door.is_open() && relay.devices.are_kept();
        let is_idle = relay.running.load(Ordering::Relaxed) == 0
            && relay.connections.load(Ordering::Relaxed) == 0
            && !is_awaited;
        if !is_idle {
            busy = Instant::now();
        }
        if !relay.is_draining() && relay.config.times.idle_exit.is_some_and(|idle| busy.elapsed() >= idle) {
            tracing::info!("the relay is idle and ends");
            relay.end();
        }
    }
}

/// Repairs a failed store once that is possible, and then the logs that it did not accept. Blocks.
fn mend(relay: &Relay) {
    let writer = &relay.writer;
    if writer.is_failing() {
        // These answers end now, even if their model servers do not.
        for job in broken(relay).into_iter().filter(is_running).filter_map(|entry| entry.job) {
            job.recheck_log();
        }
    }
    match writer.store().room() {
        Room::Full => return,
        Room::Failed => {
            if let Err(error) = writer.store().mend() {
                tracing::debug!(%error, "the store is not repaired yet");
                return;
            }
        }
        Room::Enough => {}
    }
    if !writer.is_failing() {
        return;
    }
    let (running, ended): (Vec<Entry>, Vec<Entry>) = broken(relay).into_iter().partition(is_running);
    writer.remove_again();
    let mut is_all = true;
    for entry in &ended {
        if let Err(error) = recovery::mend(&relay.registry, entry) {
            tracing::debug!(stream = entry.id.as_str(), %error, "a stream is not repaired yet");
            is_all = false;
        }
    }
    // Answers that end now are repaired in the next round.
    if running.is_empty() && is_all {
        writer.is_mended();
        tracing::info!(streams = ended.len(), "the store accepts writes again");
    }
}

/// Streams whose logs the store did not accept.
fn broken(relay: &Relay) -> Vec<Entry> {
    let is_broken = |entry: &Entry| matches!(entry.log.broken(), Some(Broken::Full | Broken::Store(_)));
    relay.registry.all().filter(is_broken).collect()
}

/// The streams of one owner.
#[derive(Default)]
struct OwnerStreams {
    /// Ended answers: time of the end, size, and entry.
    ended: Vec<(u64, u64, Entry)>,
    ended_bytes: u64,
    /// Bytes of the streams that the owner's clients write.
    written_bytes: u64,
}

/// One round over all streams. Yields after each owner and every few thousand streams.
async fn round(relay: &Relay) {
    let now = steady_now_ms();
    let age = u64::try_from(relay.config.retention.age.as_millis()).unwrap_or(u64::MAX);
    let mut owners: HashMap<Owner, OwnerStreams> = HashMap::new();
    for owner in relay.registry.owners() {
        let mut own = OwnerStreams::default();
        for (count, entry) in relay.registry.each(owner.clone(), None).enumerate() {
            if count % BREATH == 0 {
                tokio::task::yield_now().await;
            }
            own.inspect(relay, entry, now, age);
        }
        owners.insert(owner, own);
    }
    let written = owners.iter().map(|(owner, own)| (owner.clone(), own.written_bytes)).collect();
    relay.registry.set_written(written);
    evict(relay, owners);
}

impl OwnerStreams {
    fn inspect(&mut self, relay: &Relay, entry: Entry, now: u64, age: u64) {
        if entry.is_over(relay.config.retention.longest) {
            return relay.registry.expire(&entry);
        }
        if !is_running(&entry) {
            entry.log.forget_tail();
        }
        let (bytes, job) = entry.log.with_meta(|meta, bytes| {
            let request = meta.job.as_ref().and_then(|job| job.request_bytes).unwrap_or(0);
            (bytes + request, meta.job.as_ref().map(|job| job.ended_ms))
        });
        match job {
            Some(Some(ended_ms)) if ended_ms.saturating_add(age) <= now => relay.registry.expire(&entry),
            Some(Some(ended_ms)) => {
                self.ended_bytes += bytes;
                self.ended.push((ended_ms, bytes, entry));
            }
            // Running answers do not count towards the kept bytes.
            Some(None) => {}
            None => self.written_bytes += bytes,
        }
    }
}

/// Deletes the answers that ended first of the owner who has the most, until there is enough room. So an
/// owner never loses answers to another one who has more.
fn evict(relay: &Relay, mut owners: HashMap<Owner, OwnerStreams>) {
    let mut together: u64 = owners.values().map(|own| own.ended_bytes).sum();
    if together <= relay.config.retention.bytes {
        return;
    }
    for own in owners.values_mut() {
        // The first one to be deleted is at the end.
        own.ended.sort_by_key(|(ended_ms, _, entry)| std::cmp::Reverse((*ended_ms, entry.log.no)));
    }
    while together > relay.config.retention.bytes {
        let Some(most) = owners.values_mut().max_by_key(|own| own.ended_bytes) else { return };
        let Some((_, bytes, entry)) = most.ended.pop() else { return };
        most.ended_bytes -= bytes;
        together -= bytes;
        tracing::info!(stream = entry.id.as_str(), "an answer is evicted");
        relay.registry.expire(&entry);
    }
}

/// Makes room for further streams of `owner` if there is none: deletes some of the answers that ended first,
/// of that owner if the owner has used up a full share, else of the owner who has the most streams.
pub(crate) fn make_room(relay: &Relay, owner: &Owner) {
    let Some(evicted) = relay.registry.owner_to_evict(owner) else { return };
    let mut ended: Vec<(u64, Entry)> = relay
        .registry
        .each(evicted.clone(), None)
        .filter_map(|entry| {
            let ended_ms = entry.log.with_meta(|meta, _| meta.job.as_ref().and_then(|job| job.ended_ms));
            ended_ms.map(|ended_ms| (ended_ms, entry))
        })
        .collect();
    ended.sort_by_key(|(ended_ms, entry)| (*ended_ms, entry.log.no));
    // A pass over all of them is expensive, so it removes many at once.
    let count = (relay.config.limits.streams / 100 + 1).min(REMOVED_AT_ONCE);
    for (_, entry) in ended.into_iter().take(count) {
        relay.registry.expire(&entry);
    }
    tracing::info!(owner = evicted.as_str(), "answers are evicted, because there are too many streams");
}

fn is_running(entry: &Entry) -> bool {
    entry.job.as_ref().is_some_and(|job| !job.state().is_ended())
}
