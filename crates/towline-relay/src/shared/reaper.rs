//! Ends the answers of dead relays.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{LEASE, Shared, journal};
use crate::job::Ended;
use crate::meta::now_ms;
use crate::recovery;
use crate::store::redis::{Commands, PREFIX, Reply, key, scripts};
use crate::store::{RedisError, StreamNo};

/// How long one relay has to end the answers of a dead one before a third one helps, in milliseconds.
const REAPING_MS: &str = "4000";

/// Declares relays dead whose lease has expired, and ends their answers.
pub(super) async fn reap(shared: &Shared) -> Result<(), RedisError> {
    let mut commands = Commands::default();
    commands.push(&["SMEMBERS", &key("relays")]);
    commands.push(&["SMEMBERS", &key("dead")]);
    let replies = shared.store.ask(&commands).await?;
    let numbers = |reply: &Reply| reply.many().iter().filter_map(Reply::number).collect::<Vec<u64>>();
    let (mut living, mut dead) = (numbers(&replies[0]), numbers(&replies[1]));
    if shared.there_since().is_some_and(|since| since.elapsed() > LEASE) {
        for other in living.clone() {
            let other_no = other.to_string();
            let buried = shared.store.one(&["EVAL", scripts::BURY, "1", PREFIX, &other_no]).await?;
            if buried.number() == Some(1) {
                tracing::warn!(relay = other, "a relay is dead: its answers are ended");
                living.retain(|one| *one != other);
                dead.push(other);
            }
        }
    }
    shared.living.store(living.len(), Ordering::Relaxed);
    if !dead.is_empty() {
        for job in shared.registry.running_here().filter_map(|entry| entry.job) {
            job.retain_readers_of(&living, shared.grace, &shared.tasks);
        }
    }
    for other in dead {
        let (key, own) = (key(format_args!("reaping:{other}")), shared.relay().to_string());
        let turn = shared.store.one(&["SET", &key, &own, "NX", "PX", REAPING_MS]).await?;
        if turn != Reply::None {
            end_all(shared, other).await?;
            shared.store.one(&["DEL", &key]).await?;
        }
    }
    Ok(())
}

/// Stops the answers that run here, because other relays have taken them.
pub(super) fn stop_taken_answers(shared: &Shared) {
    for entry in shared.registry.running_here() {
        entry.log.fence();
        if let Some(job) = &entry.job {
            let _is_over = job.cancel("another relay has taken the answer over");
        }
    }
}

/// Ends the answers of a dead relay.
async fn end_all(shared: &Shared, dead: u64) -> Result<(), RedisError> {
    let held_key = key(format_args!("held:{dead}"));
    let held = shared.store.one(&["SMEMBERS", &held_key]).await?;
    let held: Vec<StreamNo> = held.many().iter().filter_map(Reply::number).collect();
    let mut left = 0;
    for stream in held {
        if !end(shared, stream).await? {
            left += 1;
            continue;
        }
        shared.store.one(&["SREM", &held_key, &stream.to_string()]).await?;
    }
    if left == 0 {
        shared.store.one(&["SREM", &key("dead"), &dead.to_string()]).await?;
    }
    Ok(())
}

/// Ends one answer with its true outcome; `false` if that must be retried.
async fn end(shared: &Shared, stream: StreamNo) -> Result<bool, RedisError> {
    let Some(stored) = shared.store.found(stream).await? else { return Ok(true) };
    if shared.registry.numbered(stream).is_none() {
        shared.restore(stream).await?;
    }
    journal::apply_if_known(shared, stream, stored.clone());
    let Some(mut meta) = journal::described(stream, &stored) else { return Ok(true) };
    if meta.closed {
        return Ok(true);
    }
    // It is being removed.
    let Some(entry) = shared.registry.numbered(stream) else { return Ok(false) };
    if entry.runs_here() {
        // It ran here before this relay was declared dead, and is about to end.
        return Ok(false);
    }
    if entry.log.is_overwritten() && entry.log.reload(meta.clone(), stored.end) {
        shared.store.is_at(stream, stored.version);
    }
    if shared.store.version(stream) != stored.version {
        // The dead relay still writes; the next round will see more.
        return Ok(false);
    }
    // Read before any change: on a failure, a later round tries again.
    let (writer, log_end) = (Arc::clone(shared.registry.writer()), stored.end);
    let reading = tokio::task::spawn_blocking(move || recovery::End::read(&writer, stream, log_end));
    let read = reading.await.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()));
    let log_end = match read {
        Ok(log_end) => log_end,
        Err(error) => {
            tracing::warn!(stream = entry.id.as_str(), %error, "the end of an answer cannot be read yet");
            return Ok(false);
        }
    };
    // From here on, offsets of bytes that the dead relay may have shown and lost are refused.
    let resumed = entry.log.change(|log| {
        log.meta_mut().incarnations.resume(now_ms(), stored.end);
        log.meta().clone()
    });
    let Ok((known, _)) = resumed else { return Ok(false) };
    meta = known;
    let sent = meta.job.as_ref().is_none_or(|job| job.sent);
    recovery::close(&entry.log, &meta, &log_end, || Ended::interrupted(sent));
    // The changes before it.
    let Ok(((), ticket)) = entry.log.change(|_| ()) else { return Ok(false) };
    if entry.log.written(ticket).await.is_err() {
        // Overwritten: by another reaper, or by the last write of the dead relay.
        shared.reload(&entry).await?;
        return Ok(false);
    }
    shared.ended_for_others.fetch_add(1, Ordering::Relaxed);
    let state = entry.log.with_meta(|meta, _| meta.job.as_ref().and_then(|job| job.ended.clone()));
    if let (Some(job), Some(state)) = (entry.job.as_ref().filter(|job| job.is_elsewhere()), state) {
        job.has_ended(state);
    }
    shared.registry.changed(&entry);
    Ok(true)
}
